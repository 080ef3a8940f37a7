#include "routing/decide.hpp"

#include "tests/routing/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace routing_test;

}  // namespace

TEST_CASE("explain: a walk past one rule to another → says why, rule by rule") {
  Rule second = make_rule({});
  second.name = "rest";
  second.reads.green = 1'250;
  second.stickiness = Stickiness::tag;
  second.stickiness_tag = "tenant";
  const Plan plan = plan_of({make_rule(users({"bob", "carol"})), second});
  const routing::Explanation explanation =
      routing::explain(plan, make_session(), a_read.facts(), on(Side::blue));
  REQUIRE(explanation.steps.size() == 3);
  CHECK(explanation.steps[0].subject == "rule first");
  CHECK(explanation.steps[0].outcome == "not matched: user is \"alice\", the rule wants \"bob\", \"carol\"");
  CHECK(explanation.steps[1].subject == "rule rest");
  CHECK(explanation.steps[1].outcome == "matched");
  CHECK(explanation.steps[2].subject == "reads");
  CHECK(explanation.steps[2].outcome ==
        "green has 12.5 %, the place by session (no tag tenant) is 0 %: green");
}

TEST_CASE("explain: every criterion unmet → named with what was found and what is wanted") {
  const auto outcome = [](routing::Match match, const Batch& batch) {
    const Plan plan = plan_matching(std::move(match));
    return routing::explain(plan, make_session(), batch.facts(), {}).steps[0].outcome;
  };
  CHECK(outcome(databases({"crm"}), a_read) == "not matched: database is \"shop\", the rule wants \"crm\"");
  CHECK(outcome(applications({"web"}), a_read) ==
        "not matched: application_name is \"psql\", the rule wants \"web\"");
  CHECK(outcome(networks({"::1", "192.168.0.0/16"}), a_read) ==
        "not matched: client is 10.1.2.3, the rule wants ::1/128, 192.168.0.0/16");
  CHECK(outcome(classes({StatementClass::write}), begin_read_only) ==
        "not matched: class is read, the rule wants write");
  CHECK(outcome(tables({"orders"}), a_read) == "not matched: table is none, the rule wants only \"orders\"");
  CHECK(outcome(tags({{"job", "report"}}), read_tagged({{"job", "web"}})) ==
        "not matched: tag is job=web, the rule wants job=report");
}

TEST_CASE("explain: tied sessions → one step with the reason") {
  const Plan plan = plan_matching({});
  const auto steps = [&](const Batch& batch, const Circumstances& circumstances) {
    return routing::explain(plan, make_session(), batch.facts(), circumstances).steps;
  };
  REQUIRE(steps(a_read, pinned(on(Side::green))).size() == 1);
  CHECK(steps(a_read, pinned(on(Side::green)))[0].outcome == "pinned by advisory_lock, stays on green");
  CHECK(steps(a_read, in_transaction(on(Side::blue)))[0].outcome == "a transaction is open, stays on blue");
  CHECK(steps(set, on(Side::blue))[0].outcome == "concerns the session only, stays on blue");
}
