#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

using namespace config_test;
using namespace std::chrono_literals;

namespace {

config::Outcome read(const std::string& lines) {
  Parts parts;
  parts.pair = lines;
  return check(text_of(parts));
}

}  // namespace

TEST_CASE("health: nothing said → probes every two seconds, three down, two up, nobody configured; reads are made again") {
  const config::Outcome outcome = read("");
  REQUIRE(outcome.settings);
  const config::Pair& pair = outcome.settings->pairs[0];
  CHECK(pair.health.interval == 2s);
  CHECK(pair.health.timeout == 2s);
  CHECK(pair.health.fall == 3);
  CHECK(pair.health.rise == 2);
  CHECK_FALSE(pair.health.login);
  CHECK(pair.health.database == "postgres");
  CHECK(pair.repeats_reads);
}

TEST_CASE("health: every key → its value") {
  const config::Outcome outcome = read(
      "    retry_reads: false\n"
      "    health: {interval: 500ms, timeout: 1s, fall: 5, rise: 1, user: looker, password: seen, database: shop}\n");
  REQUIRE_MESSAGE(outcome.settings.has_value(), problems_of(outcome));
  const config::Pair& pair = outcome.settings->pairs[0];
  CHECK(pair.health.interval == 500ms);
  CHECK(pair.health.timeout == 1s);
  CHECK(pair.health.fall == 5);
  CHECK(pair.health.rise == 1);
  CHECK(pair.health.login->user == "looker");
  CHECK(pair.health.login->password->reveal() == "seen");
  CHECK(pair.health.database == "shop");
  CHECK_FALSE(pair.repeats_reads);
}

TEST_CASE("health: mistakes → said") {
  const std::string problems = problems_of(read(
      "    retry_reads: perhaps\n"
      "    health: {interval: 5ms, rise: 0, fall: 1000, password: alone, often: true}\n"));
  for (const char* part : {"retry_reads", "health.interval", "health.rise", "health.fall", "gives a password but no `user`", "often"}) {
    CHECK_MESSAGE(is_in(problems, part), part << " in\n" << problems);
  }
}
