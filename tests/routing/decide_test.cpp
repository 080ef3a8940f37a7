#include "routing/decide.hpp"

#include "routing/network.hpp"
#include "routing/sample.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

namespace {

using protocol::PinReason;
using protocol::StatementClass;
using protocol::TransactionEffect;
using routing::Circumstances;
using routing::Plan;
using routing::Route;
using routing::RouteReason;
using routing::Rule;
using routing::Side;
using routing::Stickiness;

constexpr std::array<StatementClass, 6> all_classes{StatementClass::read,          StatementClass::session,
                                                    StatementClass::transaction_control, StatementClass::write,
                                                    StatementClass::schema_change, StatementClass::unknown};
constexpr std::array<TransactionEffect, 6> all_effects{TransactionEffect::none,   TransactionEffect::begin_read_only,
                                                       TransactionEffect::begin_read_write, TransactionEffect::end,
                                                       TransactionEffect::inside, TransactionEffect::unclear};

/// A batch that owns what BatchFacts only points to.
struct Batch {
  StatementClass statement_class = StatementClass::read;
  TransactionEffect effect = TransactionEffect::none;
  std::vector<std::string> tables;
  protocol::CommentTags tags;

  [[nodiscard]] protocol::BatchFacts facts() const { return {statement_class, effect, &tables, &tags, 0}; }
};

const Batch a_read{};
const Batch a_write{StatementClass::write, {}, {}, {}};
const Batch begin_read_only{StatementClass::transaction_control, TransactionEffect::begin_read_only, {}, {}};
const Batch begin{StatementClass::transaction_control, TransactionEffect::begin_read_write, {}, {}};
const Batch set{StatementClass::session, {}, {}, {}};

Batch read_of(std::vector<std::string> tables) { return {StatementClass::read, {}, std::move(tables), {}}; }
Batch read_tagged(protocol::CommentTags tags) { return {StatementClass::read, {}, {}, std::move(tags)}; }

routing::SessionFacts make_session() {
  routing::SessionFacts session;
  session.user = "alice";
  session.database = "shop";
  session.application_name = "psql";
  session.client = *routing::parse_address("10.1.2.3");
  return session;
}

/// A rule that sends reads to green and writes to blue, so that a read by rule shows.
Rule make_rule(routing::Match match) {
  Rule rule;
  rule.name = "first";
  rule.match = std::move(match);
  rule.reads.green = routing::weight_total;
  return rule;
}

Plan plan_of(std::vector<Rule> rules) {
  Plan plan;
  plan.rules = std::move(rules);
  return plan;
}

Plan plan_matching(routing::Match match) { return plan_of({make_rule(std::move(match))}); }

Rule reading_blue(Rule rule) {
  rule.name = "blue reads";
  rule.reads.green = 0;
  return rule;
}

Rule writing_green(Rule rule) {
  rule.name = "green writes";
  rule.writes = Side::green;
  return rule;
}

Plan writing_green_by_default(Plan plan) {
  plan.default_writes = Side::green;
  return plan;
}

Circumstances on(Side side) {
  Circumstances circumstances;
  circumstances.current = side;
  return circumstances;
}

Circumstances in_transaction(Circumstances circumstances) {
  circumstances.is_transaction_open = true;
  return circumstances;
}

Circumstances pinned(Circumstances circumstances) {
  circumstances.pin = PinReason::listen;
  return circumstances;
}

routing::Match users(std::vector<std::string> names) {
  routing::Match match;
  match.users = std::move(names);
  return match;
}
routing::Match databases(std::vector<std::string> names) {
  routing::Match match;
  match.databases = std::move(names);
  return match;
}
routing::Match applications(std::vector<std::string> names) {
  routing::Match match;
  match.application_names = std::move(names);
  return match;
}
routing::Match networks(const std::vector<std::string>& blocks) {
  routing::Match match;
  for (const std::string& block : blocks) match.networks.push_back(*routing::parse_network(block));
  return match;
}
routing::Match classes(std::vector<StatementClass> wanted) {
  routing::Match match;
  match.classes = std::move(wanted);
  return match;
}
routing::Match tables(std::vector<std::string> names) {
  routing::Match match;
  match.tables = std::move(names);
  return match;
}
routing::Match tags(protocol::CommentTags wanted) {
  routing::Match match;
  match.tags = std::move(wanted);
  return match;
}

constexpr Route to(Side side, RouteReason reason, std::uint32_t rule_index = routing::no_rule) {
  return {side, reason, rule_index};
}

const Route green_read = to(Side::green, RouteReason::read_weight, 0);
const Route no_match = to(Side::blue, RouteReason::no_rule_matched);

struct Row {
  std::string claim;
  Plan plan;
  Batch batch;
  Circumstances circumstances;
  Route expected;
};

void check(const std::vector<Row>& rows) {
  const routing::SessionFacts session = make_session();
  for (const Row& row : rows) {
    CAPTURE(row.claim);
    const Route route = routing::decide(row.plan, session, row.batch.facts(), row.circumstances);
    CHECK(routing::name_of(route.side) == routing::name_of(row.expected.side));
    CHECK(routing::name_of(route.reason) == routing::name_of(row.expected.reason));
    CHECK(route.rule_index == row.expected.rule_index);
    const routing::Explanation explanation =
        routing::explain(row.plan, session, row.batch.facts(), row.circumstances);
    CHECK_UNARY(explanation.route == route);
    CHECK_FALSE(explanation.steps.empty());
  }
}

}  // namespace

TEST_CASE("decide: what ties a session to a side → comes before every rule") {
  const Plan any = plan_matching({});
  check({
      {"a pinned session stays, reading", any, a_read, pinned(on(Side::blue)), to(Side::blue, RouteReason::pinned)},
      {"a pinned session stays, writing", any, a_write, pinned(on(Side::green)), to(Side::green, RouteReason::pinned)},
      {"a pin outweighs a transaction in the reason", any, a_read, in_transaction(pinned(on(Side::blue))),
       to(Side::blue, RouteReason::pinned)},
      {"a pin without a side ties to nothing", any, a_read, pinned({}), green_read},
      {"an open transaction keeps its reads", any, a_read, in_transaction(on(Side::blue)),
       to(Side::blue, RouteReason::transaction_open)},
      {"an open transaction keeps its writes, even on the other side", any, a_write, in_transaction(on(Side::green)),
       to(Side::green, RouteReason::transaction_open)},
      {"a transaction without a side ties to nothing", any, a_read, in_transaction({}), green_read},
      {"SET stays where the session is", any, set, on(Side::green), to(Side::green, RouteReason::session_statement)},
      {"SET stays even where a rule would say otherwise", plan_of({writing_green(make_rule({}))}), set, on(Side::blue),
       to(Side::blue, RouteReason::session_statement)},
      {"SET as the first statement goes where its rule writes", plan_of({writing_green(make_rule({}))}), set, {},
       to(Side::green, RouteReason::write_side, 0)},
      {"SET as the first statement without a rule goes where the pair writes", writing_green_by_default(plan_of({})),
       set, {}, to(Side::green, RouteReason::no_rule_matched)},
      {"being on a side alone does not tie", any, a_read, on(Side::blue), green_read},
  });
}

TEST_CASE("decide: reads and all that is not provably one → weights and the side for writes") {
  const Plan any = plan_matching({});
  const Route blue_write = to(Side::blue, RouteReason::write_side, 0);
  const auto batch = [](StatementClass statement_class, TransactionEffect effect) {
    return Batch{statement_class, effect, {}, {}};
  };
  check({
      {"a read goes by weight", any, a_read, {}, green_read},
      {"a read at 0 % goes to blue", plan_of({reading_blue(make_rule({}))}), a_read, {},
       to(Side::blue, RouteReason::read_weight, 0)},
      {"a write goes to the side for writes", any, a_write, {}, blue_write},
      {"a write goes to green if the rule says so", plan_of({writing_green(make_rule({}))}), a_write, {},
       to(Side::green, RouteReason::write_side, 0)},
      {"DDL is a write", any, batch(StatementClass::schema_change, {}), {}, blue_write},
      {"what is not understood is a write", any, batch(StatementClass::unknown, {}), {}, blue_write},
      {"BEGIN READ ONLY goes by weight", any, begin_read_only, {}, green_read},
      {"BEGIN goes where writes go", any, begin, {}, blue_write},
      {"COMMIT outside a transaction goes where writes go", any,
       batch(StatementClass::transaction_control, TransactionEffect::end), {}, blue_write},
      {"transaction control among others goes where writes go", any,
       batch(StatementClass::transaction_control, TransactionEffect::unclear), {}, blue_write},
      {"BEGIN READ ONLY with a write in one batch goes where writes go", any,
       batch(StatementClass::write, TransactionEffect::begin_read_only), {}, blue_write},
      {"a read with an unclear effect on the transaction goes where writes go", any,
       batch(StatementClass::read, TransactionEffect::unclear), {}, blue_write},
      {"no rule: a read goes where the pair writes", writing_green_by_default(plan_of({})), a_read, {},
       to(Side::green, RouteReason::no_rule_matched)},
      {"no rule: a write goes where the pair writes", plan_of({}), a_write, {}, no_match},
  });
}

TEST_CASE("decide: rules in order → the first that matches decides") {
  check({
      {"the first of two that match", plan_of({make_rule({}), reading_blue(make_rule({}))}), a_read, {}, green_read},
      {"the second when the first does not match",
       plan_of({reading_blue(make_rule(users({"bob"}))), make_rule({})}), a_read, {},
       to(Side::green, RouteReason::read_weight, 1)},
      {"a rule for reads lets writes pass to the next",
       plan_of({make_rule(classes({StatementClass::read})), writing_green(make_rule({}))}), a_write, {},
       to(Side::green, RouteReason::write_side, 1)},
      {"all lists must be met", plan_of({make_rule([] {
         routing::Match match = users({"alice"});
         match.databases = {"crm"};
         return match;
       }())}),
       a_read, {}, no_match},
  });
}

TEST_CASE("decide: session facts in a match → any of a list, exactly") {
  check({
      {"user listed", plan_matching(users({"bob", "alice"})), a_read, {}, green_read},
      {"user not listed", plan_matching(users({"bob"})), a_read, {}, no_match},
      {"user in other letters", plan_matching(users({"Alice"})), a_read, {}, no_match},
      {"user as a prefix", plan_matching(users({"ali"})), a_read, {}, no_match},
      {"database listed", plan_matching(databases({"shop"})), a_read, {}, green_read},
      {"database not listed", plan_matching(databases({"crm"})), a_read, {}, no_match},
      {"application listed", plan_matching(applications({"psql"})), a_read, {}, green_read},
      {"application not listed", plan_matching(applications({"web"})), a_read, {}, no_match},
      {"client inside", plan_matching(networks({"192.168.0.0/16", "10.0.0.0/8"})), a_read, {}, green_read},
      {"client outside", plan_matching(networks({"192.168.0.0/16"})), a_read, {}, no_match},
  });
}

TEST_CASE("decide: statement facts in a match → classes, tables, tags") {
  const auto read_class = classes({StatementClass::read});
  const auto control_class = classes({StatementClass::transaction_control});
  check({
      {"class listed", plan_matching(read_class), a_read, {}, green_read},
      {"class not listed", plan_matching(classes({StatementClass::write})), a_read, {}, no_match},
      {"BEGIN READ ONLY counts as a read", plan_matching(read_class), begin_read_only, {}, green_read},
      {"BEGIN READ ONLY is not matched as transaction control", plan_matching(control_class), begin_read_only, {},
       no_match},
      {"BEGIN is transaction control", plan_matching(control_class), begin, {},
       to(Side::blue, RouteReason::write_side, 0)},
      {"BEGIN is no read", plan_matching(read_class), begin, {}, no_match},
      {"table listed", plan_matching(tables({"orders"})), read_of({"orders"}), {}, green_read},
      {"table of any schema", plan_matching(tables({"orders"})), read_of({"sales.orders"}), {}, green_read},
      {"table with its schema", plan_matching(tables({"sales.orders"})), read_of({"sales.orders"}), {}, green_read},
      {"table listed with a schema, written without", plan_matching(tables({"sales.orders"})), read_of({"orders"}), {},
       no_match},
      {"table of another schema", plan_matching(tables({"sales.orders"})), read_of({"old.orders"}), {}, no_match},
      {"all tables listed", plan_matching(tables({"orders", "items"})), read_of({"items", "orders"}), {}, green_read},
      {"one table not listed", plan_matching(tables({"orders"})), read_of({"orders", "users"}), {}, no_match},
      {"no table at all", plan_matching(tables({"orders"})), a_read, {}, no_match},
      {"tag present", plan_matching(tags({{"job", "report"}})), read_tagged({{"a", "b"}, {"job", "report"}}), {},
       green_read},
      {"tag with another value", plan_matching(tags({{"job", "report"}})), read_tagged({{"job", "web"}}), {}, no_match},
      {"tag missing", plan_matching(tags({{"job", "report"}})), a_read, {}, no_match},
      {"one of two tags missing", plan_matching(tags({{"job", "report"}, {"x", "y"}})),
       read_tagged({{"job", "report"}}), {}, no_match},
  });
}

TEST_CASE("decide: each stickiness → the side follows its own key and nothing else") {
  Rule rule = make_rule({});
  rule.reads.green = 5'000;
  rule.stickiness_tag = "tenant";
  routing::SessionFacts session = make_session();
  Batch batch = a_read;
  Circumstances circumstances;
  const auto side = [&] { return routing::decide(plan_of({rule}), session, batch.facts(), circumstances).side; };
  const auto expected = [](routing::Position position) { return routing::side_at(position, routing::Weights{5'000}); };

  for (std::uint64_t i = 0; i < 200; ++i) {
    CAPTURE(i);
    session.session_number = i;
    session.user = "user" + std::to_string(i % 7);
    session.client[15] = static_cast<std::uint8_t>(i % 11);
    batch.tags = {{"tenant", "t" + std::to_string(i % 13)}};
    circumstances.batch_number = i * 3;

    rule.stickiness = Stickiness::session;
    CHECK(side() == expected(routing::position_of_session(i)));
    rule.stickiness = Stickiness::statement;
    CHECK(side() == expected(routing::position_of_batch(i, i * 3)));
    rule.stickiness = Stickiness::user;
    CHECK(side() == expected(routing::position_of_key(session.user)));
    rule.stickiness = Stickiness::client_address;
    CHECK(side() == expected(routing::position_of_address(session.client)));
    rule.stickiness = Stickiness::tag;
    CHECK(side() == expected(routing::position_of_key(batch.tags[0].second)));
    batch.tags = {{"other", "t"}};
    CHECK(side() == expected(routing::position_of_session(i)));
  }
}

TEST_CASE("decide: all classes × effects × circumstances → the promises hold and explain agrees") {
  Rule rule = writing_green(make_rule({}));
  rule.reads.green = 0;
  const routing::SessionFacts session = make_session();
  std::size_t count = 0;
  for (const bool has_rule : {false, true}) {
    const Plan plan = has_rule ? plan_of({rule}) : plan_of({});
    const Side write_side = has_rule ? Side::green : Side::blue;
    for (const StatementClass statement_class : all_classes) {
      for (const TransactionEffect effect : all_effects) {
        for (const auto current : {std::optional<Side>{}, std::optional{Side::blue}, std::optional{Side::green}}) {
          for (const bool is_transaction_open : {false, true}) {
            for (const PinReason pin : {PinReason::none, PinReason::temporary_object, PinReason::restore_failed}) {
              const Circumstances circumstances{current, is_transaction_open, pin, 0};
              const Batch batch{statement_class, effect, {}, {}};
              const Route route = routing::decide(plan, session, batch.facts(), circumstances);
              CAPTURE(protocol::name_of(statement_class));
              CAPTURE(static_cast<int>(effect));
              ++count;
              const routing::Explanation explanation =
                  routing::explain(plan, session, batch.facts(), circumstances);
              REQUIRE_UNARY(explanation.route == route);
              REQUIRE_FALSE(explanation.steps.empty());
              REQUIRE_UNARY(routing::name_of(route.reason) != "unknown");

              const bool is_tied = current && (pin != PinReason::none || is_transaction_open ||
                                               statement_class == StatementClass::session);
              const bool is_read_only =
                  (statement_class == StatementClass::read &&
                   (effect == TransactionEffect::none || effect == TransactionEffect::begin_read_only)) ||
                  (statement_class == StatementClass::transaction_control &&
                   effect == TransactionEffect::begin_read_only);
              if (is_tied) {
                REQUIRE_UNARY(route.side == *current);
                REQUIRE_UNARY(route.rule_index == routing::no_rule);
              } else if (!has_rule || !is_read_only) {
                REQUIRE_UNARY(route.side == write_side);
              } else {
                REQUIRE_UNARY(route == to(Side::blue, RouteReason::read_weight, 0));
              }
            }
          }
        }
      }
    }
  }
  CHECK(count == 2 * 6 * 6 * 3 * 2 * 3);
}

TEST_CASE("explain: a walk past one rule to another → says why, rule by rule") {
  Rule second = make_rule({});
  second.name = "rest";
  second.reads.green = 1'250;
  second.stickiness = Stickiness::tag;
  second.stickiness_tag = "tenant";
  const Plan plan = plan_of({make_rule(users({"bob", "carol"})), second});
  const routing::Explanation explanation = routing::explain(plan, make_session(), a_read.facts(), on(Side::blue));
  REQUIRE(explanation.steps.size() == 3);
  CHECK(explanation.steps[0].subject == "rule first");
  CHECK(explanation.steps[0].outcome == "not matched: user is \"alice\", the rule wants \"bob\", \"carol\"");
  CHECK(explanation.steps[1].subject == "rule rest");
  CHECK(explanation.steps[1].outcome == "matched");
  CHECK(explanation.steps[2].subject == "reads");
  CHECK(explanation.steps[2].outcome == "green has 12.5 %, the place by session (no tag tenant) is 0 %: green");
}

TEST_CASE("explain: every criterion unmet → named with what was found and what is wanted") {
  const auto outcome = [](routing::Match match, const Batch& batch) {
    const Plan plan = plan_matching(std::move(match));
    return routing::explain(plan, make_session(), batch.facts(), {}).steps[0].outcome;
  };
  CHECK(outcome(databases({"crm"}), a_read) == "not matched: database is \"shop\", the rule wants \"crm\"");
  CHECK(outcome(applications({"web"}), a_read) == "not matched: application_name is \"psql\", the rule wants \"web\"");
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
  CHECK(steps(a_read, pinned(on(Side::green)))[0].outcome == "pinned by listen, stays on green");
  CHECK(steps(a_read, in_transaction(on(Side::blue)))[0].outcome == "a transaction is open, stays on blue");
  CHECK(steps(set, on(Side::blue))[0].outcome == "concerns the session only, stays on blue");
}
