#include "proxy/migrate/pair_databases.hpp"

#include <map>
#include <utility>

// Whether both sides answer alike, and as fast.
namespace proxy::migrate {

using routing::Side;
using Weight = routing::SwitchoverFinding::Weight;

namespace {

/// What decides how values are read, shown and sorted, and what a transaction means. `reset_val` is what any session begins with.
/// Source: PostgreSQL 15 manual, 20.11 Client Connection Defaults, 54.24 pg_settings, 54.8 pg_database.
constexpr const char* settings_query =
    "SELECT name, reset_val FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits', "
    "'lc_monetary', 'lc_numeric', 'lc_time', 'xmlbinary', 'xmloption', 'default_transaction_isolation', 'default_text_search_config', "
    "'array_nulls', 'backslash_quote', 'transform_null_equals', 'quote_all_identifiers', 'max_identifier_length', 'integer_datetimes') "
    "UNION ALL SELECT v.name, v.value FROM pg_database, LATERAL (VALUES ('encoding', pg_encoding_to_char(encoding)), ('collation', "
    "datcollate), ('character classes', datctype)) v(name, value) WHERE datname = current_database()";

/// Of the database, and of roles in it. Their values may be secrets, so they are only compared.
constexpr const char* own_settings_query =
    "SELECT coalesce('role ' || r.rolname, 'the database') || ': ' || split_part(c, '=', 1), md5(c) FROM pg_db_role_setting s "
    "LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c "
    "WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c NOT ILIKE 'default_transaction_read_only=%'";

/// Smaller tables are read as fast without.
constexpr std::size_t statistics_bytes_min = 8'000'000;

using Values = std::map<std::string, std::string>;

}  // namespace

std::optional<routing::PerSide<std::vector<Row>>> PairDatabases::ask_both(const Inquiry& inquiry, const std::string& database,
                                                                          const std::string& statement) {
  routing::PerSide<std::vector<Row>> told;
  for (const Side side : routing::both_sides) {
    auto rows = ask(inquiry, side, database, statement);
    if (!rows) {
      inquiry.found.push_back({"settings_unknown:" + database, rows.error().detail});
      return std::nullopt;
    }
    told[side] = *std::move(rows);
  }
  return told;
}

void PairDatabases::find_settings(const Inquiry& inquiry, const std::string& database) {
  for (const char* query : {settings_query, own_settings_query}) {
    const auto told = ask_both(inquiry, database, query);
    if (!told) return;
    routing::PerSide<Values> values;
    for (const Side side : routing::both_sides) {
      for (const Row& row : (*told)[side]) values[side][row.at(0).value_or("")] = row.at(1).value_or("");
    }
    // A setting that only one side has is told as well.
    Values all = values[Side::blue];
    all.insert(values[Side::green].begin(), values[Side::green].end());
    for (const auto& [name, ignored] : all) {
      const std::string blue = values[Side::blue].contains(name) ? values[Side::blue][name] : "none";
      const std::string green = values[Side::green].contains(name) ? values[Side::green][name] : "none";
      if (blue == green) continue;
      const std::string words = query == settings_query ? " (blue: " + blue + "; green: " + green + ")" : "";
      inquiry.found.push_back({"setting:" + database + "." + name, "database " + database + ": the setting of " + name + " is not the same on both sides" +
                                                                       words, Weight::acceptable_blocker});
    }
  }
}

/// A large table that was never analysed is planned blindly: the first minute after a flip would be the slowest.
/// Source: PostgreSQL 15 manual, 14.2 Statistics Used by the Planner; a copy brings none along.
void PairDatabases::find_statistics(const Inquiry& inquiry, const std::string& database) {
  const Side to = routing::other(inquiry.from);
  const auto rows = ask(inquiry, to, database,
                        "SELECT format('%I.%I', t.schemaname, t.relname), pg_size_pretty(pg_relation_size(t.relid)) FROM pg_stat_user_tables t "
                        "WHERE t.last_analyze IS NULL AND t.last_autoanalyze IS NULL AND pg_relation_size(t.relid) > $1::bigint AND NOT EXISTS "
                        "(SELECT FROM pg_stats s WHERE s.schemaname = t.schemaname AND s.tablename = t.relname) ORDER BY 1",
                        {std::to_string(statistics_bytes_min)});
  if (!rows) return;
  for (const Row& row : *rows) {
    const std::string table = database + "." + row.at(0).value_or("");
    inquiry.found.push_back({"statistics:" + table, "on " + std::string(name_of(to)) + ", the table " + table + " of " + row.at(1).value_or("") +
                                                        " has no statistics: ANALYZE it, or its statements may be planned badly",
                             Weight::acceptable_blocker});
  }
}

}  // namespace proxy::migrate
