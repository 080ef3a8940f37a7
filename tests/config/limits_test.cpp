#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;
using config::PoolMode;
using config_test::check;
using config_test::is_in;
using config_test::Parts;
using config_test::problems_of;
using config_test::text_of;

config::Outcome read(const std::string& of_pair, const std::string& of_user = "") {
  Parts parts;
  parts.pair = of_pair;
  if (!of_user.empty()) parts.user = of_user;
  return check(text_of(parts));
}

}  // namespace

TEST_CASE("limits: nothing given → no limit and no time, and nobody differs") {
  const config::Outcome outcome = read("");
  REQUIRE(outcome.settings.has_value());
  const config::Pair& pair = outcome.settings->pairs[0];
  CHECK(pair.limits.user_clients_max == 0);
  CHECK(pair.limits.query_timeout == 0ms);
  CHECK(pair.databases.empty());
  CHECK(pair.users[0].limits == config::OwnLimits{});
}

TEST_CASE("pool: nothing given → by transaction, twenty connections; by session as many as there are clients") {
  const config::Outcome by_default = read("");
  REQUIRE(by_default.settings.has_value());
  CHECK(by_default.settings->pairs[0].pool.mode == PoolMode::transaction);
  CHECK(by_default.settings->pairs[0].pool.size_or_default() == 20);
  const config::Outcome by_session = read("    pool: {mode: session}\n");
  REQUIRE(by_session.settings.has_value());
  CHECK(by_session.settings->pairs[0].pool.size_or_default() == 0);
}

TEST_CASE("limits: of a pair, a database and a user → taken where they stand") {
  const config::Outcome outcome = read(
      "    limits: {user_clients_max: 5, transaction_timeout: 2m}\n"
      "    databases:\n      reports:\n        pool: {mode: session, size: 3, size_min: 2}\n        limits: {clients_max: 7}\n      \"*\": {}\n",
      "        password: secret\n        pool: {queue_timeout: 1s}\n        limits: {query_timeout: 0s, client_idle_timeout: 5s}\n");
  CAPTURE(config::format_problems(outcome.problems));
  REQUIRE(outcome.settings.has_value());
  const config::Pair& pair = outcome.settings->pairs[0];
  CHECK(pair.limits.user_clients_max == 5);
  CHECK(pair.limits.transaction_timeout == 2min);
  REQUIRE(pair.databases.size() == 2);
  CHECK(pair.databases[0].name == "reports");
  CHECK(pair.databases[0].limits.pool_mode == PoolMode::session);
  CHECK(pair.databases[0].limits.pool_size == 3U);
  CHECK(pair.databases[0].limits.pool_size_min == 2U);
  CHECK_FALSE(pair.users[0].limits.pool_size_min.has_value());
  CHECK(pair.databases[0].limits.clients_max == 7U);
  CHECK_FALSE(pair.databases[0].limits.query_timeout.has_value());
  CHECK(pair.users[0].limits.query_timeout == 0ms);
  CHECK(pair.users[0].limits.client_idle_timeout == 5s);
  CHECK(pair.users[0].limits.queue_timeout == 1s);
}

TEST_CASE("limits: an unknown key, a number without its unit, a list of databases → refused, each by its path") {
  CHECK(is_in(problems_of(read("    limits: {query_timout: 5s}\n")), "did you mean `query_timeout`?"));
  CHECK(is_in(problems_of(read("    limits: {query_timeout: 5}\n")), "has no unit"));
  CHECK(is_in(problems_of(read("    databases: [reports]\n")), "`pairs.p.databases`"));
  CHECK(is_in(problems_of(read("    databases: {reports: {limits: {user_clients_max: 5}}}\n")),
              "unknown key `user_clients_max`"));
}
