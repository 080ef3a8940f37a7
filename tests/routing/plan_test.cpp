#include "routing/plan.hpp"

#include <doctest/doctest.h>

namespace {

routing::Plan make_plan() {
  routing::Plan plan;
  routing::Rule reports;
  reports.name = "reports";
  routing::Rule rest;
  rest.name = "rest";
  plan.rules = {reports, rest};
  return plan;
}

std::uint32_t green_of(const routing::PlanSnapshot& plan) {
  return plan->rules[1].reads.green;
}

routing::Plan weighed(const routing::PlanHistory& history, std::uint32_t green) {
  const auto plan = routing::with_weights(*history.current(), "rest", routing::Weights{green});
  REQUIRE(plan.has_value());
  return *plan;
}

}  // namespace

TEST_CASE("with_weights: a known rule → only its weights and the epoch differ") {
  const routing::Plan plan = make_plan();
  const auto changed = routing::with_weights(plan, "rest", routing::Weights{2'500});
  REQUIRE(changed.has_value());
  CHECK(changed->epoch == plan.epoch + 1);
  CHECK(changed->rules[0] == plan.rules[0]);
  CHECK(changed->rules[1].reads.green == 2'500);
  CHECK(plan.rules[1].reads.green == 0);
}

TEST_CASE("with_weights: an unknown rule or more than 100 % → configuration_invalid") {
  const auto unknown = routing::with_weights(make_plan(), "reportz", routing::Weights{1});
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().code == protocol::ErrorCode::configuration_invalid);
  CHECK_FALSE(routing::with_weights(make_plan(), "rest", routing::Weights{10'001}).has_value());
  CHECK(routing::with_weights(make_plan(), "rest", routing::Weights{10'000}).has_value());
}

TEST_CASE("history: rollback before any change → refused") {
  routing::PlanHistory history(make_plan());
  CHECK_FALSE(history.rollback().has_value());
  CHECK(history.previous() == nullptr);
  CHECK(history.current()->epoch == 1);
}

TEST_CASE("history: rollback twice → back and forth, the epoch only grows") {
  routing::PlanHistory history(make_plan());
  history.publish(weighed(history, 1'000));
  history.publish(weighed(history, 5'000));
  CHECK(history.current()->epoch == 3);
  CHECK(green_of(history.previous()) == 1'000);

  const auto back = history.rollback();
  REQUIRE(back.has_value());
  CHECK(green_of(*back) == 1'000);
  CHECK((*back)->epoch == 4);
  CHECK(*back == history.current());

  const auto forth = history.rollback();
  REQUIRE(forth.has_value());
  CHECK(green_of(*forth) == 5'000);
  CHECK((*forth)->epoch == 5);
}

TEST_CASE("history: the same weights published again → the way back is kept") {
  routing::PlanHistory history(make_plan());
  history.publish(weighed(history, 1'000));
  history.publish(weighed(history, 1'000));
  CHECK(history.current()->epoch == 3);
  const auto back = history.rollback();
  REQUIRE(back.has_value());
  CHECK(green_of(*back) == 0);
}

TEST_CASE("history: a plan with an old epoch published → gets the next one") {
  routing::PlanHistory history(make_plan());
  history.publish(weighed(history, 1'000));
  routing::Plan old = make_plan();
  old.default_writes = routing::Side::green;
  CHECK(history.publish(old)->epoch == 3);
}

TEST_CASE("snapshot: held across a publish → unchanged") {
  routing::PlanHistory history(make_plan());
  const routing::PlanSnapshot held = history.current();
  history.publish(weighed(history, 10'000));
  CHECK(held->epoch == 1);
  CHECK(green_of(held) == 0);
}

TEST_CASE("history: another configuration → its rules, with live weights where the configured ones did not change") {
  const routing::Plan before = make_plan();
  routing::PlanHistory history(before);
  history.publish(weighed(history, 4'000));
  routing::Plan after = before;
  after.rules.front().writes = routing::Side::green;
  const auto adopted = history.adopt(before, after);
  REQUIRE(adopted);
  CHECK(adopted->epoch == 3);
  CHECK(green_of(adopted) == 4'000);
  CHECK(adopted->rules.front().writes == routing::Side::green);
  after.rules.back().reads = {7'000};
  CHECK(green_of(history.adopt(before, after)) == 7'000);
}

TEST_CASE("history: a configuration that changes nothing for the traffic → no new plan") {
  routing::PlanHistory history(make_plan());
  history.publish(weighed(history, 4'000));
  CHECK(history.adopt(make_plan(), make_plan()) == nullptr);
  CHECK(history.current()->epoch == 2);
}

TEST_CASE("history: rolled back after another configuration → the weights before, under the rules of now") {
  const routing::Plan before = make_plan();
  routing::PlanHistory history(before);
  history.publish(weighed(history, 4'000));
  routing::Plan after = before;
  after.rules.front().writes = routing::Side::green;
  CHECK(history.adopt(before, after));
  const auto back = history.rollback();
  REQUIRE(back);
  CHECK(green_of(*back) == 0);
  CHECK((*back)->rules.front().writes == routing::Side::green);
}
