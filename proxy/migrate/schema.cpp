#include "proxy/migrate/pair_databases.hpp"

#include <map>
#include <utility>

// Whether both sides define the same.
namespace proxy::migrate {

using routing::Side;
using Weight = routing::SwitchoverFinding::Weight;

namespace {

/// Differences of one database that are told one by one.
constexpr std::size_t differences_max = 20;

/// Kind, name and definition of everything that users have defined, but for what belongs to extensions, and what the mirror keeps
/// for itself on the follower.
constexpr const char* definitions_query = R"(
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'crossfade')),
rel AS (SELECT c.oid, c.relkind, c.relrowsecurity, c.relpersistence, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN own n ON n.oid = c.relnamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
SELECT 'column', r.name || '.' || quote_ident(a.attname), format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE
  '' END || coalesce(' default ' || pg_get_expr(e.adbin, e.adrelid), '') || ' ' || a.attidentity::text || a.attgenerated::text
  FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef e ON e.adrelid = r.oid AND e.adnum = a.attnum WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL SELECT 'table', r.name, r.relkind::text || r.relrowsecurity::text || r.relpersistence::text FROM rel r WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL SELECT 'view', r.name, md5(pg_get_viewdef(r.oid)) FROM rel r WHERE r.relkind IN ('v', 'm')
UNION ALL SELECT 'constraint', r.name || ' ' || quote_ident(k.conname), pg_get_constraintdef(k.oid) FROM rel r JOIN pg_constraint k ON k.conrelid = r.oid
UNION ALL SELECT 'index', x.name, pg_get_indexdef(x.oid) FROM rel x WHERE x.relkind IN ('i', 'I')
UNION ALL SELECT 'trigger', r.name || ' ' || quote_ident(t.tgname), pg_get_triggerdef(t.oid) || t.tgenabled::text FROM rel r JOIN pg_trigger t ON
  t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL SELECT 'sequence', r.name, concat_ws(' ', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle)
  FROM rel r JOIN pg_sequence s ON s.seqrelid = r.oid
UNION ALL SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
  md5(concat_ws(' ', p.prosrc, p.prosqlbody::text IS NULL, p.provolatile, p.prosecdef, l.lanname)) FROM pg_proc p JOIN own n ON n.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND
  d.deptype = 'e')
UNION ALL SELECT 'type', format('%I.%I', n.nspname, t.typname), string_agg(quote_literal(m.enumlabel), ',' ORDER BY m.enumsortorder)
  FROM pg_type t JOIN own n ON n.oid = t.typnamespace JOIN pg_enum m ON m.enumtypid = t.oid GROUP BY 2
UNION ALL SELECT 'extension', quote_ident(x.extname), '' FROM pg_extension x
LIMIT 500001)";

using Definitions = std::map<std::pair<std::string, std::string>, std::string>;

Definitions definitions_of(const std::vector<Row>& rows) {
  Definitions definitions;
  for (const Row& row : rows) {
    definitions[{row.at(0).value_or(""), row.at(1).value_or("")}] = row.at(2).value_or("");
  }
  return definitions;
}

}  // namespace

void PairDatabases::find_schema(const Inquiry& inquiry, const std::string& database) {
  routing::PerSide<Definitions> defined;
  for (const Side side : routing::both_sides) {
    const auto rows = ask(inquiry, side, database, definitions_query);
    if (!rows) {
      inquiry.found.push_back({"schema_unknown:" + database, rows.error().detail});
      return;
    }
    defined[side] = definitions_of(*rows);
  }
  std::size_t count = 0;
  const auto note = [&](const std::pair<std::string, std::string>& object, const std::string& words) {
    if (++count > differences_max) return;
    inquiry.found.push_back({"schema:" + database + "." + object.second,
                             "database " + database + ": " + object.first + " " + object.second + " " + words, Weight::acceptable_blocker});
  };
  for (const Side side : routing::both_sides) {
    for (const auto& [object, definition] : defined[side]) {
      const auto place = defined[routing::other(side)].find(object);
      if (place == defined[routing::other(side)].end()) {
        note(object, "is only on " + std::string(name_of(side)));
      } else if (side == Side::blue && place->second != definition) {
        note(object, "is defined otherwise on green (blue: " + definition.substr(0, 200) + "; green: " + place->second.substr(0, 200) + ")");
      }
    }
  }
  if (count > differences_max) {
    inquiry.found.push_back({"schema:" + database, "database " + database + ": " + std::to_string(count - differences_max) +
                                                       " more definitions differ", Weight::acceptable_blocker});
  }
}

/// Rows without a key cannot be told apart, so nothing can prove or repair them.
void PairDatabases::find_keyless(const Inquiry& inquiry, const std::string& database) {
  const auto rows = ask(inquiry, inquiry.from, database,
                        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
                        "c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' AND "
                        "n.nspname NOT IN ('information_schema', 'crossfade') AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = "
                        "c.oid AND (i.indisprimary OR i.indisreplident)) ORDER BY 1");
  if (!rows) return;
  for (const Row& row : *rows) {
    const std::string table = database + "." + row.at(0).value_or("");
    inquiry.found.push_back({"table_without_key:" + table, "the table " + table + " has no primary key: whether its rows are equal cannot be proven",
                             Weight::acceptable_blocker});
  }
}

}  // namespace proxy::migrate
