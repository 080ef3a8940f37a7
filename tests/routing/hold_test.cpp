#include "routing/hold.hpp"

#include <doctest/doctest.h>

namespace {

using protocol::StatementClass;
using protocol::TransactionEffect;
using routing::Hold;
using routing::HoldClass;

protocol::BatchFacts batch(StatementClass statement_class, TransactionEffect effect = TransactionEffect::none) {
  protocol::BatchFacts facts;
  facts.statement_class = statement_class;
  facts.transaction_effect = effect;
  return facts;
}

}  // namespace

TEST_CASE("hold: none → nothing is held") {
  CHECK(Hold{}.is_empty());
  CHECK_FALSE(routing::holds(Hold{}, "shop", batch(StatementClass::write)));
}

TEST_CASE("hold: everything → reads too; a database → only there; both → the stricter") {
  const Hold shop = routing::with_hold(Hold{}, {"shop"}, HoldClass::everything);
  CHECK(routing::holds(shop, "shop", batch(StatementClass::read)));
  CHECK_FALSE(routing::holds(shop, "bench", batch(StatementClass::write)));
  const Hold both = routing::with_hold(shop, {}, HoldClass::writes);
  CHECK(routing::held_class(both, "shop") == HoldClass::everything);
  CHECK(routing::held_class(both, "bench") == HoldClass::writes);
  CHECK(both.epoch == 3);
}

TEST_CASE("hold: writes → what may write, or open a transaction that may") {
  const Hold hold = routing::with_hold(Hold{}, {}, HoldClass::writes);
  struct Row {
    protocol::BatchFacts facts;
    bool is_held;
  };
  for (const Row& row : {Row{batch(StatementClass::read), false}, Row{batch(StatementClass::session), false},
                         Row{batch(StatementClass::write), true}, Row{batch(StatementClass::schema_change), true},
                         Row{batch(StatementClass::unknown), true},
                         Row{batch(StatementClass::transaction_control, TransactionEffect::begin_read_write), true},
                         Row{batch(StatementClass::transaction_control, TransactionEffect::begin_read_only), false}}) {
    CHECK(routing::holds(hold, "shop", row.facts) == row.is_held);
  }
}

TEST_CASE("hold: released → that scope alone; a pair takes its databases along") {
  Hold hold = routing::with_hold(routing::with_hold(Hold{}, {"shop"}, HoldClass::everything), {}, HoldClass::everything);
  CHECK(routing::has_hold(hold, {"shop"}, HoldClass::writes));
  const Hold without_shop = routing::without_hold(hold, {"shop"});
  CHECK(without_shop.databases.empty());
  CHECK(routing::held_class(without_shop, "shop") == HoldClass::everything);
  CHECK(routing::without_hold(hold, {}).is_empty());
  CHECK_FALSE(routing::has_hold(routing::with_hold(Hold{}, {}, HoldClass::writes), {}, HoldClass::everything));
}
