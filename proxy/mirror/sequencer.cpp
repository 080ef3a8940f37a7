#include "proxy/mirror/sequencer.hpp"

#include <algorithm>

namespace proxy::mirror {

void Sequencer::add(const Unit& unit) {
  entries_.push_back({unit, State::unsettled});
  highest_ = unit.sequence;
  ++unfinished_units_;
  unfinished_bytes_ += unit.bytes;
}

std::size_t Sequencer::position_of(CommitSequence sequence) const {
  const auto place = std::lower_bound(entries_.begin(), entries_.end(), sequence,
                                      [](const Entry& entry, CommitSequence wanted) { return entry.unit.sequence < wanted; });
  if (place == entries_.end() || place->unit.sequence != sequence) return entries_.size();
  return static_cast<std::size_t>(place - entries_.begin());
}

bool Sequencer::settle(CommitSequence sequence, Settlement settlement) {
  const std::size_t position = position_of(sequence);
  if (position == entries_.size() || entries_[position].state != State::unsettled) return false;
  if (settlement == Settlement::dropped) {
    close(entries_[position]);
    return true;
  }
  entries_[position].state = State::ready;
  return true;
}

std::vector<Sequencer::Unit> Sequencer::take(std::size_t count_max, std::uint64_t bytes_max) {
  std::vector<Unit> taken;
  const std::size_t end = std::min(entries_.size(), look_ahead_max);
  std::optional<CommitSequence> first_other;  // the first that is unfinished and not taken here
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < end && taken.size() < count_max && bytes <= bytes_max; ++i) {
    Entry& entry = entries_[i];
    if (entry.state == State::finished) continue;
    if (entry.unit.is_barrier) {
      // Whatever is taken or unfinished before it comes first.
      if (entry.state != State::ready || first_other || !taken.empty()) break;
      entry.state = State::running;
      taken.push_back(entry.unit);
      break;
    }
    const bool is_free = !first_other || *first_other > entry.unit.last_write_done;
    const bool has_company = !taken.empty() && (entry.unit.is_alone || taken.back().is_alone);
    if (entry.state == State::ready && is_free && !has_company) {
      bytes += entry.unit.bytes;
      entry.state = State::running;
      taken.push_back(entry.unit);
      continue;
    }
    if (!first_other) first_other = entry.unit.sequence;
  }
  return taken;
}

void Sequencer::finish(CommitSequence sequence) {
  const std::size_t position = position_of(sequence);
  if (position < entries_.size() && entries_[position].state != State::finished) close(entries_[position]);
}

bool Sequencer::take_out(CommitSequence sequence) {
  const std::size_t position = position_of(sequence);
  if (position == entries_.size() || entries_[position].state != State::ready) return false;
  entries_[position].state = State::running;
  return true;
}

void Sequencer::give_back(CommitSequence sequence) {
  const std::size_t position = position_of(sequence);
  if (position == entries_.size() || entries_[position].state != State::running) return;
  entries_[position].state = State::ready;
}

std::vector<Sequencer::Remaining> Sequencer::remaining() const {
  std::vector<Remaining> found;
  for (const Entry& entry : entries_) {
    if (entry.state != State::finished) found.push_back({entry.unit.sequence, entry.state != State::unsettled});
  }
  return found;
}

std::uint64_t Sequencer::running_units() const {
  return static_cast<std::uint64_t>(std::ranges::count(entries_, State::running, &Entry::state));
}

void Sequencer::close(Entry& entry) {
  entry.state = State::finished;
  --unfinished_units_;
  unfinished_bytes_ -= entry.unit.bytes;
  while (!entries_.empty() && entries_.front().state == State::finished) entries_.pop_front();
}

CommitSequence Sequencer::finished_through() const {
  return entries_.empty() ? highest_ : entries_.front().unit.sequence - 1;
}

std::optional<std::chrono::milliseconds> Sequencer::oldest_recorded_at() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.front().unit.recorded_at;
}

std::optional<std::chrono::milliseconds> Sequencer::recorded_at(CommitSequence sequence) const {
  const std::size_t position = position_of(sequence);
  if (position == entries_.size()) return std::nullopt;
  return entries_[position].unit.recorded_at;
}

}  // namespace proxy::mirror
