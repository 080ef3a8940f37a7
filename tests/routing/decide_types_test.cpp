#include "routing/decide.hpp"

#include "tests/routing/fixture.hpp"

#include <doctest/doctest.h>

using namespace routing_test;

TEST_CASE("decide: types that the sides number differently → reads and descriptions go where writes go, whatever the weights say") {
  protocol::BatchFacts read = a_read.facts();
  read.has_differing_types = true;
  protocol::BatchFacts description = read;
  description.statement_class = StatementClass::session;
  const Plan plan = plan_matching({});
  const routing::SessionFacts session = make_session();
  const Route home{Side::blue, RouteReason::type_numbers, 0};
  CHECK_UNARY(routing::decide(plan, session, read, {}) == home);
  CHECK_UNARY(routing::decide(plan, session, read, on(Side::green)) == home);
  CHECK_UNARY(routing::decide(plan, session, read, without(Side::blue, {})) == home);
  CHECK_UNARY(routing::explain(plan, session, read, {}).route == home);
  CHECK(routing::decide(plan, session, description, on(Side::green)).side == Side::blue);
  CHECK(routing::decide(plan, session, a_read.facts(), {}).side == Side::green);
  // What is open or pinned is where it is.
  CHECK(routing::decide(plan, session, read, in_transaction(on(Side::green))).side == Side::green);
  CHECK(routing::decide(plan, session, read, pinned(on(Side::green))).side == Side::green);
  const Plan moved = plan_of({writing_green(make_rule({}))});
  CHECK(routing::decide(moved, session, read, {}).side == Side::green);
}
