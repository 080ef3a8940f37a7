#include "proxy/cli/demo/load_ledger.hpp"

#include <algorithm>
#include <utility>

namespace proxy::cli {
namespace {

void add(LoadCounts& counts, WorkKind kind, routing::Side side, std::chrono::microseconds took) {
  switch (kind) {
    case WorkKind::read:
    case WorkKind::read_transaction: ++counts.reads[side]; break;
    case WorkKind::write: ++counts.writes[side]; break;
    case WorkKind::own_read: ++counts.own_reads[side]; break;
  }
  counts.worst = std::max(counts.worst, took);
}

std::chrono::microseconds since(std::chrono::steady_clock::time_point before, std::chrono::steady_clock::time_point now) {
  return std::chrono::duration_cast<std::chrono::microseconds>(now - before);
}

}  // namespace

double LoadCounts::green_read_share() const {
  if (read_count() == 0) return 0;
  return 100.0 * static_cast<double>(reads[routing::Side::green]) / static_cast<double>(read_count());
}

void LoadLedger::enter_phase(std::size_t phase) {
  const std::lock_guard lock(mutex_);
  phase_ = std::min(phase, phase_count_max - 1);
}

void LoadLedger::leave_phase() {
  const std::lock_guard lock(mutex_);
  phase_.reset();
}

LoadLedger::Phase LoadLedger::phase() const {
  const std::lock_guard lock(mutex_);
  return phase_;
}

void LoadLedger::note_success(WorkKind kind, routing::Side side, std::chrono::microseconds took, Phase began_in) {
  const std::lock_guard lock(mutex_);
  add(total_, kind, side, took);
  add(interval_, kind, side, took);
  if (phase_ && phase_ == began_in) add(phases_[*phase_], kind, side, took);
  stall_.longest = std::max(stall_.longest, took);
  if (kind != WorkKind::write) return;
  const auto now = std::chrono::steady_clock::now();
  stall_.silence = std::max(stall_.silence, since(last_write_at_, now));
  last_write_at_ = now;
}

void LoadLedger::watch_stalls() {
  const std::lock_guard lock(mutex_);
  stall_ = {};
  if (total_.write_count() == 0) last_write_at_ = std::chrono::steady_clock::now();
}

Stall LoadLedger::stall() const {
  const std::lock_guard lock(mutex_);
  Stall felt = stall_;
  felt.silence = std::max(felt.silence, since(last_write_at_, std::chrono::steady_clock::now()));
  return felt;
}

void LoadLedger::note_trouble(std::string what, std::uint64_t LoadCounts::* member) {
  const std::lock_guard lock(mutex_);
  ++(total_.*member);
  ++(interval_.*member);
  if (phase_) ++(phases_[*phase_].*member);
  if (first_trouble_.empty()) first_trouble_ = std::move(what);
}

void LoadLedger::note_error(std::string what) { note_trouble(std::move(what), &LoadCounts::errors); }
void LoadLedger::note_drop(std::string what) { note_trouble(std::move(what), &LoadCounts::dropped); }

LoadCounts LoadLedger::take_interval() {
  const std::lock_guard lock(mutex_);
  return std::exchange(interval_, LoadCounts{});
}

LoadCounts LoadLedger::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

LoadCounts LoadLedger::of_phase(std::size_t phase) const {
  const std::lock_guard lock(mutex_);
  return phases_.at(phase);
}

std::string LoadLedger::first_trouble() const {
  const std::lock_guard lock(mutex_);
  return first_trouble_;
}

}  // namespace proxy::cli
