#include "protocol/postgres/capture_table.hpp"

#include "protocol/postgres/quoting.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <utility>

namespace protocol::postgres {
namespace {

constexpr std::size_t tables_max = 10'000;
constexpr char separator = '\x1f';

/// %1 is the name as a literal. A trigger that may do more than shape its row is one that runs after it, or whose source has
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
  WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND ((t.tgtype::pg_catalog.int4 & 2) = 0
      OR p.prosrc ~* '[[:<:]](insert|update|delete|merge|truncate|execute|perform|call|copy|into|select|nextval|notify)[[:>:]]'))
    THEN 'it has triggers that may write elsewhere'
  WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D')
    AND EXISTS (SELECT FROM pg_catalog.pg_constraint f WHERE f.confrelid = c.oid
      AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r')))
    THEN 'it has both triggers and foreign keys that act'
  ELSE '' END
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
  constexpr std::size_t field_count = 10;
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
