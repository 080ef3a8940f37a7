#pragma once

#include "protocol/base/result.hpp"
#include "proxy/mirror/apply_pace.hpp"
#include "proxy/mirror/awaiting.hpp"
#include "proxy/mirror/breaker.hpp"
#include "proxy/mirror/control.hpp"
#include "proxy/mirror/desk.hpp"
#include "proxy/mirror/follower.hpp"
#include "proxy/mirror/journal.hpp"
#include "proxy/mirror/ledger.hpp"
#include "proxy/mirror/options.hpp"
#include "proxy/mirror/sequencer.hpp"
#include "proxy/mirror/state_file.hpp"
#include "proxy/mirror/waiting_reads.hpp"
#include "proxy/telemetry/log.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace proxy::mirror {

/// The mirror of one pair: takes units from sessions, writes them to the journal, and applies what the authority committed
/// to the follower, in an order that locks have proven. What it cannot carry is in the ledger.
///
/// Threads: sessions' workers call Desk and never wait for more than a short lock; the journal's writes; the appliers' and
/// the one that asks the authority about doubts talk to the databases; the watch keeps time and gives the disk back.
class Mirror final : public Desk, public MirrorControl {
 public:
  /// `door` and `log` outlive the mirror. `name` is the pair's.
  Mirror(MirrorOptions options, std::string name, FollowerDoor& door, telemetry::Log* log);
  ~Mirror() override;

  /// Takes up what a former process left, and begins. `authority` has the writes. Errors: configuration_invalid when
  /// another process has the journal, or it holds units of the other direction; internal when it cannot be used. Nothing:
  /// nobody knows; it goes on in the direction it had, which is the configuration's `writes` at first.
  [[nodiscard]] protocol::Status open(std::optional<routing::Side> authority, routing::Side at_first = routing::Side::blue);
  /// No more units come. What is unapplied stays in the journal.
  void close();

  [[nodiscard]] std::uint64_t tick() override { return counter_.fetch_add(1) + 1; }
  [[nodiscard]] CommitSequence record(protocol::MirrorUnit unit, std::function<void(Admittance)> when_admitted) override;
  void settle(CommitSequence sequence, UnitOutcome outcome) override;
  void settle_and_await(CommitSequence sequence, std::function<void(bool)> when_applied) override;
  [[nodiscard]] std::string phase_name(CommitSequence sequence) const override;
  void settle_prepared(CommitSequence sequence, WhenDecided when_decided) override;
  [[nodiscard]] CommitSequence applied_through() const override { return applied_through_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t await_applied(CommitSequence position, std::function<void()> when_due) override;
  void stop_waiting(std::uint64_t ticket) override;
  void note_unmirrored(Unmirrored entry) override;

  [[nodiscard]] MirrorStatus status() const override;
  [[nodiscard]] routing::Side authority() const override;
  [[nodiscard]] CommitSequence stop_position() const override;
  [[nodiscard]] bool wait_applied(CommitSequence position, std::chrono::steady_clock::time_point deadline) override;
  [[nodiscard]] Lag lag() const override;
  [[nodiscard]] protocol::Status turn(routing::Side new_authority) override;
  [[nodiscard]] protocol::Status turn_at_once(routing::Side new_authority, std::chrono::steady_clock::time_point deadline) override;
  [[nodiscard]] std::vector<LedgerEntry> ledger(Extent extent) const override { return ledger_.entries(extent); }
  [[nodiscard]] protocol::Result<LedgerEntry> accept(std::uint64_t id, const std::string& by) override;

 private:
  enum class Breakage : std::uint8_t {
    none,
    unmarked,  ///< it is not on the disk yet that the mirror is broken off: nobody may go on
    marked,
  };
  using WhenAdmitted = std::function<void(Admittance)>;
  static constexpr CommitSequence all_positions = ~CommitSequence{0};
  /// A unit that waits until the journal has room; its place in the order is taken.
  struct Blocked {
    CommitSequence sequence = 0;
    std::chrono::milliseconds recorded_at{0};
    protocol::Bytes record;
    WhenAdmitted when_admitted;
    std::chrono::steady_clock::time_point deadline;
  };
  /// A unit of `ack: atomic`, from its record until both sides have ended its transaction.
  struct Phase {
    enum class Stage : std::uint8_t {
      recorded,
      prepared,  ///< on the authority: an applier may take it
      decided,
    };
    Stage stage = Stage::recorded;
    protocol::PhaseDecision decision = protocol::PhaseDecision::roll_back;
    WhenDecided when_decided;
    std::chrono::steady_clock::time_point deadline;  ///< for being prepared
    bool is_orphaned = false;  ///< its session is gone: we tell the authority
    bool is_authority_done = false;
    bool is_follower_done = false;
    bool is_missing = false;   ///< one side has not what was decided; its entry is in the ledger
  };
  enum class Preparation : std::uint8_t {
    done,
    none,       ///< the follower has nothing of it
    uncertain,  ///< it may have it, or get it yet
  };
  /// Of one applier, by database; all to the follower of that direction.
  struct Sessions {
    std::uint64_t direction = 0;
    std::map<std::string, std::unique_ptr<FollowerSession>> open;
  };

  // mirror_open.cpp
  [[nodiscard]] protocol::Status lock_directory();
  [[nodiscard]] protocol::Status take_up(const Journal::Recovery& recovery, const StateFile::State& before);
  [[nodiscard]] protocol::Status rearm();
  void note_whole(LedgerKind kind, const std::string& cause, CommitSequence position);

  // mirror_leave.cpp
  [[nodiscard]] protocol::Status leave(const std::vector<Sequencer::Remaining>& left, routing::Side new_authority);

  // mirror.cpp
  [[nodiscard]] CommitSequence lose(const protocol::MirrorUnit& unit, const std::string& cause, WhenAdmitted when_admitted);
  void note_unit(LedgerKind kind, const protocol::MirrorUnit& unit, CommitSequence sequence, const std::string& cause);
  void on_written(CommitSequence sequence, Journal::Verdict verdict, protocol::ByteView record, const WhenAdmitted& when_admitted);
  void break_off(const std::string& cause);
  void settle_as(CommitSequence sequence, Sequencer::Settlement settlement);
  // Under mutex_.
  void append(Blocked unit);
  [[nodiscard]] bool has_room_for(std::uint64_t bytes) const;
  void update_applied();
  void note_missing(CommitSequence position);
  void wake_reads(CommitSequence through);

  // mirror_apply.cpp: on an applier's thread.
  void run_applier(const std::stop_token& stop);
  void apply_batch(const std::vector<Sequencer::Unit>& batch, Sessions& sessions, const std::stop_token& stop);
  void apply_group(std::vector<UnitToApply> units, Sessions& sessions, const std::stop_token& stop);
  [[nodiscard]] FollowerSession* session_for(const std::string& database, Sessions& sessions, const std::stop_token& stop);
  [[nodiscard]] FollowerSession* session_now(const std::string& database, Sessions& sessions, const std::stop_token& stop);
  void lose_session(const std::string& database, Sessions& sessions, const std::string& cause);
  [[nodiscard]] bool depends_on_missing(const protocol::MirrorUnit& unit) const;
  void finish(const std::vector<UnitToApply>& units);
  void finish_known(std::vector<UnitToApply>& units, const std::vector<CommitSequence>& known);
  void note_differences(const ApplyReport& report, const std::vector<UnitToApply>& units);
  void set_aside(const UnitToApply& unit, LedgerKind kind, const std::string& cause);
  void give_back(const std::vector<UnitToApply>& units);
  void prune(const std::string& database, FollowerSession& session);
  /// False: asked to stop, or to leave what is not applied.
  bool pause_until(std::chrono::steady_clock::time_point time, const std::stop_token& stop);

  // mirror_phases.cpp
  [[nodiscard]] bool settle_phase(CommitSequence sequence, UnitOutcome outcome);
  void decide_phase(CommitSequence sequence, protocol::PhaseDecision decision, const std::string& cause, bool is_follower_done);
  void finish_phase(CommitSequence sequence, std::unique_lock<std::mutex> lock);
  void note_follower_done(CommitSequence sequence);
  void apply_phased(const UnitToApply& unit, Sessions& sessions, const std::stop_token& stop);
  [[nodiscard]] Preparation prepare_phase(const UnitToApply& unit, Sessions& sessions, std::chrono::steady_clock::time_point deadline,
                                          const std::stop_token& stop, std::string& cause);
  void end_phase(const UnitToApply& unit, protocol::PhaseDecision decision, Sessions& sessions, const std::stop_token& stop);
  [[nodiscard]] bool is_follower_lost() const;
  [[nodiscard]] std::chrono::steady_clock::time_point breaker_pause() const;
  void expire_phases();
  [[nodiscard]] bool end_on_authority(CommitSequence sequence, const protocol::MirrorUnit& unit, routing::Side authority,
                                      std::chrono::milliseconds age, const std::stop_token& stop);
  void take_up_phase(CommitSequence sequence, std::optional<Fate> fate);

  // mirror_watch.cpp
  void run_watch(const std::stop_token& stop);
  /// False: the disk does not take it.
  bool mark_breakage();
  void tell_late();
  void give_space_back();
  void admit_blocked();
  void run_inquiry(const std::stop_token& stop);
  void resolve(CommitSequence sequence, TransactionFate fate, const protocol::MirrorUnit& unit);

  const MirrorOptions options_;
  const std::string name_;
  FollowerDoor& door_;
  telemetry::Log* log_;
  net::FileDescriptor lock_file_;
  StateFile state_;
  Ledger ledger_;
  std::unique_ptr<Journal> journal_;

  std::atomic<std::uint64_t> counter_{0};
  std::atomic<CommitSequence> applied_through_{0};

  mutable std::mutex mutex_;
  std::condition_variable_any ready_;    ///< something may be taken, or the direction has turned
  std::condition_variable_any applied_;  ///< applied_through_ has grown
  std::condition_variable_any watched_;  ///< the watch has something to do
  std::condition_variable_any doubted_;
  Sequencer sequencer_;
  Awaiting awaiting_;
  WaitingReads waiting_reads_;
  Breaker breaker_;
  std::deque<CommitSequence> doubts_;
  std::map<CommitSequence, Phase> phases_;
  Breakage breakage_ = Breakage::none;
  bool is_open_ = false;  ///< until then, and after close(), nothing is recorded
  bool is_leaving_ = false;  ///< nothing is taken to be applied
  std::string break_cause_;
  CommitSequence broken_since_ = 0;
  std::vector<WhenAdmitted> awaiting_mark_;
  std::deque<Blocked> blocked_;
  std::uint64_t blocked_bytes_ = 0;
  routing::Side authority_ = routing::Side::blue;
  std::uint64_t direction_number_ = 0;  ///< grows with each turn: sessions before it are of the other side
  std::string unreachable_cause_;
  std::string stream_text_;
  CommitSequence missing_floor_;  ///< the first position that the follower will not have; the highest number: there is none
  std::map<std::string, CommitSequence> pruned_;  ///< by database
  CommitSequence released_through_ = 0;
  MirrorStatus counts_;  ///< its totals
  ApplyPace pace_;

  std::mutex control_mutex_;  ///< one turn() or accept() at a time; taken before mutex_
  std::vector<std::jthread> threads_;  ///< last: they use all of the above
};

}  // namespace proxy::mirror
