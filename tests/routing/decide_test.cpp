#include "routing/decide.hpp"

#include "routing/sample.hpp"
#include "tests/routing/fixture.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

namespace {

using namespace routing_test;

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

Rule half(Rule rule) {
  rule.reads.green = routing::weight_total / 2;
  return rule;
}

routing::Match reads_only() {
  routing::Match match;
  match.classes = {StatementClass::read};
  return match;
}

}  // namespace

TEST_CASE("decide: a connection that holds something, LISTEN say → plain reads move, all else goes there") {
  const Plan any = plan_matching({});
  const Plan elsewhere = plan_of({writing_green(make_rule({}))});
  const Route home = to(Side::blue, RouteReason::pinned);
  Batch reading_transaction = a_read;
  reading_transaction.effect = TransactionEffect::begin_read_only;
  check({
      {"a read moves", any, a_read, held(Side::blue, on(Side::blue)), green_read},
      {"a read stays moved", any, a_read, held(Side::blue, on(Side::green)), green_read},
      {"a write goes home", any, a_write, held(Side::blue, on(Side::green)), home},
      {"a write goes where writes go, if that is elsewhere", elsewhere, a_write, held(Side::blue, {}), to(Side::green, RouteReason::write_side, 0)},
      {"so does a transaction that may write", elsewhere, begin, held(Side::blue, on(Side::blue)), to(Side::green, RouteReason::write_side, 0)},
      {"a reading one goes home all the same", elsewhere, begin_read_only, held(Side::blue, {}), home},
      {"and SET does", elsewhere, set, held(Side::blue, {}), home},
      {"SET and UNLISTEN go home", any, set, held(Side::blue, on(Side::green)), home},
      {"a transaction goes home, a reading one too", any, reading_transaction, held(Side::blue, on(Side::green)), home},
      {"an open transaction stays where it is", any, a_write, held(Side::blue, in_transaction(on(Side::green))),
       to(Side::green, RouteReason::transaction_open)},
      {"a pin outweighs where the session was last", any, a_read, held(Side::blue, pinned(on(Side::green))), home},
  });
}

TEST_CASE("decide: what ties a session to a side → comes before every rule") {
  const Plan any = plan_matching({});
  check({
      {"a pinned session stays, reading", any, a_read, pinned(on(Side::blue)),
       to(Side::blue, RouteReason::pinned)},
      {"a pinned session stays, writing", any, a_write, pinned(on(Side::blue)),
       to(Side::blue, RouteReason::pinned)},
      {"a pin outweighs a transaction in the reason", any, a_read, in_transaction(pinned(on(Side::blue))),
       to(Side::blue, RouteReason::pinned)},
      {"a pin without a side ties to nothing", any, a_read, pinned({}), green_read},
      {"an open transaction keeps its reads", any, a_read, in_transaction(on(Side::blue)),
       to(Side::blue, RouteReason::transaction_open)},
      {"an open transaction keeps its writes, even on the other side", any, a_write,
       in_transaction(on(Side::green)), to(Side::green, RouteReason::transaction_open)},
      {"a transaction without a side ties to nothing", any, a_read, in_transaction({}), green_read},
      {"SET stays where the session is", any, set, on(Side::green),
       to(Side::green, RouteReason::session_statement)},
      {"SET stays though writes go elsewhere, where reads may go", plan_of({writing_green(half(make_rule({})))}), set,
       on(Side::blue), to(Side::blue, RouteReason::session_statement)},
      {"SET stays where only a rule for reads gives the side any", plan_of({half(make_rule(reads_only()))}),
       set, on(Side::green), to(Side::green, RouteReason::session_statement)},
      {"SET leaves a side that has neither reads nor writes", plan_of({writing_green(make_rule({}))}), set, on(Side::blue),
       to(Side::green, RouteReason::write_side, 0)},
      {"SET leaves a side that cannot be reached", plan_of({half(make_rule({}))}), set, without(Side::green, on(Side::green)),
       to(Side::blue, RouteReason::write_side, 0)},
      {"SET leaves the side that is not for writes where no rule matches", plan_of({}), set, on(Side::green),
       to(Side::blue, RouteReason::no_rule_matched)},
      {"SET as the first statement goes where its rule writes",
       plan_of({writing_green(make_rule({}))}),
       set,
       {},
       to(Side::green, RouteReason::write_side, 0)},
      {"SET as the first statement without a rule goes where the pair writes",
       writing_green_by_default(plan_of({})),
       set,
       {},
       to(Side::green, RouteReason::no_rule_matched)},
      {"being on a side alone does not tie", any, a_read, on(Side::blue), green_read},
  });
}

TEST_CASE("decide: a session pinned to a side that its writes do not belong to → it reads there, and its writes are refused") {
  const Plan any = plan_matching({});
  const Plan without_rules = plan_of({});
  const Route refused = to(Side::green, RouteReason::write_refused);
  const Route stays = to(Side::green, RouteReason::pinned);
  const auto read_only = [](Circumstances circumstances) {
    circumstances.is_transaction_read_only = true;
    return circumstances;
  };
  Circumstances begun_there = in_transaction(on(Side::green));
  begun_there.is_transaction_misplaced = true;
  Circumstances streaming = on(Side::green);
  streaming.pin = PinReason::replication;
  const Batch schema_change{StatementClass::schema_change, {}, {}, {}};
  const Batch unknown{StatementClass::unknown, TransactionEffect::unclear, {}, {}};
  check({
      {"a write", any, a_write, pinned(on(Side::green)), refused},
      {"DDL", any, schema_change, pinned(on(Side::green)), refused},
      {"what is not understood", any, unknown, pinned(on(Side::green)), refused},
      {"where no rule matches", without_rules, a_write, pinned(on(Side::green)), refused},
      {"wherever the session was last", any, a_write, held(Side::green, pinned(on(Side::blue))), refused},
      {"inside a transaction that it began there", any, a_write, in_transaction(pinned(on(Side::green))), refused},
      {"in one declared READ ONLY the server sees to it", any, a_write, read_only(in_transaction(pinned(on(Side::green)))), stays},
      {"a read stays", any, a_read, pinned(on(Side::green)), stays},
      {"SET, CLOSE and DISCARD stay", any, set, pinned(on(Side::green)), stays},
      {"a transaction may begin", any, begin, pinned(on(Side::green)), stays},
      {"a rule that writes there lets it", plan_of({writing_green(make_rule({}))}), a_write, pinned(on(Side::green)), stays},
      {"a table whose writes belong there", plan_of({writing_green(make_rule(tables({"orders"})))}),
       Batch{StatementClass::write, {}, {"orders"}, {}}, pinned(on(Side::green)), stays},
      {"a table whose writes do not", plan_of({writing_green(make_rule(tables({"orders"})))}), a_write, pinned(on(Side::green)), refused},
      {"inside a transaction that began there, the pin gone since", any, a_write, begun_there, refused},
      {"a read inside it", any, a_read, begun_there, to(Side::green, RouteReason::transaction_open)},
      {"in one declared READ ONLY, likewise", any, a_write, read_only(begun_there), to(Side::green, RouteReason::transaction_open)},
      {"a stream of replication is not a matter of rules", any, unknown, streaming, stays},
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
      {"a read at 0 % goes to blue",
       plan_of({reading_blue(make_rule({}))}),
       a_read,
       {},
       to(Side::blue, RouteReason::read_weight, 0)},
      {"a write goes to the side for writes", any, a_write, {}, blue_write},
      {"a write goes to green if the rule says so",
       plan_of({writing_green(make_rule({}))}),
       a_write,
       {},
       to(Side::green, RouteReason::write_side, 0)},
      {"DDL is a write", any, batch(StatementClass::schema_change, {}), {}, blue_write},
      {"what is not understood is a write", any, batch(StatementClass::unknown, {}), {}, blue_write},
      {"BEGIN READ ONLY goes by weight", any, begin_read_only, {}, green_read},
      {"BEGIN goes where writes go", any, begin, {}, blue_write},
      {"COMMIT outside a transaction goes where writes go",
       any,
       batch(StatementClass::transaction_control, TransactionEffect::end),
       {},
       blue_write},
      {"transaction control among others goes where writes go",
       any,
       batch(StatementClass::transaction_control, TransactionEffect::unclear),
       {},
       blue_write},
      {"BEGIN READ ONLY with a write in one batch goes where writes go",
       any,
       batch(StatementClass::write, TransactionEffect::begin_read_only),
       {},
       blue_write},
      {"a read with an unclear effect on the transaction goes where writes go",
       any,
       batch(StatementClass::read, TransactionEffect::unclear),
       {},
       blue_write},
      {"no rule: a read goes where the pair writes",
       writing_green_by_default(plan_of({})),
       a_read,
       {},
       to(Side::green, RouteReason::no_rule_matched)},
      {"no rule: a write goes where the pair writes", plan_of({}), a_write, {}, no_match},
  });
}

TEST_CASE("decide: rules in order → the first that matches decides") {
  check({
      {"the first of two that match",
       plan_of({make_rule({}), reading_blue(make_rule({}))}),
       a_read,
       {},
       green_read},
      {"the second when the first does not match",
       plan_of({reading_blue(make_rule(users({"bob"}))), make_rule({})}),
       a_read,
       {},
       to(Side::green, RouteReason::read_weight, 1)},
      {"a rule for reads lets writes pass to the next",
       plan_of({make_rule(classes({StatementClass::read})), writing_green(make_rule({}))}),
       a_write,
       {},
       to(Side::green, RouteReason::write_side, 1)},
      {"all lists must be met",
       plan_of({make_rule([] {
         routing::Match match = users({"alice"});
         match.databases = {"crm"};
         return match;
       }())}),
       a_read,
       {},
       no_match},
  });
}

TEST_CASE("decide: the follower lacks a session's own writes and the authority is gone → no read goes to the follower") {
  Rule half = make_rule({});
  half.reads.green = 5'000;
  const Plan plan = plan_of({half});
  Circumstances behind = without(Side::blue, {});
  behind.behind = Side::green;
  routing::SessionFacts session = make_session();
  for (session.session_number = 0; session.session_number < 100; ++session.session_number) {
    CHECK(routing::decide(plan, session, a_read.facts(), behind).side == Side::blue);
  }
}

TEST_CASE("decide: a side that could not be reached → reads avoid it where the other may answer") {
  Rule half = make_rule({});
  half.reads.green = 5'000;
  const Plan green_reads = plan_matching({});
  const Plan half_reads = plan_of({half});
  const Plan blue_reads = plan_of({reading_blue(make_rule({}))});
  const Plan blue_reads_green_writes = plan_of({writing_green(reading_blue(make_rule({})))});
  const Route blue_read = to(Side::blue, RouteReason::read_weight, 0);
  const Circumstances green_gone = without(Side::green, {});
  const Circumstances blue_gone = without(Side::blue, {});
  Circumstances green_behind;
  green_behind.behind = Side::green;
  const Circumstances green_behind_blue_gone = without(Side::blue, green_behind);
  // The session's place is 0: half of the weight is enough to be green's.
  check({
      {"green gone: its reads go to the side for writes", green_reads, a_read, green_gone,
       to(Side::blue, RouteReason::side_unavailable, 0)},
      {"green gone: its share of half goes to blue", half_reads, a_read, green_gone,
       to(Side::blue, RouteReason::side_unavailable, 0)},
      {"green behind the session: blue answers", half_reads, a_read, green_behind, to(Side::blue, RouteReason::own_writes, 0)},
      {"green behind, blue gone: blue all the same", half_reads, a_read, green_behind_blue_gone, to(Side::blue, RouteReason::own_writes, 0)},
      {"blue gone: green's reads do not care", half_reads, a_read, blue_gone, green_read},
      {"blue gone: green at 0 % is not asked", blue_reads, a_read, blue_gone, blue_read},
      {"blue gone: green at 0 % is asked if it takes the writes", blue_reads_green_writes, a_read, blue_gone,
       to(Side::green, RouteReason::side_unavailable, 0)},
      {"both gone: the weights decide", green_reads, a_read, without(Side::blue, green_gone), green_read},
      {"writes never avoid a side", green_reads, a_write, blue_gone, to(Side::blue, RouteReason::write_side, 0)},
      {"nor does an open transaction", green_reads, a_read, in_transaction(without(Side::blue, on(Side::blue))),
       to(Side::blue, RouteReason::transaction_open)},
      {"nor what no rule matches", plan_of({}), a_read, blue_gone, no_match},
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
      {"BEGIN READ ONLY is not matched as transaction control",
       plan_matching(control_class),
       begin_read_only,
       {},
       no_match},
      {"BEGIN is transaction control",
       plan_matching(control_class),
       begin,
       {},
       to(Side::blue, RouteReason::write_side, 0)},
      {"BEGIN is no read", plan_matching(read_class), begin, {}, no_match},
      {"table listed", plan_matching(tables({"orders"})), read_of({"orders"}), {}, green_read},
      {"table of any schema", plan_matching(tables({"orders"})), read_of({"sales.orders"}), {}, green_read},
      {"table with its schema",
       plan_matching(tables({"sales.orders"})),
       read_of({"sales.orders"}),
       {},
       green_read},
      {"table listed with a schema, written without",
       plan_matching(tables({"sales.orders"})),
       read_of({"orders"}),
       {},
       no_match},
      {"table of another schema",
       plan_matching(tables({"sales.orders"})),
       read_of({"old.orders"}),
       {},
       no_match},
      {"all tables listed",
       plan_matching(tables({"orders", "items"})),
       read_of({"items", "orders"}),
       {},
       green_read},
      {"one table not listed", plan_matching(tables({"orders"})), read_of({"orders", "users"}), {}, no_match},
      {"no table at all", plan_matching(tables({"orders"})), a_read, {}, no_match},
      {"tag present",
       plan_matching(tags({{"job", "report"}})),
       read_tagged({{"a", "b"}, {"job", "report"}}),
       {},
       green_read},
      {"tag with another value",
       plan_matching(tags({{"job", "report"}})),
       read_tagged({{"job", "web"}}),
       {},
       no_match},
      {"tag missing", plan_matching(tags({{"job", "report"}})), a_read, {}, no_match},
      {"one of two tags missing",
       plan_matching(tags({{"job", "report"}, {"x", "y"}})),
       read_tagged({{"job", "report"}}),
       {},
       no_match},
  });
}

TEST_CASE("decide: each stickiness → the side follows its own key and nothing else") {
  Rule rule = make_rule({});
  rule.reads.green = 5'000;
  rule.stickiness_tag = "tenant";
  routing::SessionFacts session = make_session();
  Batch batch = a_read;
  Circumstances circumstances;
  const auto side = [&] {
    return routing::decide(plan_of({rule}), session, batch.facts(), circumstances).side;
  };
  const auto expected = [](routing::Position position) {
    return routing::side_at(position, routing::Weights{5'000});
  };

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
        for (const auto current :
             {std::optional<Side>{}, std::optional{Side::blue}, std::optional{Side::green}}) {
          for (const bool is_transaction_open : {false, true}) {
            for (const PinReason pin :
                 {PinReason::none, PinReason::temporary_object, PinReason::restore_failed}) {
              const Circumstances circumstances{current, is_transaction_open, pin, {}, 0};
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

              const bool has_traffic = has_rule || current == write_side;  // the rule reads on blue and writes to green
              const bool is_tied = current && (pin != PinReason::none || is_transaction_open ||
                                               (statement_class == StatementClass::session && has_traffic));
              const bool is_read_only =
                  (statement_class == StatementClass::read &&
                   (effect == TransactionEffect::none || effect == TransactionEffect::begin_read_only)) ||
                  (statement_class == StatementClass::transaction_control &&
                   effect == TransactionEffect::begin_read_only);
              if (is_tied) {
                REQUIRE_UNARY(route.side == *current);
                REQUIRE_UNARY(route.rule_index == routing::no_rule);
                const bool is_misplaced = pin != PinReason::none && statement_class >= StatementClass::write && *current != write_side;
                REQUIRE_UNARY((route.reason == RouteReason::write_refused) == is_misplaced);
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
