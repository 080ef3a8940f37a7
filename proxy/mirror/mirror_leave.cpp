#include "proxy/mirror/mirror.hpp"

#include <utility>

// How the mirror turns round in an incident, when what is not applied cannot be waited for.
namespace proxy::mirror {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Status;

namespace {

constexpr const char* left_cause = "committed on the side that had the authority, and not on the one that it was moved to at once";
constexpr const char* open_cause = "nobody knows whether the side that had the authority committed it when that was moved at once";

}  // namespace

/// What an applier has in its hands may still get there: it is waited for, for a while; whatever remains is told in the ledger.
Status Mirror::turn_at_once(routing::Side new_authority, std::chrono::steady_clock::time_point deadline) {
  const std::lock_guard control_lock(control_mutex_);
  std::vector<Sequencer::Remaining> left;
  {
    std::unique_lock lock(mutex_);
    if (!is_open_) return failure(ErrorCode::configuration_invalid, Blame::operator_, "the mirror is not open");
    if (authority_ == new_authority) return {};
    is_leaving_ = true;
    ready_.notify_all();
    ready_.wait_until(lock, deadline, [this] { return sequencer_.running_units() == 0; });
    left = sequencer_.remaining();
  }
  Status left_behind = leave(left, new_authority);
  if (!left_behind) {
    // Nothing may go to the side that has the authority now, and what is written there is not recorded.
    break_off("it could not turn round when the authority was moved at once: " + left_behind.error().detail);
    return left_behind;
  }
  const std::lock_guard lock(mutex_);
  is_leaving_ = false;
  ready_.notify_all();
  return left_behind;
}

/// Told durably first, then the sides change.
Status Mirror::leave(const std::vector<Sequencer::Remaining>& left, routing::Side new_authority) {
  for (const Sequencer::Remaining& each : left) {
    const char* const cause = each.is_settled ? left_cause : open_cause;
    const auto intent = journal_->read_intent(each.sequence);
    protocol::MirrorUnit unknown;
    unknown.items.emplace_back().statement.emplace();
    note_unit(LedgerKind::left_behind, intent ? intent->unit : unknown, each.sequence, cause);
    journal_->append_fate({each.sequence, Fate::set_aside});
  }
  if (Status written = ledger_.flush(Ledger::Extent::all); !written) return written;
  std::vector<WhenDecided> undecided;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [sequence, phase] : phases_) {
      if (phase.when_decided) undecided.push_back(std::move(phase.when_decided));
    }
    phases_.clear();
  }
  for (const WhenDecided& when_decided : undecided) when_decided(protocol::PhaseDecision::roll_back, "the authority is moved at once");
  const std::lock_guard lock(mutex_);
  for (const Sequencer::Remaining& each : left) sequencer_.drop(each.sequence);
  counts_.units_set_aside_total += left.size();
  doubts_.clear();
  StateFile::State state = state_.state();
  state.authority = new_authority;
  state.highest = counter_;
  state.finished_through = sequencer_.finished_through();
  if (Status written = state_.write(state); !written) return written;
  authority_ = new_authority;
  ++direction_number_;
  pruned_.clear();
  update_applied();
  return {};
}

}  // namespace proxy::mirror
