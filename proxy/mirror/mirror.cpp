#include "proxy/mirror/mirror.hpp"

#include "proxy/mirror/unit_reach.hpp"

#include <algorithm>
#include <utility>

namespace proxy::mirror {

using protocol::MirrorUnit;

namespace {

/// Of units that wait for room in the journal, all together; one more is refused.
constexpr std::uint64_t blocked_bytes_max = std::uint64_t{64} << 20;
/// For each of them.
constexpr std::chrono::seconds blocked_time_max{30};

std::chrono::milliseconds now_since_1970() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

CommitSequence Mirror::record(MirrorUnit unit, WhenAdmitted when_admitted) {
  unit.is_two_phase = options_.capture.ack == Acknowledgement::atomic;
  auto encoded = encode_intent(unit);
  if (!encoded) {
    // Too large for the journal: the mirror would have a hole, so the client may not commit it.
    when_admitted(Admittance::refused);
    return 0;
  }
  const std::uint64_t bytes = encoded->size();
  const bool is_barrier = has_barrier(unit);
  bool is_refused = false;
  {
    const std::lock_guard lock(mutex_);
    const bool is_recording = is_open_ && breakage_ == Breakage::none;
    const bool may_wait = options_.on_full == OnFull::block && blocked_bytes_ + bytes <= blocked_bytes_max;
    const bool has_room = is_recording && has_room_for(bytes);
    if (has_room || (is_recording && may_wait)) {
      Blocked taken{tick(), now_since_1970(), *std::move(encoded), std::move(when_admitted), std::chrono::steady_clock::now() + blocked_time_max};
      const CommitSequence sequence = taken.sequence;
      sequencer_.add({sequence, unit.last_write_done, bytes, taken.recorded_at, is_barrier, unit.is_two_phase});
      if (unit.is_two_phase) phases_.try_emplace(sequence);
      ++counts_.units_recorded_total;
      if (has_room) {
        append(std::move(taken));
      } else {
        blocked_bytes_ += bytes;
        blocked_.push_back(std::move(taken));
      }
      return sequence;
    }
    is_refused = !is_open_ || (breakage_ == Breakage::none && options_.on_full == OnFull::block);
  }
  if (is_refused) {
    when_admitted(Admittance::refused);
    return 0;
  }
  break_off("the journal is full");
  return lose(unit, "the mirror is broken off", std::move(when_admitted));
}

/// Whoever came earlier and waits goes first.
bool Mirror::has_room_for(std::uint64_t bytes) const { return blocked_.empty() && journal_->has_room(bytes); }

void Mirror::append(Blocked unit) {
  const CommitSequence sequence = unit.sequence;
  journal_->append_intent(sequence, unit.recorded_at, std::move(unit.record),
                          [this, sequence, when_admitted = std::move(unit.when_admitted)](Journal::Verdict verdict, protocol::ByteView record) {
                            on_written(sequence, verdict, record, when_admitted);
                          });
}

/// The unit will not be on the follower. Its client goes on once that is known durably.
CommitSequence Mirror::lose(const MirrorUnit& unit, const std::string& cause, WhenAdmitted when_admitted) {
  const CommitSequence position = tick();
  note_unit(LedgerKind::unit_lost, unit, position, cause);
  {
    const std::lock_guard lock(mutex_);
    if (breakage_ == Breakage::unmarked) {
      awaiting_mark_.push_back(std::move(when_admitted));
      watched_.notify_one();
      return position;
    }
  }
  when_admitted(Admittance::unmirrored);
  return position;
}

void Mirror::note_unit(LedgerKind kind, const MirrorUnit& unit, CommitSequence sequence, const std::string& cause) {
  for (const TableReach& reach : reach_of(unit)) {
    LedgerEntry entry;
    entry.kind = kind;
    entry.database = unit.database;
    entry.table = reach.table;
    if (reach.keys.size() <= Ledger::keys_max) entry.keys = reach.keys;
    entry.cause = cause;
    entry.first_position = sequence;
    static_cast<void>(ledger_.note(entry, std::chrono::system_clock::now()));
  }
}

/// On the journal's thread.
void Mirror::on_written(CommitSequence sequence, Journal::Verdict verdict, protocol::ByteView record, const WhenAdmitted& when_admitted) {
  if (verdict == Journal::Verdict::safe) {
    when_admitted(Admittance::recorded);
    return;
  }
  auto decoded = decode_record(record);
  if (decoded) note_unit(LedgerKind::unit_lost, std::get<IntentRecord>(*decoded).unit, sequence, "the journal could not be written");
  {
    const std::lock_guard lock(mutex_);
    broken_since_ = std::min(broken_since_, sequence);
    note_missing(sequence);
    phases_.erase(sequence);
    sequencer_.settle(sequence, Sequencer::Settlement::dropped);
    update_applied();
    if (breakage_ == Breakage::unmarked) {
      awaiting_mark_.push_back(when_admitted);
      watched_.notify_one();
      return;
    }
  }
  when_admitted(Admittance::unmirrored);
}

/// From here on nothing is recorded. The watch makes that durable.
void Mirror::break_off(const std::string& cause) {
  const std::lock_guard lock(mutex_);
  if (breakage_ != Breakage::none) return;
  breakage_ = Breakage::unmarked;
  break_cause_ = cause;
  broken_since_ = sequencer_.highest() + 1;
  watched_.notify_one();
}

void Mirror::settle(CommitSequence sequence, UnitOutcome outcome) {
  if (settle_phase(sequence, outcome)) return;
  switch (outcome) {
    case UnitOutcome::committed: settle_as(sequence, Sequencer::Settlement::committed); return;
    case UnitOutcome::rolled_back: settle_as(sequence, Sequencer::Settlement::dropped); return;
    case UnitOutcome::in_doubt: break;
  }
  const std::lock_guard lock(mutex_);
  doubts_.push_back(sequence);
  doubted_.notify_one();
}

void Mirror::settle_as(CommitSequence sequence, Sequencer::Settlement settlement) {
  const bool is_committed = settlement == Sequencer::Settlement::committed;
  {
    const std::lock_guard lock(mutex_);
    if (!sequencer_.settle(sequence, settlement)) return;
    if (!is_committed) {
      ++counts_.units_dropped_total;
      update_applied();
    }
    ready_.notify_one();
  }
  journal_->append_fate({sequence, is_committed ? Fate::committed : Fate::dropped});
}

void Mirror::settle_and_await(CommitSequence sequence, std::function<void(bool)> when_applied) {
  {
    const std::lock_guard lock(mutex_);
    if (awaiting_.is_worth_it() && sequencer_.is_known(sequence)) {
      awaiting_.add(sequence, Awaiting::Clock::now(), std::exchange(when_applied, nullptr));
      watched_.notify_one();
    } else {
      ++counts_.late_acknowledgements_total;
    }
  }
  if (!settle_phase(sequence, UnitOutcome::committed)) settle_as(sequence, Sequencer::Settlement::committed);
  if (when_applied) when_applied(false);
}

void Mirror::update_applied() {
  const CommitSequence finished = sequencer_.finished_through();
  const CommitSequence through = std::min(finished, missing_floor_ - 1);
  if (through == applied_through_.load()) return;
  applied_through_.store(through, std::memory_order_release);
  applied_.notify_all();
  wake_reads(through);
}

void Mirror::note_missing(CommitSequence position) {
  missing_floor_ = std::min(missing_floor_, position);
  wake_reads(all_positions);  // some will never see theirs; they ask again
}

/// Whoever is called only leaves word with its own loop.
void Mirror::wake_reads(CommitSequence through) {
  if (waiting_reads_.empty()) return;
  for (const WaitingReads::WhenDue& when_due : waiting_reads_.take_due(through)) when_due();
}

std::uint64_t Mirror::await_applied(CommitSequence position, std::function<void()> when_due) {
  const std::lock_guard lock(mutex_);
  const bool is_hopeless = !is_open_ || position >= missing_floor_ || breaker_.is_open();
  if (is_hopeless || applied_through_.load() >= position) return 0;
  ++counts_.reads_waited_total;
  return waiting_reads_.add(position, std::move(when_due));
}

void Mirror::stop_waiting(std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  if (waiting_reads_.remove(ticket)) ++counts_.reads_given_up_total;
}

void Mirror::note_unmirrored(Unmirrored unmirrored) {
  LedgerEntry entry;
  entry.kind = LedgerKind::unsafe_statement;
  entry.database = std::move(unmirrored.database);
  entry.fingerprint = unmirrored.fingerprint;
  entry.cause = std::move(unmirrored.reason);
  entry.first_position = counter_.load();
  if (unmirrored.tables.empty()) unmirrored.tables.emplace_back();
  for (const std::string& table : unmirrored.tables) {
    entry.table = table;
    static_cast<void>(ledger_.note(entry, std::chrono::system_clock::now()));
  }
  if (ledger_.is_pending()) watched_.notify_one();
}

MirrorStatus Mirror::status() const {
  const std::uint64_t open_entries = ledger_.open_count();
  const std::uint64_t journal_bytes = journal_->bytes();
  MirrorStatus status;
  const Lag behind = lag();
  {
    const std::lock_guard lock(mutex_);
    status = counts_;
    status.authority = authority_;
    if (breakage_ != Breakage::none) {
      status.state = MirrorState::broken_off;
      status.reason = break_cause_;
    } else if (breaker_.is_open()) {
      status.state = MirrorState::follower_unreachable;
      status.reason = unreachable_cause_;
    }
    status.stop_position = sequencer_.highest();
    status.lag_age_worst = std::max(pace_.worst_age(), behind.age);
    status.units_per_second = pace_.units_per_second();
  }
  status.applied_through = applied_through();
  status.lag = behind;
  status.journal_bytes = journal_bytes;
  status.journal_bytes_max = options_.journal_bytes_max;
  status.ledger_open = open_entries;
  return status;
}

routing::Side Mirror::authority() const {
  const std::lock_guard lock(mutex_);
  return authority_;
}

CommitSequence Mirror::stop_position() const {
  const std::lock_guard lock(mutex_);
  return sequencer_.highest();
}

bool Mirror::wait_applied(CommitSequence position, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return applied_.wait_until(lock, deadline, [&] { return applied_through_.load() >= position; });
}

Lag Mirror::lag() const {
  const std::lock_guard lock(mutex_);
  Lag lag{sequencer_.unfinished_units(), sequencer_.unfinished_bytes(), {}};
  if (const auto oldest = sequencer_.oldest_recorded_at()) {
    lag.age = std::max(std::chrono::milliseconds(0), now_since_1970() - *oldest);
  }
  return lag;
}

}  // namespace proxy::mirror
