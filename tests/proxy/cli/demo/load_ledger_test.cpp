#include "proxy/cli/demo/load_ledger.hpp"

#include <doctest/doctest.h>

using proxy::cli::LoadLedger;
using proxy::cli::WorkKind;
using routing::Side;
using std::chrono::microseconds;

TEST_CASE("ledger: begun and ended in one phase → counted for it") {
  LoadLedger ledger;
  ledger.enter_phase(2);
  ledger.note_success(WorkKind::read, Side::green, microseconds(10), ledger.phase());
  CHECK(ledger.of_phase(2).reads[Side::green] == 1);
  CHECK(ledger.total().read_count() == 1);
}

TEST_CASE("ledger: begun before a phase, or ended after it → in the total only") {
  LoadLedger ledger;
  ledger.enter_phase(0);
  const auto began_in = ledger.phase();
  ledger.leave_phase();
  ledger.note_success(WorkKind::read, Side::blue, microseconds(10), began_in);
  ledger.enter_phase(1);
  ledger.note_success(WorkKind::read, Side::blue, microseconds(10), began_in);
  ledger.note_success(WorkKind::read, Side::blue, microseconds(10), std::nullopt);
  CHECK(ledger.of_phase(0).read_count() == 0);
  CHECK(ledger.of_phase(1).read_count() == 0);
  CHECK(ledger.total().read_count() == 3);
}

TEST_CASE("ledger: an interval is taken → the next starts empty and the total stays") {
  LoadLedger ledger;
  ledger.note_success(WorkKind::write, Side::blue, microseconds(500), std::nullopt);
  ledger.note_success(WorkKind::read_transaction, Side::green, microseconds(900), std::nullopt);
  const auto first = ledger.take_interval();
  CHECK(first.write_count() == 1);
  CHECK(first.read_count() == 1);
  CHECK(first.worst == microseconds(900));
  CHECK(ledger.take_interval().worst == microseconds(0));
  CHECK(ledger.total().worst == microseconds(900));
}

TEST_CASE("ledger: several troubles → each counted, the first one's words kept") {
  LoadLedger ledger;
  ledger.enter_phase(0);
  ledger.note_error("first");
  ledger.note_drop("second");
  CHECK(ledger.total().errors == 1);
  CHECK(ledger.total().dropped == 1);
  CHECK(ledger.of_phase(0).errors == 1);
  CHECK(ledger.first_trouble() == "first");
}

TEST_CASE("ledger: a read of what was written → counted by itself, and no share of the reads") {
  LoadLedger ledger;
  ledger.note_success(WorkKind::own_read, Side::green, microseconds(10), std::nullopt);
  CHECK(ledger.total().own_reads[Side::green] == 1);
  CHECK(ledger.total().read_count() == 0);
}

TEST_CASE("stall: the longest transaction since it is watched, and the silence since the last write") {
  LoadLedger ledger;
  ledger.note_success(WorkKind::write, Side::blue, microseconds(900), std::nullopt);
  ledger.watch_stalls();
  CHECK(ledger.stall().longest == microseconds(0));
  ledger.note_success(WorkKind::read, Side::blue, microseconds(70), std::nullopt);
  const auto before = ledger.stall();
  CHECK(before.longest == microseconds(70));
  ledger.note_success(WorkKind::write, Side::blue, microseconds(80), std::nullopt);
  CHECK(ledger.stall().longest == microseconds(80));
  CHECK(ledger.stall().silence >= before.silence);
}

TEST_CASE("share: of the reads alone, and 0 without reads") {
  proxy::cli::LoadCounts counts;
  CHECK(counts.green_read_share() == 0);
  counts.reads[Side::blue] = 3;
  counts.reads[Side::green] = 1;
  counts.writes[Side::blue] = 1000;
  CHECK(counts.green_read_share() == doctest::Approx(25.0));
}
