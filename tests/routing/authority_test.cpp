#include "routing/decide.hpp"
#include "routing/hold.hpp"
#include "routing/plan.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using protocol::StatementClass;
using routing::Circumstances;
using routing::Hold;
using routing::HoldClass;
using routing::Plan;
using routing::PlanHistory;
using routing::RouteReason;
using routing::Side;

namespace {

Plan some_plan() {
  Plan plan;
  routing::Rule rule;
  rule.name = "reads";
  rule.match.classes = {StatementClass::read};
  rule.reads = {2'500};
  plan.rules = {rule, rule};
  plan.rules[1].name = "rest";
  plan.rules[1].match = {};
  return plan;
}

routing::Route decided(const Plan& plan, StatementClass statement_class, const Circumstances& circumstances = {}) {
  static const std::vector<std::string> no_tables;
  static const protocol::CommentTags no_tags;
  protocol::BatchFacts facts;
  facts.statement_class = statement_class;
  facts.tables = &no_tables;
  facts.tags = &no_tags;
  return routing::decide(plan, {}, facts, circumstances);
}

}  // namespace

TEST_CASE("authority: moved → all rules write there, weights stay, and a rollback of weights does not take it back") {
  PlanHistory history(some_plan());
  static_cast<void>(history.publish(*routing::with_weights(*history.current(), "reads", {5'000})));
  const routing::PlanSnapshot moved = history.move_authority(Side::green, 40);
  CHECK(moved->epoch == 40);
  CHECK(moved->default_writes == Side::green);
  for (const routing::Rule& rule : moved->rules) CHECK(rule.writes == Side::green);
  CHECK(moved->rules[0].reads.green == 5'000);
  CHECK(history.move_authority(Side::green, 1)->epoch == 41);
  const auto back = history.rollback();
  REQUIRE(back);
  CHECK((*back)->rules[0].reads.green == 2'500);
  CHECK((*back)->default_writes == Side::green);
}

TEST_CASE("authority: unknown → reads go on, whatever may write is refused, in a transaction too; known again → as before") {
  PlanHistory history(some_plan());
  const routing::PlanSnapshot disowned = history.disown();
  CHECK_FALSE(disowned->is_authority_known);
  CHECK(decided(*disowned, StatementClass::read).reason == RouteReason::read_weight);
  CHECK(decided(*disowned, StatementClass::session).reason != RouteReason::write_refused);
  for (const StatementClass each : {StatementClass::write, StatementClass::schema_change, StatementClass::unknown}) {
    CHECK(decided(*disowned, each).reason == RouteReason::write_refused);
    Circumstances inside;
    inside.current = Side::blue;
    inside.is_transaction_open = true;
    CHECK(decided(*disowned, each, inside).reason == RouteReason::write_refused);
    inside.is_transaction_read_only = true;  // the server itself refuses
    CHECK(decided(*disowned, each, inside).reason == RouteReason::transaction_open);
  }
  static_cast<void>(history.publish(*routing::with_weights(*disowned, "reads", {1})));
  CHECK_FALSE(history.current()->is_authority_known);
  CHECK(decided(*history.move_authority(Side::green, 1), StatementClass::write).side == Side::green);
}

TEST_CASE("hold of a switchover: writes of every database, beside what an operator holds and apart from it") {
  const Hold switching = routing::with_switching(Hold{});
  CHECK_FALSE(switching.is_empty());
  CHECK_FALSE(switching.is_paused());
  CHECK(routing::held_class(switching, "any") == HoldClass::writes);
  CHECK(routing::has_hold(switching, {}, HoldClass::writes));
  CHECK_FALSE(routing::has_hold(switching, {}, HoldClass::everything));
  const Hold both = routing::with_hold(switching, {"shop"}, HoldClass::everything);
  CHECK(routing::held_class(both, "shop") == HoldClass::everything);
  CHECK(routing::held_class(both, "other") == HoldClass::writes);
  CHECK(routing::held_class(routing::without_hold(both, {}), "shop") == HoldClass::writes);  // RESUME lets nobody through
  const Hold paused = routing::without_switching(both);
  CHECK(routing::held_class(paused, "shop") == HoldClass::everything);
  CHECK_FALSE(routing::held_class(paused, "other"));
}
