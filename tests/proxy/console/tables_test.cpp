#include "proxy/console/tables.hpp"
#include "tests/proxy/console/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using console_test::Side;
using namespace std::chrono_literals;
using proxy::console::StatsPeriods;

/// Columns joined by |, then each row.
std::string shown(std::string_view subject, const StatsPeriods& periods, StatsPeriods::Instant now,
                  const proxy::console::PairFacts& facts = console_test::facts(), const proxy::console::PairView& view = console_test::view()) {
  const auto table =
      proxy::console::show_table(subject, {facts, view, periods, std::chrono::system_clock::time_point(1'700'000'000s), now});
  REQUIRE(table.has_value());
  std::string text;
  for (const auto& column : table->columns) text += (text.empty() ? "" : "|") + std::string(column.name);
  for (const auto& row : table->rows) {
    REQUIRE(row.size() == table->columns.size());
    text += "\n";
    for (std::size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : "|") + row[i].value_or("NULL");
  }
  return text;
}

std::string shown(std::string_view subject) {
  StatsPeriods periods;
  periods.note(StatsPeriods::Instant(1000s), {});
  return shown(subject, periods, StatsPeriods::Instant(1010s));
}

std::string shown(std::string_view subject, const proxy::console::PairFacts& facts,
                  const proxy::console::PairView& view = console_test::view()) {
  StatsPeriods periods;
  periods.note(StatsPeriods::Instant(1000s), {});
  return shown(subject, periods, StatsPeriods::Instant(1010s), facts, view);
}

}  // namespace

TEST_CASE("console tables: columns of PgBouncer 1.18 → in its order, ours behind them") {
  struct Row {
    const char* subject;
    const char* columns;
  };
  for (const Row& row : {
           Row{"pools", "database|user|cl_active|cl_waiting|cl_active_cancel_req|cl_waiting_cancel_req|sv_active|sv_active_cancel|"
                        "sv_being_canceled|sv_idle|sv_used|sv_tested|sv_login|maxwait|maxwait_us|pool_mode"},
           Row{"clients", "type|user|database|state|addr|port|local_addr|local_port|connect_time|request_time|wait|wait_us|close_needed|"
                          "ptr|link|remote_pid|tls|application_name"},
           Row{"servers", "type|user|database|state|addr|port|local_addr|local_port|connect_time|request_time|wait|wait_us|close_needed|"
                          "ptr|link|remote_pid|tls|application_name"},
           Row{"stats", "database|total_xact_count|total_query_count|total_received|total_sent|total_xact_time|total_query_time|"
                        "total_wait_time|avg_xact_count|avg_query_count|avg_recv|avg_sent|avg_xact_time|avg_query_time|avg_wait_time"},
           Row{"stats_totals", "database|xact_count|query_count|bytes_received|bytes_sent|xact_time|query_time|wait_time"},
           Row{"stats_averages", "database|xact_count|query_count|bytes_received|bytes_sent|xact_time|query_time|wait_time"},
           Row{"totals", "name|value"}, Row{"lists", "list|items"},
           Row{"databases", "name|host|port|database|force_user|pool_size|min_pool_size|reserve_pool|pool_mode|max_connections|"
                            "current_connections|paused|disabled"},
           Row{"users", "name|pool_mode"}, Row{"config", "key|value|default|changeable"}, Row{"version", "version"},
           Row{"state", "key|value"}}) {
    const std::string text = shown(row.subject);
    CHECK_MESSAGE(text.starts_with(row.columns), row.subject << ": " << text);
  }
}

TEST_CASE("console tables: pools → one row per database and user, both sides in one sum, no console") {
  const std::string text = shown("pools");
  CHECK(text.find("\nshop|app|1|1|0|0|1|0|0|1|0|0|0|2|500000|transaction|0|1|1|0|0|1|20") != std::string::npos);
  CHECK(text.find("\nshop|job|0|1|0|0|0|") != std::string::npos);
  CHECK(text.find("root") == std::string::npos);
}

TEST_CASE("console tables: a user and a database with a pool of their own → in POOLS, DATABASES and USERS") {
  proxy::console::PairFacts own = console_test::facts();
  own.own_pool = [](const std::string& database, const std::string& user) {
    proxy::console::PairFacts::OwnPool pool{"transaction", 20, 0, 0, 0};
    if (database == "shop") pool = {"session", 7, 0, 40};
    if (user == "app") pool.size = 3;
    if (user == "app") pool.user_connections_max = 9;
    return pool;
  };
  CHECK(shown("pools", own).find("\nshop|app|1|1|0|0|1|0|0|1|0|0|0|2|500000|session|0|1|1|0|0|1|3") != std::string::npos);
  CHECK(shown("pools", own).find("|session|1|0|0|0|0|0|7") != std::string::npos);
  CHECK(shown("databases", own).find("\nshop|db1|5432|shop||7|0|0|session|40|2|") != std::string::npos);
  CHECK(shown("users", own).find("\napp|transaction|3|9|2") != std::string::npos);
  CHECK(shown("users", own).find("\njob|transaction|20|0|0") != std::string::npos);
}

TEST_CASE("console tables: types → one row each, 0 where one side lacks it") {
  proxy::console::PairView differing = console_test::view();
  differing.types.databases.push_back({"shop", true, false, 1, {{"public.mood", "enum", 16'400, 0}}});
  CHECK(shown("types", console_test::facts(), differing) == "database|type|kind|blue|green\nshop|public.mood|enum|16400|0");
}

TEST_CASE("console tables: clients and servers → linked to each other, with times of the wall") {
  CHECK(shown("clients").find("\nC|app|shop|active|::1|0|127.0.0.1|6432|2023-11-14 22:13:20 UTC|2023-11-14 22:13:20 UTC|0|0|0|client:1|"
                              "blue:99|0|||active|blue|listen|1") != std::string::npos);
  CHECK(shown("servers").find("\nS|app|shop|active|db1|5432||0|") != std::string::npos);
  CHECK(shown("servers").find("|blue:99|client:1|99||") != std::string::npos);
  CHECK(shown("pins").find("\n1|app|shop||::1|blue|listen|2023-11-14 22:13:19 UTC|00000000000000ab|") != std::string::npos);
}

TEST_CASE("console tables: averages → per second since the start, then over the last full period") {
  StatsPeriods periods;
  periods.note(StatsPeriods::Instant(1000s), {});
  CHECK(shown("stats_averages", periods, StatsPeriods::Instant(1010s)).ends_with("\nshop|1|2|30|40|500|300|0"));
  StatsPeriods::Databases before;
  before["shop"] = {4, 8, 60, 120, 3'000us, 2'400us, 0us};
  periods.note(StatsPeriods::Instant(1060s), before);
  CHECK(shown("stats_averages", periods, StatsPeriods::Instant(1090s)).ends_with("\nshop|0|0|1|2|750|300|0"));
  CHECK(shown("stats").find("\nshop|10|20|300|400|5000|6000|7|1|2|") != std::string::npos);
  CHECK(shown("totals").find("\ntotal_query_count|20") != std::string::npos);
}

TEST_CASE("console tables: databases, rules, state, lists → what is paused, where reads go, how many") {
  CHECK(shown("databases").find("\nshop|db1|5432|shop||20|0|0|transaction|0|2|1|0|db2|5433") != std::string::npos);
  CHECK(shown("rules").find("\nrest|1|87.50|12.50|blue|session|1") != std::string::npos);
  CHECK(shown("state").find("\npaused|no") != std::string::npos);
  CHECK(shown("lists").find("\nused_clients|4") != std::string::npos);
  CHECK(shown("users").find("\njob|transaction") != std::string::npos);
}

TEST_CASE("console tables: what there is not → nothing") {
  const proxy::console::PairFacts facts = console_test::facts();
  const proxy::console::PairView view;
  const StatsPeriods periods;
  CHECK_FALSE(proxy::console::show_table("fds", {facts, view, periods, {}, {}}).has_value());
  CHECK(proxy::console::show_table("pools", {facts, view, periods, {}, {}})->rows.empty());
}
