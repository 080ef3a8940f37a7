#include "proxy/mirror/mirror.hpp"

#include "tests/proxy/mirror/fake_follower.hpp"
#include "tests/proxy/mirror/fixture.hpp"

#include <doctest/doctest.h>

#include <future>
#include <optional>
#include <string>
#include <vector>

using namespace proxy::mirror;
using mirror_test::FakeFollower;
using mirror_test::put;
using mirror_test::Scratch;
using protocol::PhaseDecision;
using routing::Side;

namespace {

constexpr std::chrono::seconds patience{20};

/// A mirror with `ack: atomic`, and the sessions on the authority.
struct Atomic {
  Atomic(const Scratch& scratch, FakeFollower& on_follower, std::chrono::milliseconds timeout = patience)
      : follower(on_follower), mirror(options_of(scratch, timeout), "shop", on_follower, nullptr) {
    REQUIRE(mirror.open(Side::blue).has_value());
  }
  static MirrorOptions options_of(const Scratch& scratch, std::chrono::milliseconds timeout) {
    MirrorOptions options;
    options.directory = scratch.path();
    options.appliers = 2;
    options.capture.ack = Acknowledgement::atomic;
    options.ack_timeout = timeout;
    return options;
  }

  CommitSequence record(protocol::MirrorUnit unit) {
    std::promise<Admittance> admitted;
    unit.last_write_done = mirror.tick();
    const CommitSequence sequence = mirror.record(std::move(unit), [&](Admittance admittance) { admitted.set_value(admittance); });
    REQUIRE(admitted.get_future().get() == Admittance::recorded);
    return sequence;
  }
  struct Decided {
    PhaseDecision decision;
    std::string cause;
  };
  std::future<Decided> prepare(CommitSequence sequence) {
    follower.note_prepared_on_authority(mirror.phase_name(sequence));
    const auto promise = std::make_shared<std::promise<Decided>>();
    mirror.settle_prepared(sequence, [promise](PhaseDecision decision, std::string cause) {
      promise->set_value({decision, std::move(cause)});
    });
    return promise->get_future();
  }
  bool wait(CommitSequence position) { return mirror.wait_applied(position, std::chrono::steady_clock::now() + patience); }

  FakeFollower& follower;
  Mirror mirror;
};

const FakeFollower::Rows one_row{{"1", "a"}};

}  // namespace

TEST_CASE("phases: both sides have prepared → commit, and applied when both have carried it out") {
  const Scratch scratch;
  FakeFollower follower;
  Atomic it(scratch, follower);
  const CommitSequence sequence = it.record(put("1", "a"));
  const Atomic::Decided decided = it.prepare(sequence).get();
  CHECK(decided.decision == PhaseDecision::commit);
  follower.wait_for_row("1", "a");
  CHECK(it.mirror.applied_through() < sequence);  // the authority has not said that it committed
  std::promise<bool> applied;
  it.mirror.settle_and_await(sequence, [&](bool is_applied) { applied.set_value(is_applied); });
  CHECK(applied.get_future().get());
  CHECK(it.wait(sequence));
  CHECK(it.mirror.status().units_applied_total == 1);
}

TEST_CASE("phases: the follower refuses → roll back with its words, neither side has it, the next one goes on") {
  const Scratch scratch;
  FakeFollower follower;
  follower.refuse("bad");
  Atomic it(scratch, follower);
  const CommitSequence sequence = it.record(put("1", "bad"));
  const Atomic::Decided decided = it.prepare(sequence).get();
  CHECK(decided.decision == PhaseDecision::roll_back);
  CHECK(decided.cause == "not this one");
  it.mirror.settle(sequence, UnitOutcome::rolled_back);
  CHECK(it.wait(sequence));
  const CommitSequence next = it.record(put("1", "a"));
  CHECK(it.prepare(next).get().decision == PhaseDecision::commit);
  it.mirror.settle(next, UnitOutcome::committed);
  CHECK(it.wait(next));
  CHECK(follower.rows() == one_row);
  CHECK(it.mirror.status().ledger_open == 0);
  CHECK(it.mirror.status().units_refused_total == 1);
}

TEST_CASE("phases: the follower cannot be reached → roll back, without a wait for it") {
  const Scratch scratch;
  FakeFollower follower;
  follower.set_reachable(false);
  Atomic it(scratch, follower);
  for (int i = 0; i < 3; ++i) {
    const CommitSequence sequence = it.record(put("1", "a"));
    CHECK(it.prepare(sequence).get().decision == PhaseDecision::roll_back);
    it.mirror.settle(sequence, UnitOutcome::rolled_back);
    CHECK(it.wait(sequence));
  }
}

TEST_CASE("phases: the connection breaks before the follower's preparation → tried again over another one") {
  const Scratch scratch;
  FakeFollower follower;
  Atomic it(scratch, follower);
  follower.cut_next(FakeFollower::Cut::before_commit);
  const CommitSequence sequence = it.record(put("1", "a"));
  CHECK(it.prepare(sequence).get().decision == PhaseDecision::commit);
  it.mirror.settle(sequence, UnitOutcome::committed);
  CHECK(it.wait(sequence));
  CHECK(follower.rows() == one_row);
}

TEST_CASE("phases: the connection breaks behind the follower's preparation → rolled back there too") {
  const Scratch scratch;
  FakeFollower follower;
  Atomic it(scratch, follower);
  follower.cut_next(FakeFollower::Cut::after_commit);
  const CommitSequence sequence = it.record(put("1", "a"));
  CHECK(it.prepare(sequence).get().decision == PhaseDecision::roll_back);
  it.mirror.settle(sequence, UnitOutcome::rolled_back);
  CHECK(it.wait(sequence));
  CHECK(follower.prepared_count() == 0);
  CHECK(follower.rows().empty());
}

TEST_CASE("phases: behind one that is not settled → not taken in time, rolled back") {
  const Scratch scratch;
  FakeFollower follower;
  Atomic it(scratch, follower, std::chrono::milliseconds(1));
  const CommitSequence before = it.record(put("1", "a"));
  const CommitSequence behind = it.record(put("1", "b"));
  CHECK(it.prepare(behind).get().decision == PhaseDecision::roll_back);
  it.mirror.settle(behind, UnitOutcome::rolled_back);
  it.mirror.settle(before, UnitOutcome::rolled_back);
  CHECK(it.wait(behind));
}

TEST_CASE("phases: the session is gone before its authority has prepared → the authority is told to roll back") {
  const Scratch scratch;
  FakeFollower follower;
  Atomic it(scratch, follower);
  const CommitSequence sequence = it.record(put("1", "a"));
  follower.note_prepared_on_authority(it.mirror.phase_name(sequence));
  it.mirror.settle(sequence, UnitOutcome::in_doubt);
  CHECK(it.wait(sequence));
  CHECK(follower.told_authority() == std::vector<std::string>{"roll back " + it.mirror.phase_name(sequence)});
  CHECK(follower.rows().empty());
}

TEST_CASE("phases: the session is gone behind the decision → the authority is told it") {
  const Scratch scratch;
  FakeFollower follower;
  Atomic it(scratch, follower);
  const CommitSequence sequence = it.record(put("1", "a"));
  CHECK(it.prepare(sequence).get().decision == PhaseDecision::commit);
  it.mirror.settle(sequence, UnitOutcome::in_doubt);
  CHECK(it.wait(sequence));
  CHECK(follower.told_authority() == std::vector<std::string>{"commit " + it.mirror.phase_name(sequence)});
  CHECK(follower.rows() == one_row);
}

TEST_CASE("phases: a new process finds no decision → rolled back on both; a decision → committed on both") {
  const Scratch scratch;
  FakeFollower follower;
  std::string undecided;
  std::string decided;
  {
    Atomic it(scratch, follower);
    const CommitSequence first = it.record(put("1", "a"));
    decided = it.mirror.phase_name(first);
    CHECK(it.prepare(first).get().decision == PhaseDecision::commit);  // and nobody tells the authority
    const CommitSequence second = it.record(put("2", "b"));
    undecided = it.mirror.phase_name(second);
    follower.note_prepared_on_authority(undecided);
  }
  Atomic it(scratch, follower);
  CHECK(it.wait(it.mirror.stop_position()));
  const std::vector<std::string> told = follower.told_authority();
  CHECK(std::ranges::count(told, "commit " + decided) == 1);
  CHECK(std::ranges::count(told, "roll back " + undecided) == 1);
  CHECK(follower.rows() == one_row);
  CHECK(follower.prepared_count() == 0);
  CHECK(it.mirror.status().ledger_open == 0);
}

TEST_CASE("phases: the authority is moved at once → who waits for a decision is told to roll back") {
  const Scratch scratch;
  FakeFollower follower;
  Atomic it(scratch, follower);
  static_cast<void>(it.record(put("1", "a")));  // stays where it is, so the next one is not taken
  const CommitSequence behind = it.record(put("1", "b"));
  std::future<Atomic::Decided> decided = it.prepare(behind);
  CHECK(it.mirror.turn_at_once(Side::green, std::chrono::steady_clock::now()).has_value());
  CHECK(decided.get().decision == PhaseDecision::roll_back);
}
