#pragma once

#include "proxy/mirror/desk.hpp"
#include "proxy/mirror/sequencer.hpp"
#include "proxy/mirror/waiting_reads.hpp"
#include "routing/side.hpp"
#include "tests/model/random.hpp"
#include "tests/sim/row_store.hpp"
#include "tests/support/sim_loop.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sim {

/// When the mirror's counter is read; only one of them is right.
enum class CounterReading {
  right,
  commit_too_late,  ///< when the reply to COMMIT had come, not before it was sent
  write_too_early,  ///< about when the last write was sent, not when its reply came
};

/// What of a mirror outlives its process.
struct MirrorDisk {
  struct Intent {
    protocol::MirrorUnit unit;
    std::optional<proxy::mirror::UnitOutcome> outcome;
  };
  std::map<proxy::mirror::CommitSequence, Intent> intents;
  proxy::mirror::CommitSequence highest = 0;
  routing::Side authority = routing::Side::blue;
  bool is_broken = false;
  std::set<std::string> ledger;  ///< keys of rows that may differ
};

/// The mirror on a simulated clock: the real sequencer between a disk that takes its time and appliers that are slow, whose
/// connections break, and that find the follower gone. The threads and files of proxy/mirror have tests of their own.
class SimMirror final : public proxy::mirror::Desk {
 public:
  struct Nature {
    CounterReading reading = CounterReading::right;
    bool breaks_when_full = false;  ///< else commits are refused then
    unsigned cut_percent = 10;      ///< of the follower's transactions
  };
  /// A process begins with what the disk has.
  SimMirror(MirrorDisk& disk, routing::PerSide<RowStore>& stores, test_support::SimLoop& loop, model::Random& random, const Nature& nature);

  [[nodiscard]] std::uint64_t tick() override;
  [[nodiscard]] proxy::mirror::CommitSequence record(protocol::MirrorUnit unit, std::function<void(proxy::mirror::Admittance)> when_admitted) override;
  void settle(proxy::mirror::CommitSequence sequence, proxy::mirror::UnitOutcome outcome) override;
  void settle_and_await(proxy::mirror::CommitSequence sequence, std::function<void(bool)> when_applied) override;
  /// `ack: atomic` is not simulated.
  [[nodiscard]] std::string phase_name(proxy::mirror::CommitSequence) const override { return {}; }
  void settle_prepared(proxy::mirror::CommitSequence, WhenDecided when_decided) override { when_decided(protocol::PhaseDecision::roll_back, {}); }
  [[nodiscard]] proxy::mirror::CommitSequence applied_through() const override;
  [[nodiscard]] std::uint64_t await_applied(proxy::mirror::CommitSequence position, std::function<void()> when_due) override;
  void stop_waiting(std::uint64_t ticket) override { static_cast<void>(waiting_.remove(ticket)); }
  void note_unmirrored(proxy::mirror::Unmirrored entry) override;

  /// As kill -9: nothing of it is heard any more, and what is not on the disk is lost.
  void die() { is_dead_ = true; }
  /// Which sides answer.
  void set_reachable(const routing::PerSide<bool>& is_up);
  void set_full(bool is_full) { is_full_ = is_full; }
  void set_slowness(std::chrono::microseconds apply_time_max) { apply_time_max_ = apply_time_max; }
  [[nodiscard]] bool is_caught_up() const { return sequencer_.unfinished_units() == 0; }
  /// Precondition: it is caught up and not broken off.
  void turn(routing::Side authority) {
    disk_.authority = authority;
    disk_.intents.clear();
  }
  [[nodiscard]] std::uint64_t surprises() const { return surprises_; }
  [[nodiscard]] std::uint64_t reads_waited() const { return reads_waited_; }

 private:
  using CommitSequence = proxy::mirror::CommitSequence;
  struct Pending {
    CommitSequence sequence = 0;
    std::function<void(proxy::mirror::Admittance)> when_admitted;
  };
  void after(std::chrono::microseconds span, std::function<void()> work);
  void flush_soon();
  void flush();
  void add(CommitSequence handle, const protocol::MirrorUnit& unit);
  void inquire(CommitSequence handle);
  void pump();
  void end_batch(const std::vector<proxy::mirror::Sequencer::Unit>& batch);
  void tell_reads();

  MirrorDisk& disk_;
  routing::PerSide<RowStore>& stores_;
  test_support::SimLoop& loop_;
  model::Random& random_;
  const Nature nature_;
  proxy::mirror::Sequencer sequencer_;
  proxy::mirror::WaitingReads waiting_;
  std::uint64_t counter_ = 0;
  std::map<test_support::SimLoop::Instant, std::uint64_t> counted_;  ///< for reading it too early
  std::map<CommitSequence, protocol::MirrorUnit> units_;             ///< by what the session knows it as
  std::map<CommitSequence, CommitSequence> handles_;                 ///< by the sequencer's number
  std::vector<Pending> pending_;
  std::map<CommitSequence, proxy::mirror::UnitOutcome> outcomes_;    ///< not on the disk yet
  std::vector<std::shared_ptr<proxy::runtime::Timer>> timers_;
  std::chrono::microseconds apply_time_max_{2'000};
  std::size_t running_ = 0;
  bool is_flush_due_ = false;
  bool is_dead_ = false;
  bool is_full_ = false;
  bool is_follower_up_ = true;
  std::uint64_t surprises_ = 0;
  std::uint64_t reads_waited_ = 0;
};

}  // namespace sim
