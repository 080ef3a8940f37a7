#include "protocol/postgres/capture_table.hpp"

#include "protocol/postgres/quoting.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <utility>

namespace protocol::postgres {
namespace {

constexpr std::size_t tables_max = 10'000;
constexpr char separator = '\x1f';

/// %1 is the name as a literal. Numbers of types are those of money, the exact numbers, and regclass with its like. A trigger that may do more than shape its row is one that runs after it, or whose source has
/// a word that may write.
constexpr std::string_view query = R"(SELECT n.nspname, c.relname, c.relpersistence OPERATOR(pg_catalog.=) 't'
  OR n.nspname IN ('pg_catalog', 'information_schema') OR n.nspname ~ '^pg_toast',
(SELECT pg_catalog.string_agg(a.attname, pg_catalog.chr(31) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
(SELECT pg_catalog.string_agg(a.attname, pg_catalog.chr(31) ORDER BY k.place)
  FROM pg_catalog.pg_index i, pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(attnum, place), pg_catalog.pg_attribute a
  WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.attnum AND k.place <= i.indnkeyatts),
(SELECT pg_catalog.string_agg(a.attname, pg_catalog.chr(31)) FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> ''),
(SELECT pg_catalog.string_agg(a.attname, pg_catalog.chr(31)) FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = 'a'),
(SELECT pg_catalog.string_agg(a.attname, pg_catalog.chr(31)) FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND (a.attidentity <> '' OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ '[(]|CURRENT_|SESSION_USER|LOCALTIME')),
EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'),
CASE
  WHEN c.relkind = 'v' THEN 'it is a view'
  WHEN c.relkind = 'f' THEN 'it is a foreign table'
  WHEN c.relkind NOT IN ('r', 'p') THEN 'it is no table'
  WHEN NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') THEN 'its user may not read it'
  WHEN c.relrowsecurity AND pg_catalog.row_security_active(c.oid) THEN 'it has row-level security'
  WHEN c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid) THEN 'others inherit from it'
  WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid) THEN 'it has rules'
  WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND k.condeferred)
    THEN 'its primary key is deferred'
  WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND a.atttypid IN (24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191)) THEN 'it has a column that names objects of a database'
  WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND ((t.tgtype::pg_catalog.int4 & 2) = 0
      OR p.prosrc ~* '[[:<:]](insert|update|delete|merge|truncate|execute|perform|call|copy|into|select|nextval|notify)[[:>:]]'))
    THEN 'it has triggers that may write elsewhere'
  WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D')
    AND EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.confrelid = c.oid
      AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r')))
    THEN 'it has both triggers and foreign keys that act'
  ELSE '' END,
(SELECT pg_catalog.string_agg(a.attname, pg_catalog.chr(31)) FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (20, 21, 23, 1700)),
EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND NOT i.indimmediate),
(SELECT pg_catalog.string_agg(DISTINCT a.attname, pg_catalog.chr(31)) FROM pg_catalog.pg_constraint f, pg_catalog.pg_attribute a
  WHERE f.confrelid = c.oid AND f.contype = 'f' AND f.confupdtype NOT IN ('a', 'r') AND a.attrelid = c.oid AND a.attnum = ANY (f.confkey)),
(WITH RECURSIVE acted AS (SELECT c.oid AS relation UNION
  SELECT f.conrelid FROM acted a JOIN pg_catalog.pg_constraint f ON f.confrelid = a.relation
  WHERE f.contype = 'f' AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r')))
  SELECT 'foreign keys act on rows of a table with triggers, rules or computed defaults' FROM acted a WHERE a.relation <> c.oid
    AND (EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = a.relation AND NOT t.tgisinternal AND t.tgenabled <> 'D')
      OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = a.relation)
      OR EXISTS (SELECT FROM pg_catalog.pg_constraint f, pg_catalog.pg_attrdef d WHERE f.conrelid = a.relation AND f.contype = 'f'
        AND 'd' IN (f.confdeltype, f.confupdtype) AND d.adrelid = a.relation AND d.adnum = ANY (f.conkey)
        AND pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ '[(]|CURRENT_|SESSION_USER|LOCALTIME')) LIMIT 1),
EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (790, 791)),
(WITH RECURSIVE acted AS (SELECT f.conrelid AS relation FROM pg_catalog.pg_constraint f
    WHERE f.confrelid = c.oid AND f.contype = 'f' AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r')) UNION
  SELECT f.conrelid FROM acted a JOIN pg_catalog.pg_constraint f ON f.confrelid = a.relation
  WHERE f.contype = 'f' AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r')))
  SELECT c.oid IN (SELECT a.relation FROM acted a))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass(%1)::pg_catalog.oid)";

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = list.find(separator);
    parts.emplace_back(list.substr(0, end));
    list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
  }
  return parts;
}

}  // namespace

std::string capture_table_query(std::string_view schema, std::string_view table) {
  const std::string name = schema.empty() ? quote_name(table) : quote_name(schema) + "." + quote_name(table);
  std::string text(query);
  return text.replace(text.find("%1"), 2, quote_literal(name));
}

std::optional<CaptureTable> read_capture_table(ByteView payload) {
  ByteReader reader(payload);
  constexpr std::size_t field_count = 16;
  if (reader.read_u16_be() != field_count) return std::nullopt;
  std::vector<std::string_view> fields;
  for (std::size_t i = 0; i < field_count; ++i) {
    const std::int32_t length = reader.read_i32_be();
    fields.push_back(length < 0 ? std::string_view() : as_text(reader.read_bytes(static_cast<std::size_t>(length))));
  }
  if (!reader.is_complete()) return std::nullopt;
  CaptureTable table;
  table.is_found = true;
  table.schema = fields[0];
  table.name = fields[1];
  table.is_temporary = fields[2] == "t";
  table.columns = split(fields[3]);
  table.key = split(fields[4]);
  table.generated = split(fields[5]);
  table.fixed = split(fields[6]);
  table.computed_defaults = split(fields[7]);
  table.skips_triggers = fields[8] == "t";
  table.obstacle = fields[9];
  table.exact_numbers = split(fields[10]);
  table.is_key_deferrable = fields[11] == "t";
  table.acted_columns = split(fields[12]);
  table.action_obstacle = fields[13];
  table.has_money = fields[14] == "t";
  table.acts_on_itself = fields[15] == "t";
  return table;
}

const CaptureTable* CaptureTableCache::find(std::uint64_t version, std::string_view user, std::string_view schema,
                                            std::string_view table) {
  if (version != version_) {
    tables_.clear();
    version_ = version;
  }
  const auto found = tables_.find({std::string(user), std::string(schema), std::string(table)});
  return found == tables_.end() ? nullptr : &found->second;
}

void CaptureTableCache::insert(std::string_view user, std::string_view schema, std::string_view table, CaptureTable found) {
  if (tables_.size() >= tables_max) tables_.clear();
  tables_.insert_or_assign({std::string(user), std::string(schema), std::string(table)}, std::move(found));
}

}  // namespace protocol::postgres
