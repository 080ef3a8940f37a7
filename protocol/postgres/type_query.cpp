#include "protocol/postgres/catalogue.hpp"
#include "protocol/postgres/type_comparison.hpp"

/// Source: PostgreSQL 15 manual, chapter 53 "System Catalogs": pg_type, pg_class, pg_attribute, pg_proc.
namespace protocol::postgres {
namespace {

/// What a database has of its own and keeps; the mirror's own tables are not the same on both sides.
constexpr std::string_view own_schemas = R"(own AS (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n
  WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'crossfade')
))";

/// Detail: number, kind, and the types that its values name in their binary form. Rows of tables, and arrays of them, are
/// too many to be told one by one.
/// Source: PostgreSQL 15, array_send and record_send in src/backend/utils/adt: both write the numbers of what they hold.
constexpr std::string_view type_rows = R"(
SELECT 'type' AS kind, own.nspname::pg_catalog.text AS schema, t.typname::pg_catalog.text AS name,
  t.oid::pg_catalog.text || ' ' || CASE WHEN a.oid IS NOT NULL THEN 'a' ELSE t.typtype::pg_catalog.text END
  || CASE WHEN t.typtype = 'd' THEN ' ' || t.typbasetype::pg_catalog.text
          WHEN a.oid IS NOT NULL THEN ' ' || t.typelem::pg_catalog.text
          ELSE coalesce((SELECT ' ' || pg_catalog.string_agg(m.atttypid::pg_catalog.text, ' ') FROM pg_catalog.pg_attribute m
                         WHERE m.attrelid = t.typrelid AND m.attnum > 0 AND NOT m.attisdropped), '') END AS detail,
  false AS is_stable
FROM pg_catalog.pg_type t JOIN own ON own.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type a ON a.typarray = t.oid
  LEFT JOIN pg_catalog.pg_class r ON r.oid = CASE WHEN a.oid IS NOT NULL THEN a.typrelid ELSE t.typrelid END
WHERE r.oid IS NULL OR r.relkind = 'c'
UNION ALL
SELECT 'row_types', '', '', coalesce(pg_catalog.md5(pg_catalog.string_agg(
  own.nspname || '.' || r.relname || ':' || r.reltype::pg_catalog.text, ',' ORDER BY own.nspname, r.relname)), ''), false
FROM pg_catalog.pg_class r JOIN own ON own.oid = r.relnamespace WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f'))";

constexpr std::string_view use_rows = R"(
UNION ALL
SELECT 'columns', own.nspname, r.relname, coalesce(pg_catalog.string_agg(DISTINCT m.atttypid::pg_catalog.text, ' '), ''), false
FROM pg_catalog.pg_class r JOIN own ON own.oid = r.relnamespace
  LEFT JOIN pg_catalog.pg_attribute m ON m.attrelid = r.oid AND m.attnum > 0 AND NOT m.attisdropped AND m.atttypid >= 16384
WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
GROUP BY own.nspname, r.relname
UNION ALL
SELECT 'returns', own.nspname, p.proname, pg_catalog.string_agg(DISTINCT o.type::pg_catalog.text, ' '), false
FROM pg_catalog.pg_proc p JOIN own ON own.oid = p.pronamespace,
  pg_catalog.unnest(p.prorettype || coalesce(p.proallargtypes, '{}'::pg_catalog.oid[])) AS o(type)
WHERE o.type >= 16384
GROUP BY own.nspname, p.proname)";

}  // namespace

std::string type_query() {
  return "WITH " + std::string(own_schemas) + std::string(type_rows) + std::string(use_rows);
}

}  // namespace protocol::postgres
