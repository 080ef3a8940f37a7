#include "proxy/mirror/mirror.hpp"

#include "tests/proxy/mirror/fake_follower.hpp"
#include "tests/proxy/mirror/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <vector>

using namespace proxy::mirror;
using mirror_test::FakeFollower;
using mirror_test::put;
using mirror_test::Scratch;
using routing::Side;

namespace {

constexpr std::chrono::seconds patience{20};

MirrorOptions options_of(const std::string& directory) {
  MirrorOptions options;
  options.directory = directory;
  options.appliers = 2;
  return options;
}

/// A mirror and how sessions use it.
struct Opened {
  Opened(const MirrorOptions& options, FakeFollower& follower, Side authority = Side::blue)
      : mirror(options, "shop", follower, nullptr), status(mirror.open(authority)) {}

  struct Recorded {
    CommitSequence sequence = 0;
    Admittance admittance = Admittance::refused;
  };
  Recorded record(protocol::MirrorUnit unit) {
    std::promise<Admittance> admitted;
    unit.last_write_done = mirror.tick();
    Recorded recorded;
    recorded.sequence = mirror.record(std::move(unit), [&](Admittance admittance) { admitted.set_value(admittance); });
    recorded.admittance = admitted.get_future().get();
    return recorded;
  }
  CommitSequence commit(protocol::MirrorUnit unit) {
    const Recorded recorded = record(std::move(unit));
    REQUIRE(recorded.admittance == Admittance::recorded);
    mirror.settle(recorded.sequence, UnitOutcome::committed);
    return recorded.sequence;
  }
  bool wait(CommitSequence position) { return mirror.wait_applied(position, std::chrono::steady_clock::now() + patience); }
  bool wait_for(LedgerKind kind) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < deadline) {
      for (const LedgerEntry& entry : mirror.ledger(MirrorControl::Extent::open)) {
        if (entry.kind == kind) return true;
      }
      std::this_thread::yield();
    }
    return false;
  }

  Mirror mirror;
  protocol::Status status;
};

}  // namespace

TEST_CASE("mirror: committed → on the follower; rolled back → not; all of it applied through") {
  const Scratch scratch;
  FakeFollower follower;
  Opened opened(options_of(scratch.path()), follower);
  REQUIRE(opened.status.has_value());
  opened.commit(put("1", "a"));
  const auto second = opened.record(put("2", "b"));
  opened.mirror.settle(second.sequence, UnitOutcome::rolled_back);
  const CommitSequence last = opened.commit(put("1", "c"));
  REQUIRE(opened.wait(last));
  CHECK(follower.rows() == FakeFollower::Rows{{"1", "c"}});
  CHECK(opened.mirror.stop_position() == last);
  const MirrorStatus status = opened.mirror.status();
  CHECK(status.units_recorded_total == 3);
  CHECK(status.units_applied_total == 2);
  CHECK(status.units_dropped_total == 1);
  CHECK(status.lag.units == 0);
  CHECK(status.state == MirrorState::running);
}

TEST_CASE("mirror: not settled → nothing behind it that may depend on it is applied") {
  const Scratch scratch;
  FakeFollower follower;
  Opened opened(options_of(scratch.path()), follower);
  const auto first = opened.record(put("1", "a"));
  const CommitSequence second = opened.commit(put("1", "b"));
  CHECK(opened.mirror.applied_through() < first.sequence);
  CHECK(opened.mirror.lag().units == 2);
  opened.mirror.settle(first.sequence, UnitOutcome::committed);
  REQUIRE(opened.wait(second));
  CHECK(follower.order() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("mirror: in doubt → the authority is asked; what it does not know any more is in the ledger") {
  const Scratch scratch;
  FakeFollower follower;
  follower.set_fate("71", TransactionFate::committed);
  follower.set_fate("72", TransactionFate::aborted);
  Opened opened(options_of(scratch.path()), follower);
  for (const char* key : {"1", "2"}) opened.mirror.settle(opened.record(put(key, "x")).sequence, UnitOutcome::in_doubt);
  const CommitSequence last = opened.commit(put("4", "y"));
  REQUIRE(opened.wait(last));
  CHECK(follower.rows() == FakeFollower::Rows{{"1", "x"}, {"4", "y"}});
  const CommitSequence lost = opened.record(put("3", "x")).sequence;
  opened.mirror.settle(lost, UnitOutcome::in_doubt);
  REQUIRE(opened.wait_for(LedgerKind::in_doubt));
  const CommitSequence behind = opened.commit(put("5", "z"));
  const auto open_entries = opened.mirror.ledger(MirrorControl::Extent::open);
  REQUIRE(open_entries.size() == 1);
  CHECK(open_entries[0].table == "public.t");
  CHECK(open_entries[0].keys == std::vector<std::string>{"k=3"});
  CHECK(open_entries[0].first_position == lost);
  CHECK(opened.mirror.applied_through() < lost);  // whoever wrote it must not read the follower
  CHECK(opened.mirror.accept(open_entries[0].id, "anna").has_value());
  CHECK(opened.wait(behind));
}

TEST_CASE("mirror: the follower cannot be reached → units wait, and go in their order when it is back") {
  const Scratch scratch;
  FakeFollower follower;
  follower.set_reachable(false);
  Opened opened(options_of(scratch.path()), follower);
  CommitSequence last = 0;
  std::vector<std::string> wanted;
  for (int i = 0; i < 50; ++i) {
    wanted.push_back(std::to_string(i));
    last = opened.commit(put("1", wanted.back()));
  }
  CHECK(opened.mirror.lag().units == 50);
  follower.wait_for_attempts(2);
  CHECK(opened.mirror.status().state == MirrorState::follower_unreachable);
  follower.set_reachable(true);
  REQUIRE(opened.wait(last));
  CHECK(follower.order() == wanted);
  CHECK(opened.mirror.status().state == MirrorState::running);
}

TEST_CASE("mirror: the connection breaks during a COMMIT → once on the follower, whether it had gone through or not") {
  for (const auto moment : {FakeFollower::Cut::before_commit, FakeFollower::Cut::after_commit}) {
    const Scratch scratch;
    FakeFollower follower;
    follower.cut_next(moment);
    Opened opened(options_of(scratch.path()), follower);
    const CommitSequence last = opened.commit(put("1", "a"));
    REQUIRE(opened.wait(last));
    CHECK(follower.order() == std::vector<std::string>{"a"});
  }
}

TEST_CASE("mirror: a unit that the follower refuses → in the ledger, with those that depend on it and no other") {
  const Scratch scratch;
  FakeFollower follower;
  follower.refuse("poison");
  Opened opened(options_of(scratch.path()), follower);
  const CommitSequence poisonous = opened.commit(put("1", "poison"));
  opened.commit(put("2", "b"));
  opened.commit(put("1", "c"));
  REQUIRE(opened.wait_for(LedgerKind::unit_dependent));
  REQUIRE(opened.wait_for(LedgerKind::unit_failed));
  follower.wait_for_row("2", "b");
  CHECK(follower.rows() == FakeFollower::Rows{{"2", "b"}});
  CHECK(opened.mirror.applied_through() < poisonous);
  for (const LedgerEntry& entry : opened.mirror.ledger(MirrorControl::Extent::open)) {
    CHECK(entry.keys == std::vector<std::string>{"k=1"});
    CHECK(opened.mirror.accept(entry.id, "anna")->closed_by == "anna");
  }
  const CommitSequence last = opened.commit(put("1", "d"));
  REQUIRE(opened.wait(last));
  CHECK(follower.rows() == FakeFollower::Rows{{"1", "d"}, {"2", "b"}});
}

TEST_CASE("mirror: ended and begun again → goes on with what was not applied, and only that") {
  const Scratch scratch;
  FakeFollower follower;
  follower.set_fate("73", TransactionFate::committed);
  {
    Opened opened(options_of(scratch.path()), follower);
    REQUIRE(opened.wait(opened.commit(put("1", "a"))));
    follower.set_reachable(false);
    opened.commit(put("2", "b"));
    static_cast<void>(opened.record(put("3", "c")));  // never settled: its session was killed
  }
  follower.set_reachable(true);
  Opened opened(options_of(scratch.path()), follower);
  REQUIRE(opened.status.has_value());
  REQUIRE(opened.wait(opened.mirror.stop_position()));
  CHECK(follower.order() == std::vector<std::string>{"a", "b", "c"});
  CHECK(opened.wait(opened.commit(put("4", "d"))));
}

TEST_CASE("mirror: the same journal for two → the second is refused") {
  const Scratch scratch;
  FakeFollower follower;
  Opened first(options_of(scratch.path()), follower);
  Opened second(options_of(scratch.path()), follower);
  REQUIRE_FALSE(second.status.has_value());
  CHECK(second.status.error().detail.find("another process") != std::string::npos);
}

TEST_CASE("mirror: turned round → the other side follows; refused while something is not applied") {
  const Scratch scratch;
  FakeFollower follower;
  {
    Opened opened(options_of(scratch.path()), follower);
    REQUIRE(opened.wait(opened.commit(put("1", "a"))));
    const auto pending = opened.record(put("2", "b"));
    CHECK_FALSE(opened.mirror.turn(Side::green).has_value());
    opened.mirror.settle(pending.sequence, UnitOutcome::committed);
    REQUIRE(opened.wait(pending.sequence));
    REQUIRE(opened.mirror.turn(Side::green).has_value());
    CHECK(opened.mirror.authority() == Side::green);
    REQUIRE(opened.wait(opened.commit(put("1", "c"))));
    CHECK(follower.rows(Side::green) == FakeFollower::Rows{{"1", "a"}, {"2", "b"}});
    CHECK(follower.rows(Side::blue) == FakeFollower::Rows{{"1", "c"}});
    follower.set_reachable(false);
    opened.commit(put("1", "d"));
  }
  // A journal with units of green is not for a process that takes blue for the authority.
  Opened wrong(options_of(scratch.path()), follower, Side::blue);
  CHECK_FALSE(wrong.status.has_value());
}

TEST_CASE("mirror: turned at once → what the follower lacks is in the ledger, never applied, and the other side follows; so after a restart") {
  const Scratch scratch;
  FakeFollower follower;
  CommitSequence last = 0;
  {
    Opened opened(options_of(scratch.path()), follower);
    REQUIRE(opened.wait(opened.commit(put("1", "a"))));
    follower.set_reachable(false);
    opened.commit(put("2", "b"));
    const auto open = opened.record(put("3", "c"));  // nobody knows how it ended
    CHECK_FALSE(opened.mirror.turn(Side::green).has_value());
    const auto now = std::chrono::steady_clock::now();
    REQUIRE(opened.mirror.turn_at_once(Side::green, now).has_value());
    CHECK(opened.mirror.authority() == Side::green);
    CHECK(opened.mirror.lag().units == 0);
    opened.mirror.settle(open.sequence, UnitOutcome::committed);
    follower.set_reachable(true);
    last = opened.commit(put("1", "d"));
    REQUIRE(opened.wait(last));
  }
  Opened again(options_of(scratch.path()), follower, Side::green);
  REQUIRE(again.status.has_value());
  CHECK(again.wait_for(LedgerKind::left_behind));
  std::vector<std::string> keys;
  for (const auto& entry : again.mirror.ledger(MirrorControl::Extent::open)) keys.insert(keys.end(), entry.keys.begin(), entry.keys.end());
  std::ranges::sort(keys);
  CHECK(keys == std::vector<std::string>{"k=2", "k=3"});
  CHECK(follower.rows(Side::green) == FakeFollower::Rows{{"1", "a"}});
  CHECK(follower.rows(Side::blue) == FakeFollower::Rows{{"1", "d"}});
}

TEST_CASE("mirror: the journal is full, and the policy is to block → commits wait in their order; refused when the mirror ends") {
  const Scratch scratch;
  FakeFollower follower;
  follower.set_reachable(false);
  MirrorOptions options = options_of(scratch.path());
  options.on_full = OnFull::block;
  options.journal_bytes_max = 20'000;
  const std::string big(8'000, 'x');
  SUBCASE("block") {
    options.journal_bytes_max = std::uint64_t{4} << 20;
    const std::string huge(600'000, 'x');
    Opened opened(options, follower);
    for (int i = 0; i < 6; ++i) opened.commit(put("1", huge));
    // The seventh has no room, and the small one behind it keeps its place in the order.
    std::vector<std::promise<Admittance>> admitted(2);
    std::vector<CommitSequence> sequences;
    for (int i = 0; i < 2; ++i) {
      protocol::MirrorUnit unit = put(std::to_string(i), i == 0 ? huge : "small");
      unit.last_write_done = opened.mirror.tick();
      sequences.push_back(opened.mirror.record(std::move(unit), [&admitted, i](Admittance each) { admitted[static_cast<std::size_t>(i)].set_value(each); }));
    }
    auto first = admitted[0].get_future();
    CHECK(first.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
    follower.set_reachable(true);
    CHECK(first.get() == Admittance::recorded);
    CHECK(admitted[1].get_future().get() == Admittance::recorded);
    CHECK(sequences[0] < sequences[1]);
    for (const CommitSequence sequence : sequences) opened.mirror.settle(sequence, UnitOutcome::committed);
    CHECK(opened.wait(sequences[1]));
    CHECK(opened.mirror.status().state == MirrorState::running);
  }
  SUBCASE("block, and the end of the mirror") {
    std::promise<Admittance> admitted;
    Opened opened(options, follower);
    opened.commit(put("1", big));
    opened.commit(put("2", big));
    static_cast<void>(opened.mirror.record(put("3", big), [&](Admittance each) { admitted.set_value(each); }));
    opened.mirror.close();
    CHECK(admitted.get_future().get() == Admittance::refused);
    CHECK(opened.record(put("4", "small")).admittance == Admittance::refused);
  }
}

TEST_CASE("mirror: the journal is full → broken off with its tables in the ledger, until accepted") {
  const Scratch scratch;
  FakeFollower follower;
  follower.set_reachable(false);
  MirrorOptions options = options_of(scratch.path());
  options.journal_bytes_max = 20'000;
  const std::string big(8'000, 'x');
  SUBCASE("break") {
    std::uint64_t id = 0;
    {
      Opened opened(options, follower);
      opened.commit(put("1", big));
      opened.commit(put("2", big));
      const auto lost = opened.record(put("3", big));
      CHECK(lost.admittance == Admittance::unmirrored);
      CHECK(opened.record(put("4", "small")).admittance == Admittance::unmirrored);
      CHECK(opened.mirror.status().state == MirrorState::broken_off);
      follower.set_reachable(true);
      follower.wait_for_row("2", big);  // what is in the journal still goes
      CHECK(opened.mirror.applied_through() < lost.sequence);
      CHECK_FALSE(opened.mirror.turn(Side::green).has_value());
    }
    Opened again(options, follower);
    CHECK(again.mirror.status().state == MirrorState::broken_off);
    CHECK(again.record(put("5", "x")).admittance == Admittance::unmirrored);
    for (const LedgerEntry& entry : again.mirror.ledger(MirrorControl::Extent::open)) {
      if (entry.kind == LedgerKind::broken_off) id = entry.id;
    }
    REQUIRE(again.mirror.accept(id, "anna").has_value());
    CHECK(again.mirror.status().state == MirrorState::running);
    again.commit(put("6", "y"));
    follower.wait_for_row("6", "y");
    CHECK(follower.rows().count("5") == 0);
    bool names_table = false;
    for (const LedgerEntry& entry : again.mirror.ledger(MirrorControl::Extent::open)) {
      names_table = names_table || (entry.kind == LedgerKind::unit_lost && entry.table == "public.t");
    }
    CHECK(names_table);
  }
}

TEST_CASE("mirror: the disk fails → nobody is told that it is safe; what is lost is in the ledger for the next process, too") {
  const Scratch scratch;
  FakeFollower follower;
  {
    Opened opened(options_of(scratch.path()), follower);
    opened.commit(put("1", "a"));
    const rlimit before = mirror_test::limit_files(16'384);
    const auto lost = opened.record(put("2", std::string(100'000, 'x')));
    CHECK(lost.admittance == Admittance::unmirrored);
    mirror_test::restore_limit(before);
    CHECK(opened.mirror.status().state == MirrorState::broken_off);
  }
  Opened again(options_of(scratch.path()), follower);
  CHECK(again.mirror.status().state == MirrorState::broken_off);
  CHECK(again.wait_for(LedgerKind::broken_off));
}

TEST_CASE("mirror: ack both → told when the follower has it; late when it has not in time, and then nobody waits") {
  const Scratch scratch;
  FakeFollower follower;
  MirrorOptions options = options_of(scratch.path());
  options.ack_timeout = std::chrono::milliseconds(50);
  options.ack_failures_max = 1;
  Opened opened(options, follower);
  const auto settle = [&](const char* key) {
    std::promise<bool> applied;
    const auto recorded = opened.record(put(key, "x"));
    opened.mirror.settle_and_await(recorded.sequence, [&](bool has_it) { applied.set_value(has_it); });
    return applied.get_future().get();
  };
  follower.set_reachable(false);
  CHECK_FALSE(settle("2"));
  REQUIRE(opened.wait_for(LedgerKind::acknowledged_late));
  CHECK_FALSE(settle("3"));  // at once
  CHECK(opened.mirror.status().late_acknowledgements_total == 2);
  follower.set_reachable(true);
  REQUIRE(opened.wait(opened.mirror.stop_position()));
  opened.commit(put("4", "x"));
  REQUIRE(opened.wait(opened.mirror.stop_position()));
  // The follower keeps up again. How fast this machine is must not matter, so the time is long.
  options.ack_timeout = std::chrono::seconds(20);
  const Scratch other;
  options.directory = other.path();
  Opened patient(options, follower);
  std::promise<bool> applied;
  const auto recorded = patient.record(put("1", "x"));
  patient.mirror.settle_and_await(recorded.sequence, [&](bool has_it) { applied.set_value(has_it); });
  CHECK(applied.get_future().get());
}

TEST_CASE("mirror: a read waits for a unit → told when the follower has it; at once when it has, or never will, or cannot be reached") {
  const Scratch scratch;
  FakeFollower follower;
  Opened opened(options_of(scratch.path()), follower);
  Mirror& mirror = opened.mirror;
  const auto unsettled = opened.record(put("1", "a"));
  std::promise<void> due;
  const std::uint64_t ticket = mirror.await_applied(unsettled.sequence, [&] { due.set_value(); });
  const std::uint64_t given_up = mirror.await_applied(unsettled.sequence, [] { FAIL("it has given up"); });
  REQUIRE(ticket != 0);
  REQUIRE(given_up != 0);
  mirror.stop_waiting(given_up);
  mirror.settle(unsettled.sequence, UnitOutcome::committed);
  REQUIRE(due.get_future().wait_for(patience) == std::future_status::ready);
  CHECK(mirror.applied_through() >= unsettled.sequence);
  CHECK(mirror.await_applied(unsettled.sequence, [] { FAIL("it has it"); }) == 0);
  CHECK(mirror.status().reads_waited_total == 2);
  CHECK(mirror.status().reads_given_up_total == 1);

  follower.refuse("never");
  const CommitSequence refused = opened.commit(put("2", "never"));
  REQUIRE(opened.wait_for(LedgerKind::unit_failed));
  CHECK(mirror.await_applied(refused, [] { FAIL("it never will"); }) == 0);
}

TEST_CASE("mirror: the follower goes while a read waits for it → the read is told so, and the next ones need not wait") {
  const Scratch scratch;
  FakeFollower follower;
  Opened opened(options_of(scratch.path()), follower);
  const auto recorded = opened.record(put("1", "a"));
  std::promise<void> due;
  REQUIRE(opened.mirror.await_applied(recorded.sequence, [&] { due.set_value(); }) != 0);
  follower.set_reachable(false);
  opened.mirror.settle(recorded.sequence, UnitOutcome::committed);
  REQUIRE(due.get_future().wait_for(patience) == std::future_status::ready);
  CHECK(opened.mirror.applied_through() < recorded.sequence);
  CHECK(opened.mirror.await_applied(recorded.sequence, [] { FAIL("nobody is there"); }) == 0);
}
