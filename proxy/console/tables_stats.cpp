#include "proxy/console/rows.hpp"

#include <array>

namespace proxy::console {

using protocol::ConsoleColumn;
using protocol::ConsoleTable;
using protocol::ConsoleType;
using telemetry::DatabaseCounters;

namespace {

constexpr auto large = ConsoleType::bigint;

void add_counters(Row& row, const DatabaseCounters& counters) {
  row << counters.transaction_count << counters.query_count << counters.received_bytes << counters.sent_bytes
      << counters.transaction_time << counters.query_time << counters.wait_time;
}

std::vector<ConsoleColumn> plain_columns() {
  return {{"database"},          {"xact_count", large}, {"query_count", large}, {"bytes_received", large},
          {"bytes_sent", large}, {"xact_time", large},  {"query_time", large},  {"wait_time", large}};
}

DatabaseCounters averages_of(const Moment& moment, const std::string& database) {
  return moment.periods.averages(database, moment.time, moment.view.inventory.databases);
}

}  // namespace

ConsoleTable stats_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"database"},
                   {"total_xact_count", large}, {"total_query_count", large}, {"total_received", large}, {"total_sent", large},
                   {"total_xact_time", large},  {"total_query_time", large},  {"total_wait_time", large},
                   {"avg_xact_count", large},   {"avg_query_count", large},   {"avg_recv", large},       {"avg_sent", large},
                   {"avg_xact_time", large},    {"avg_query_time", large},    {"avg_wait_time", large}};
  for (const auto& [database, counters] : moment.view.inventory.databases) {
    Row row;
    row << database;
    add_counters(row, counters);
    add_counters(row, averages_of(moment, database));
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable stats_totals_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = plain_columns();
  for (const auto& [database, counters] : moment.view.inventory.databases) {
    Row row;
    row << database;
    add_counters(row, counters);
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable stats_averages_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = plain_columns();
  for (const auto& [database, counters] : moment.view.inventory.databases) {
    Row row;
    row << database;
    add_counters(row, averages_of(moment, database));
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable totals_table(const Moment& moment) {
  static constexpr std::array<std::string_view, 7> names{"xact_count",   "query_count", "client_bytes", "server_bytes",
                                                         "xact_time",    "query_time",  "wait_time"};
  DatabaseCounters totals;
  DatabaseCounters averages;
  for (const auto& [database, counters] : moment.view.inventory.databases) {
    telemetry::add(totals, counters);
    telemetry::add(averages, averages_of(moment, database));
  }
  ConsoleTable table;
  table.columns = {{"name"}, {"value", large}};
  for (const auto& [prefix, counters] : {std::pair{"total_", &totals}, std::pair{"avg_", &averages}}) {
    Row values;
    add_counters(values, *counters);
    const auto numbers = values.take();
    for (std::size_t i = 0; i < names.size(); ++i) {
      Row row;
      row << prefix + std::string(names[i]) << *numbers[i];
      table.rows.push_back(row.take());
    }
  }
  return table;
}

}  // namespace proxy::console
