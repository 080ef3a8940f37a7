#include "proxy/mirror/mirror.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

// The mirror's clock, and its questions to the authority.
namespace proxy::mirror {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds watch_interval{200};
constexpr std::chrono::milliseconds ledger_interval{1'000};
constexpr std::chrono::milliseconds inquiry_pause_first{20};
constexpr std::chrono::milliseconds inquiry_pause_max{2'000};

}  // namespace

void Mirror::run_watch(const std::stop_token& stop) {
  Clock::time_point ledger_due = Clock::now() + ledger_interval;
  bool is_disk_ill = false;  // what is urgent is tried again, but not at once
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      const Clock::time_point usual = Clock::now() + watch_interval;
      const Clock::time_point due = std::min(usual, awaiting_.next_deadline().value_or(usual));
      watched_.wait_until(lock, stop, due, [&] {
        return !is_disk_ill && (breakage_ == Breakage::unmarked || ledger_.is_pending());
      });
    }
    {
      const Lag behind = lag();
      const std::lock_guard lock(mutex_);
      pace_.look(Clock::now(), counts_.units_applied_total, behind.units, behind.age);
    }
    is_disk_ill = !mark_breakage();
    tell_late();
    expire_phases();
    const bool is_due = Clock::now() >= ledger_due;
    if (is_due) ledger_due = Clock::now() + ledger_interval;
    if (const protocol::Status written = ledger_.flush(is_due ? Ledger::Extent::all : Ledger::Extent::pending); !written) {
      break_off("the ledger cannot be written");
      is_disk_ill = true;
      continue;
    }
    give_space_back();
    admit_blocked();
  }
}

/// That the mirror is broken off is written where nothing needs room; then those who wait for it may go on.
bool Mirror::mark_breakage() {
  std::vector<WhenAdmitted> waiting;
  std::string cause;
  StateFile::State state = state_.state();
  {
    const std::lock_guard lock(mutex_);
    if (breakage_ != Breakage::unmarked) return true;
    waiting = std::exchange(awaiting_mark_, {});
    cause = break_cause_;
    state.broken_since = broken_since_;
  }
  const bool was_noted = ledger_.has_open(LedgerKind::broken_off);
  if (!was_noted) note_whole(LedgerKind::broken_off, cause, state.broken_since);
  static_cast<void>(ledger_.flush(Ledger::Extent::pending));
  const protocol::Status written = state_.write(state);
  if (log_ != nullptr && !was_noted) {
    log_->write(telemetry::LogLevel::error, "the mirror is broken off: what is written from now on is not on the follower",
                {{"pair", std::string_view(name_)}, {"position", state.broken_since}, {"cause", std::string_view(cause)}});
  }
  {
    const std::lock_guard lock(mutex_);
    note_missing(broken_since_);
    update_applied();
    if (written && broken_since_ >= state.broken_since) breakage_ = Breakage::marked;
    if (written) std::ranges::move(std::exchange(awaiting_mark_, {}), std::back_inserter(waiting));
  }
  for (const WhenAdmitted& when_admitted : waiting) when_admitted(written ? Admittance::unmirrored : Admittance::refused);
  return written.has_value();
}

void Mirror::tell_late() {
  std::vector<Awaiting::Late> late;
  {
    const std::lock_guard lock(mutex_);
    late = awaiting_.take_late(Clock::now());
    counts_.late_acknowledgements_total += late.size();
  }
  for (const Awaiting::Late& each : late) {
    LedgerEntry entry;
    entry.kind = LedgerKind::acknowledged_late;
    entry.cause = "the client was answered before the follower had its unit";
    entry.first_position = each.sequence;
    static_cast<void>(ledger_.note(entry, std::chrono::system_clock::now()));
    each.when_applied(false);
  }
  const CommitSequence through = applied_through();
  for (const LedgerEntry& entry : late.empty() ? ledger_.entries(Extent::open) : std::vector<LedgerEntry>()) {
    // The follower has all of them now: that is proof.
    if (entry.kind != LedgerKind::acknowledged_late || entry.last_position > through) continue;
    static_cast<void>(ledger_.close(entry.id, "mirror", std::chrono::system_clock::now()));
  }
}

/// After the ledger has been written: a segment goes only when the fate of everything in it is durable somewhere.
void Mirror::give_space_back() {
  CommitSequence finished = 0;
  {
    const std::lock_guard lock(mutex_);
    finished = sequencer_.finished_through();
    if (finished == released_through_ || breakage_ == Breakage::unmarked) return;
  }
  if (ledger_.is_pending()) return;
  journal_->release_through(finished);
  {
    const std::lock_guard lock(mutex_);
    released_through_ = finished;
  }
}

/// With `on_full: block`: in their order, as far as there is room; whose time is over, or when nothing is recorded any more, is refused.
void Mirror::admit_blocked() {
  std::vector<WhenAdmitted> refused;
  {
    const std::lock_guard lock(mutex_);
    const bool is_recording = is_open_ && breakage_ == Breakage::none;
    while (!blocked_.empty()) {
      Blocked& first = blocked_.front();
      const bool has_room = is_recording && journal_->has_room(first.record.size());
      if (!has_room && is_recording && first.deadline > Clock::now()) break;
      blocked_bytes_ -= first.record.size();
      if (has_room) {
        append(std::move(first));
      } else {
        phases_.erase(first.sequence);
        sequencer_.settle(first.sequence, Sequencer::Settlement::dropped);
        refused.push_back(std::move(first.when_admitted));
      }
      blocked_.pop_front();
    }
    update_applied();
  }
  for (const WhenAdmitted& when_admitted : refused) when_admitted(Admittance::refused);
}

void Mirror::run_inquiry(const std::stop_token& stop) {
  std::chrono::milliseconds pause = inquiry_pause_first;
  while (!stop.stop_requested()) {
    CommitSequence sequence = 0;
    routing::Side authority{};
    {
      std::unique_lock lock(mutex_);
      doubted_.wait(lock, stop, [this] { return !doubts_.empty(); });
      if (doubts_.empty()) return;
      sequence = doubts_.front();
      doubts_.pop_front();
      authority = authority_;
    }
    const auto intent = journal_->read_intent(sequence);
    if (!intent) {
      protocol::MirrorUnit unknown;
      unknown.items.emplace_back().statement.emplace();
      resolve(sequence, TransactionFate::unknown, unknown);
      continue;
    }
    protocol::Result<TransactionFate> fate = TransactionFate::unknown;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now) - intent->recorded_at;
    if (intent->unit.is_two_phase) {
      if (end_on_authority(sequence, intent->unit, authority, age, stop)) {
        pause = inquiry_pause_first;
        continue;
      }
      fate = TransactionFate::in_progress;
    } else if (!intent->unit.transaction_id.empty()) {
      fate = door_.fate_of(authority, intent->unit, age, stop);
    }
    if (fate && *fate != TransactionFate::in_progress) {
      pause = inquiry_pause_first;
      resolve(sequence, *fate, intent->unit);
      continue;
    }
    std::unique_lock lock(mutex_);
    doubts_.push_back(sequence);
    doubted_.wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(2 * pause, inquiry_pause_max);
  }
}

void Mirror::resolve(CommitSequence sequence, TransactionFate fate, const protocol::MirrorUnit& unit) {
  switch (fate) {
    case TransactionFate::committed: return settle_as(sequence, Sequencer::Settlement::committed);
    case TransactionFate::aborted: return settle_as(sequence, Sequencer::Settlement::dropped);
    case TransactionFate::in_progress:
    case TransactionFate::unknown: break;
  }
  note_unit(LedgerKind::in_doubt, unit, sequence, "the authority does not know any more how the transaction ended");
  journal_->append_fate({sequence, Fate::set_aside});
  const std::lock_guard lock(mutex_);
  note_missing(sequence);
  sequencer_.settle(sequence, Sequencer::Settlement::dropped);
  ++counts_.units_set_aside_total;
  update_applied();
  ready_.notify_one();
}

}  // namespace proxy::mirror
