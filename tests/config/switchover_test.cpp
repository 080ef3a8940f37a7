#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

using namespace config_test;
using namespace std::chrono_literals;

namespace {

config::Outcome with_pair(const std::string& lines) {
  Parts parts;
  parts.pair = lines;
  return check(text_of(parts));
}

}  // namespace

TEST_CASE("switchover: silent → defaults, and nobody of its own who asks") {
  const config::Outcome outcome = check(text_of({}));
  const config::Switchover& switchover = outcome.settings->pairs[0].switchover;
  CHECK_FALSE(switchover.login.has_value());
  CHECK(switchover.database == "postgres");
  CHECK(switchover.hold_max == 10s);
  CHECK(switchover.on_drain_timeout == routing::DrainPolicy::abort);
  CHECK(outcome.settings->state.directory.empty());
}

TEST_CASE("switchover: everything → taken") {
  const config::Outcome outcome = with_pair(
      "    switchover: {user: boss, password: secret, database: home, databases: [shop, stock], max_hold: 2s, drain_timeout: 1s,\n"
      "                 on_drain_timeout: end, fence_timeout: 4s, check_timeout: 1m, cooldown: 0s, soak: 1m, sequence_headroom: 7,\n"
      "                 soak_errors_max: 5, soak_latency_max: 250ms, soak_questions: [SELECT true], on_breach: freeze, verification_age_max: 24h}\n");
  REQUIRE(outcome.settings.has_value());
  const config::Switchover& switchover = outcome.settings->pairs[0].switchover;
  CHECK(switchover.login->user == "boss");
  CHECK(switchover.login->password->reveal() == "secret");
  CHECK(switchover.database == "home");
  CHECK(switchover.databases == std::vector<std::string>{"shop", "stock"});
  CHECK(switchover.hold_max == 2s);
  CHECK(switchover.drain_timeout == 1s);
  CHECK(switchover.on_drain_timeout == routing::DrainPolicy::end);
  CHECK(switchover.fence_timeout == 4s);
  CHECK(switchover.check_timeout == 1min);
  CHECK(switchover.cooldown == 0s);
  CHECK(switchover.soak == 1min);
  CHECK(switchover.sequence_headroom == 7);
  CHECK(switchover.soak_errors_max == 5);
  CHECK(switchover.soak_latency_max == 250ms);
  CHECK(switchover.soak_questions == std::vector<std::string>{"SELECT true"});
  CHECK(switchover.on_breach == routing::OnBreach::freeze);
  CHECK(switchover.verification_age_max == 24h);
}

TEST_CASE("switchover: a hold beyond what clients bear, an unknown policy, a password of nobody → told") {
  CHECK(problems_of(with_pair("    switchover: {max_hold: 21s}\n")).find("switchover.max_hold") != std::string::npos);
  CHECK(problems_of(with_pair("    switchover: {on_drain_timeout: kill}\n")).find("on_drain_timeout") != std::string::npos);
  CHECK(problems_of(with_pair("    switchover: {password: x}\n")).find("gives a password but no `user`") != std::string::npos);
}

TEST_CASE("switchover: writes of a pair or a rule by weight → refused, with the reason") {
  const std::string reason = "`pairs.p.writes`: writes cannot be shared between the sides by weight";
  CHECK(problems_of(with_pair("    writes: {blue: 90, green: 10}\n")).find(reason) != std::string::npos);
  Parts parts;
  parts.rules = "      - {name: r, stickiness: tag:tenant, writes: {blue: 90, green: 10}}\n";
  CHECK(problems_of(check(text_of(parts))).find("`pairs.p.rules[0].writes`: writes cannot be shared") != std::string::npos);
}
