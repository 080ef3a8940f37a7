#include "proxy/lifecycle/takeover_state.hpp"

#include <doctest/doctest.h>

#include <utility>

using proxy::lifecycle::decode_state;
using proxy::lifecycle::encode_state;
using proxy::lifecycle::history_from;
using proxy::lifecycle::PairState;
using proxy::lifecycle::state_of;

namespace {

routing::Rule rule(std::string name, std::uint32_t green) {
  routing::Rule result;
  result.name = std::move(name);
  result.reads = {green};
  return result;
}

routing::Plan plan(std::vector<routing::Rule> rules) {
  routing::Plan result;
  result.rules = std::move(rules);
  return result;
}

}  // namespace

TEST_CASE("takeover state: weights that were moved → encoded, decoded, and where the new process goes on, with the way back") {
  const routing::Plan configured = plan({rule("reports", 0), rule("rest", 1'000)});
  routing::PlanHistory history(configured);
  history.publish(*routing::with_weights(*history.current(), "rest", {4'000}));
  history.publish(*routing::with_weights(*history.current(), "rest", {10'000}));
  const auto state = decode_state(encode_state(state_of("shop", configured, history)));
  REQUIRE(state);
  CHECK(state->pair == "shop");
  routing::PlanHistory next = history_from(*state, configured);
  CHECK(next.current()->epoch == 3);
  CHECK(next.current()->rules == history.current()->rules);
  REQUIRE(next.previous());
  const auto back = next.rollback();
  REQUIRE(back);
  CHECK((*back)->epoch == 4);
  CHECK(routing::find_rule(**back, "rest")->reads.green == 4'000);
}

TEST_CASE("takeover state: the new process is configured otherwise → its weights where it says so, its rules in any case") {
  const routing::Plan configured = plan({rule("gone", 0), rule("moved", 0), rule("changed", 0)});
  routing::PlanHistory history(configured);
  for (const char* name : {"moved", "changed"}) history.publish(*routing::with_weights(*history.current(), name, {5'000}));
  const routing::Plan wanted = plan({rule("fresh", 70), rule("changed", 300), rule("moved", 0)});
  const routing::PlanHistory next = history_from(state_of("shop", configured, history), wanted);
  REQUIRE(next.current()->rules.size() == 3);
  CHECK(routing::find_rule(*next.current(), "fresh")->reads.green == 70);
  CHECK(routing::find_rule(*next.current(), "changed")->reads.green == 300);
  CHECK(routing::find_rule(*next.current(), "moved")->reads.green == 5'000);
}

TEST_CASE("takeover state: nonsense → refused") {
  for (const char* text : {"", "pair", "pair shop", "pair shop 0 0\n", "pair shop x 0\n", "admin a 1 0\n", "pair shop 1 0\nrest 1\n",
                           "pair shop 1 0\nrest 1 2 10001\n", "pair shop 1 0\nrest a b c\n"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_state(text));
  }
  CHECK(decode_state("pair shop 1 0\n"));
}
