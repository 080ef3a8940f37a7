#include "protocol/postgres/catalogue.hpp"
#include "protocol/postgres/known_functions.hpp"

/// Source: PostgreSQL 15 manual, chapter 53 "System Catalogs": pg_proc, pg_operator, pg_rewrite, pg_policy.
namespace protocol::postgres {
namespace {

/// Functions that a reader must be careful about. %1 is the list of those that are declared stable.
constexpr std::string_view careful_functions = R"(careful AS (
  SELECT p.oid, CASE WHEN n.nspname = 'pg_catalog' THEN '' ELSE n.nspname || '.' END || p.proname AS name
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE p.provolatile = 'v' OR (n.nspname = 'pg_catalog' AND p.proname IN (%1))
))";

/// What reading a relation runs: the query of a view, the conditions of row policies. Their trees name every
/// function by number, those of the system included, for which PostgreSQL keeps no dependencies.
constexpr std::string_view relation_trees = R"(tree AS (
  SELECT r.ev_class AS relation, r.ev_action::pg_catalog.text AS nodes
  FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE r.ev_type = '1' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL
  SELECT polrelid, polqual::pg_catalog.text FROM pg_catalog.pg_policy WHERE polqual IS NOT NULL AND polcmd IN ('r', '*')
), call AS (
  SELECT DISTINCT t.relation, m.match[1]::pg_catalog.oid AS callee
  FROM tree t, pg_catalog.regexp_matches(t.nodes, ':(?:funcid|aggfnoid|winfnoid|opfuncid) (\d+)', 'g') AS m(match)
), reference AS (
  SELECT DISTINCT t.relation, m.match[1]::pg_catalog.oid AS referred
  FROM tree t, pg_catalog.regexp_matches(t.nodes, ':relid (\d+)', 'g') AS m(match)
))";

/// Relations that hide a careful function, through other views too. %1 is the list of system views that do.
constexpr std::string_view hidden_calls = R"(hidden(relation, name) AS (
  SELECT call.relation, careful.name FROM call JOIN careful ON careful.oid = call.callee
  UNION
  SELECT c.oid, c.relname::pg_catalog.text FROM pg_catalog.pg_class c
  WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relname IN (%1)
  UNION
  SELECT reference.relation, hidden.name FROM hidden JOIN reference ON reference.referred = hidden.relation
))";

/// Settings with a point in their names that functions set by a name in their source: servers do not list them.
constexpr std::string_view setting_rows = R"(
UNION ALL
SELECT DISTINCT 'setting', '', pg_catalog.lower(m.match[1]), '', false
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace,
  pg_catalog.regexp_matches(p.prosrc,
    '(?:set_config\s*\(\s*''+|\mset\s+(?:session\s+)?)([a-z_][a-z0-9_$]*(?:\.[a-z_][a-z0-9_$]*)+)', 'gi') AS m(match)
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema'))";

/// A function counts as an extension's only if all overloads of the name in that schema are.
constexpr std::string_view result_rows = R"(
SELECT 'function' AS kind, n.nspname::pg_catalog.text AS schema, p.proname::pg_catalog.text AS name,
  CASE WHEN pg_catalog.count(*) = pg_catalog.count(x.extname) THEN pg_catalog.min(x.extname::pg_catalog.text)
    ELSE '' END AS detail,
  pg_catalog.bool_and(p.provolatile <> 'v') AS is_stable
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
    AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
WHERE p.prokind <> 'p'
GROUP BY n.nspname, p.proname
UNION ALL
SELECT 'operator', n.nspname, o.oprname, '', pg_catalog.bool_and(p.provolatile <> 'v')
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
  JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
GROUP BY n.nspname, o.oprname
UNION ALL
SELECT DISTINCT 'relation', n.nspname, c.relname, hidden.name, false
FROM hidden JOIN pg_catalog.pg_class c ON c.oid = hidden.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> 'pg_catalog'
UNION ALL
SELECT DISTINCT 'attribute', '', p.proname, '', false
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
WHERE p.provolatile = 'v' AND p.prokind = 'f' AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
  AND (t.typtype = 'c' OR t.typname IN ('record', 'anyelement', 'anynonarray', 'anycompatible', 'anycompatiblenonarray', 'any')))";

std::string quote_words(std::string_view words) {
  std::string quoted;
  known::for_each_word(words, [&](std::string_view word) {
    quoted.append(quoted.empty() ? "'" : ", '").append(word).append("'");
  });
  return quoted;
}

std::string fill(std::string_view part, std::string_view list) {
  std::string filled(part);
  return filled.replace(filled.find("%1"), 2, list);
}

}  // namespace

std::string catalogue_query() {
  return "WITH RECURSIVE " + fill(careful_functions, quote_words(known::acting_functions)) + ", " +
         std::string(relation_trees) + ", " + fill(hidden_calls, quote_words(known::session_relations)) +
         std::string(result_rows) + std::string(setting_rows);
}

}  // namespace protocol::postgres
