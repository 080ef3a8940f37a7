#include "tests/sim/sim_mirror.hpp"

#include <algorithm>
#include <utility>

namespace sim {

using proxy::mirror::Admittance;
using proxy::mirror::Sequencer;
using proxy::mirror::UnitOutcome;
using std::chrono::microseconds;

namespace {

constexpr std::size_t appliers = 3;
constexpr std::uint64_t no_bound = 1 << 30;
/// About what a message takes to a server and back.
constexpr microseconds round_trip{2'000};

std::vector<RowStore::Put> puts_of(std::uint64_t handle, const protocol::MirrorUnit& unit) {
  std::vector<RowStore::Put> puts;
  for (const protocol::UnitItem& item : unit.items) {
    for (const auto& old_key : item.rows->old_keys) puts.push_back({handle, old_key[0].value_or(""), "moved"});
    for (const auto& row : item.rows->rows) puts.push_back({handle, row[0].value_or(""), row[1].value_or("")});
  }
  return puts;
}

}  // namespace

SimMirror::SimMirror(MirrorDisk& disk, routing::PerSide<RowStore>& stores, test_support::SimLoop& loop, model::Random& random,
                     const Nature& nature)
    : disk_(disk), stores_(stores), loop_(loop), random_(random), nature_(nature), counter_(disk.highest) {
  sequencer_.begin_at(counter_);
  for (const auto& [handle, intent] : disk_.intents) {
    add(handle, intent.unit);
    const UnitOutcome outcome = intent.outcome.value_or(UnitOutcome::in_doubt);
    outcome == UnitOutcome::in_doubt ? inquire(handle) : settle(handle, outcome);
  }
}

void SimMirror::after(microseconds span, std::function<void()> work) {
  timers_.push_back(loop_.make_timer([this, work = std::move(work)] {
    if (!is_dead_) work();
  }));
  timers_.back()->arm(loop_.now() + span);
}

std::uint64_t SimMirror::tick() {
  ++counter_;
  counted_[loop_.now()] = counter_;
  if (nature_.reading != CounterReading::write_too_early) return counter_;
  const auto next = counted_.upper_bound(loop_.now() - round_trip);
  return next == counted_.begin() ? 0 : std::prev(next)->second;
}

proxy::mirror::CommitSequence SimMirror::record(protocol::MirrorUnit unit, std::function<void(Admittance)> when_admitted) {
  if (is_dead_) return 0;
  if (is_full_ && nature_.breaks_when_full) disk_.is_broken = true;
  if (disk_.is_broken || is_full_) {
    if (disk_.is_broken) {
      for (const RowStore::Put& put : puts_of(0, unit)) disk_.ledger.insert(put.key);
    }
    when_admitted(disk_.is_broken ? Admittance::unmirrored : Admittance::refused);
    return 0;
  }
  const CommitSequence handle = ++counter_;
  counted_[loop_.now()] = counter_;
  units_[handle] = unit;
  if (nature_.reading != CounterReading::commit_too_late) add(handle, unit);
  pending_.push_back({handle, std::move(when_admitted)});
  flush_soon();
  return handle;
}

void SimMirror::add(CommitSequence handle, const protocol::MirrorUnit& unit) {
  Sequencer::Unit made;
  made.sequence = nature_.reading == CounterReading::commit_too_late ? ++counter_ : handle;
  made.last_write_done = unit.last_write_done;
  made.bytes = 1;
  units_[handle] = unit;
  handles_[made.sequence] = handle;
  sequencer_.add(made);
}

void SimMirror::flush_soon() {
  if (std::exchange(is_flush_due_, true)) return;
  after(microseconds(random_.between(20, 600)), [this] { flush(); });
}

/// One fdatasync for all that wait.
void SimMirror::flush() {
  is_flush_due_ = false;
  for (const auto& [handle, outcome] : std::exchange(outcomes_, {})) {
    const auto intent = disk_.intents.find(handle);
    if (intent != disk_.intents.end()) intent->second.outcome = outcome;
  }
  for (Pending& pending : std::exchange(pending_, {})) {
    if (const auto unit = units_.find(pending.sequence); unit != units_.end()) disk_.intents[pending.sequence] = {unit->second, {}};
    disk_.highest = std::max(disk_.highest, counter_);
    pending.when_admitted(Admittance::recorded);
  }
}

void SimMirror::settle(CommitSequence sequence, UnitOutcome outcome) {
  if (is_dead_) return;
  if (outcome == UnitOutcome::in_doubt) return inquire(sequence);
  outcomes_[sequence] = outcome;
  flush_soon();
  if (nature_.reading == CounterReading::commit_too_late && outcome == UnitOutcome::committed) add(sequence, units_.at(sequence));
  for (const auto& [number, handle] : handles_) {
    if (handle != sequence) continue;
    static_cast<void>(sequencer_.settle(number, outcome == UnitOutcome::committed ? Sequencer::Settlement::committed : Sequencer::Settlement::dropped));
    break;
  }
  tell_reads();
  pump();
}

void SimMirror::settle_and_await(CommitSequence sequence, std::function<void(bool)> when_applied) {
  settle(sequence, UnitOutcome::committed);
  when_applied(false);
}

/// Asks the authority how the transaction ended, until it has.
void SimMirror::inquire(CommitSequence handle) {
  after(microseconds(random_.between(200, 3'000)), [this, handle] {
    const auto id = std::stoull(units_.at(handle).transaction_id);
    switch (stores_[disk_.authority].fate_of(id)) {
      case RowStore::Fate::in_progress: return inquire(handle);
      case RowStore::Fate::committed: return settle(handle, UnitOutcome::committed);
      case RowStore::Fate::aborted: return settle(handle, UnitOutcome::rolled_back);
    }
  });
}

proxy::mirror::CommitSequence SimMirror::applied_through() const { return sequencer_.finished_through(); }

std::uint64_t SimMirror::await_applied(CommitSequence position, std::function<void()> when_due) {
  if (is_dead_ || !is_follower_up_ || applied_through() >= position) return 0;
  ++reads_waited_;
  return waiting_.add(position, std::move(when_due));
}

void SimMirror::tell_reads() {
  for (const auto& when_due : waiting_.take_due(applied_through())) when_due();
}

void SimMirror::note_unmirrored(proxy::mirror::Unmirrored) { ++surprises_; }

void SimMirror::set_reachable(const routing::PerSide<bool>& is_up) {
  is_follower_up_ = is_up[routing::other(disk_.authority)];
  if (!is_follower_up_) {
    for (const auto& when_due : waiting_.take_due(~CommitSequence{0})) when_due();
  }
  pump();
}

void SimMirror::pump() {
  while (!is_dead_ && is_follower_up_ && running_ < appliers) {
    const std::vector<Sequencer::Unit> batch = sequencer_.take(random_.between(1, 3), no_bound);
    if (batch.empty()) return;
    ++running_;
    after(microseconds(random_.between(100, static_cast<std::size_t>(apply_time_max_.count()))), [this, batch] { end_batch(batch); });
  }
}

/// The follower's transaction: done, or not, or done and nobody heard of it.
void SimMirror::end_batch(const std::vector<Sequencer::Unit>& batch) {
  --running_;
  const bool is_cut = random_.chance(nature_.cut_percent);
  const bool is_lost = !is_follower_up_ || (is_cut && random_.chance(50));
  std::vector<RowStore::Put> puts;
  for (const Sequencer::Unit& unit : batch) {
    const CommitSequence handle = handles_.at(unit.sequence);
    std::ranges::copy(puts_of(handle, units_.at(handle)), std::back_inserter(puts));
  }
  const bool is_done = !is_lost && stores_[routing::other(disk_.authority)].apply(puts);
  for (const Sequencer::Unit& unit : batch) {
    if (!is_done || is_cut) {
      sequencer_.give_back(unit.sequence);
      continue;
    }
    const CommitSequence handle = handles_.at(unit.sequence);
    sequencer_.finish(unit.sequence);
    handles_.erase(unit.sequence);
    units_.erase(handle);
    if (random_.chance(50)) disk_.intents.erase(handle);  // else later
  }
  tell_reads();
  after(microseconds(random_.between(1, 500)), [this] { pump(); });
}

}  // namespace sim
