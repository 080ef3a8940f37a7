#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

using namespace config_test;
using namespace proxy::mirror;

namespace {

constexpr const char* least = "    sync: mirror\n    mirror: {directory: journal, user: crossfade, password: secret}\n";

Parts pair_lines(const std::string& lines) {
  Parts parts;
  parts.pair = lines;
  parts.top = "state: {directory: state}\n";
  return parts;
}

std::string problems(const std::string& lines) { return problems_of(check(text_of(pair_lines(lines)))); }

}  // namespace

TEST_CASE("mirror: silent → none") {
  const config::Outcome outcome = check(text_of({}));
  CHECK_FALSE(outcome.settings->pairs[0].mirror.has_value());
}

TEST_CASE("mirror: the least → defaults, the folder beside the file") {
  const config::Outcome outcome = check(text_of(pair_lines(least)));
  REQUIRE(outcome.settings.has_value());
  const config::Mirror& mirror = *outcome.settings->pairs[0].mirror;
  CHECK(mirror.options.directory == "/etc/journal");
  CHECK(mirror.login.user == "crossfade");
  CHECK(mirror.login.password->reveal() == "secret");
  CHECK(mirror.options.capture == CaptureOptions{});
  CHECK(mirror.options.durability == Durability::commit);
}

TEST_CASE("mirror: everything → taken") {
  const config::Outcome outcome = check(text_of(pair_lines(
      "    sync: mirror\n    mirror: {directory: /j/, user: u, ack: both, ack_timeout: 2s, ack_failures_max: 9, durability: relaxed,\n"
      "      ordering: exact, journal_bytes_max: 64MiB, on_full: block, unsafe_statements: reject, schema_changes: authority_only,\n"
      "      on_divergence: break, appliers: 7}\n")));
  REQUIRE(outcome.settings.has_value());
  const MirrorOptions& options = outcome.settings->pairs[0].mirror->options;
  CHECK(options.directory == "/j");
  CHECK(options.ack_timeout.count() == 2'000);
  CHECK(options.ack_failures_max == 9);
  CHECK(options.durability == Durability::relaxed);
  CHECK(options.journal_bytes_max == 64U << 20);
  CHECK(options.on_full == OnFull::block);
  CHECK(options.on_divergence == OnDivergence::break_off);
  CHECK(options.appliers == 7);
  const CaptureOptions wanted{Acknowledgement::both, protocol::UnsafePolicy::reject, protocol::SchemaPolicy::authority_only};
  CHECK(options.capture == wanted);
}

TEST_CASE("mirror: what cannot be → said, with what would be right") {
  CHECK(is_in(problems("    sync: mirror\n"), "needs the section `mirror`"));
  CHECK(is_in(problems("    mirror: {directory: j, user: u}\n"), "has no effect without `sync: mirror`"));
  CHECK(is_in(problems("    sync: mirror\n    mirror: {user: u}\n"), "directory"));
  CHECK(is_in(problems("    sync: mirror\n    mirror: {directory: j}\n"), "user"));
  CHECK(is_in(problems("    sync: mirror\n    mirror: {directory: j, user: u, ack: sometimes}\n"), "ack"));
  CHECK(is_in(problems("    sync: mirror\n    mirror: {directory: j, user: u, ack: atomic, unsafe_statements: ledger}\n"), "unsafe_statements"));
  CHECK(is_in(problems("    sync: replicate\n"), "sync"));
  CHECK(is_in(problems("    sync: mirror\n    mirror: {directory: j, user: u, journal_bytes_max: 1MiB}\n"), "journal_bytes_max"));
}

TEST_CASE("mirror: a rule that writes to the follower, or one server for both → refused") {
  Parts parts = pair_lines(least);
  parts.rules = "      - {name: r, writes: green}\n";
  CHECK(is_in(problems_of(check(text_of(parts))), "sends writes to the side"));
}

TEST_CASE("mirror: causal_wait of a rule → taken with a mirror; without one, or longer than ten seconds, said") {
  Parts parts = pair_lines(least);
  parts.rules = "      - {name: r, reads: {green: 10}, causal_wait: 50ms}\n";
  const config::Outcome outcome = check(text_of(parts));
  REQUIRE(outcome.settings.has_value());
  CHECK(outcome.settings->pairs[0].plan.rules[0].causal_wait.count() == 50);
  parts.pair = "";
  CHECK(is_in(problems_of(check(text_of(parts))), "no effect without `sync: mirror`"));
  parts.rules = "      - {name: r, causal_wait: 11s}\n";
  CHECK(is_in(problems_of(check(text_of(parts))), "causal_wait"));
}
