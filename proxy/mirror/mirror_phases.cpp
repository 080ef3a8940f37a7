#include "proxy/mirror/mirror.hpp"

#include <algorithm>
#include <utility>

// `ack: atomic`: both sides prepare a unit's transaction, the decision goes to the journal, and both carry it out. A unit is finished
// when both have. Without a decision in the journal nobody has committed anything, so a process that finds none rolls back.
namespace proxy::mirror {

using protocol::PhaseDecision;
using Clock = std::chrono::steady_clock;
using Verdict = ApplyReport::Verdict;

namespace {

constexpr std::chrono::milliseconds retry_pause{5};
constexpr std::chrono::milliseconds end_pause{200};

}  // namespace

std::string Mirror::phase_name(CommitSequence sequence) const { return "crossfade_" + stream_text_ + "_" + std::to_string(sequence); }

void Mirror::settle_prepared(CommitSequence sequence, WhenDecided when_decided) {
  {
    const std::lock_guard lock(mutex_);
    const auto place = phases_.find(sequence);
    const bool is_possible = place != phases_.end() && is_open_ && breakage_ == Breakage::none && !is_leaving_ && !is_follower_lost();
    if (is_possible) {
      place->second.stage = Phase::Stage::prepared;
      place->second.when_decided = std::move(when_decided);
      place->second.deadline = Clock::now() + options_.ack_timeout;
      sequencer_.settle(sequence, Sequencer::Settlement::committed);
      ready_.notify_one();
      return;
    }
    if (place != phases_.end()) {
      place->second.stage = Phase::Stage::decided;
      place->second.is_follower_done = true;
    }
  }
  when_decided(PhaseDecision::roll_back, "the other side cannot be reached, or the mirror is broken off or turns round");
}

/// The follower is away, and an applier that must end something there finds out when it is back. Under mutex_.
bool Mirror::is_follower_lost() const {
  return breaker_.is_open() && std::ranges::any_of(phases_, [](const auto& each) {
           return each.second.stage == Phase::Stage::decided && !each.second.is_follower_done;
         });
}

/// False: the unit is not in phases, or nothing of it was prepared.
bool Mirror::settle_phase(CommitSequence sequence, UnitOutcome outcome) {
  std::unique_lock lock(mutex_);
  const auto place = phases_.find(sequence);
  if (place == phases_.end()) return false;
  Phase& phase = place->second;
  if (outcome == UnitOutcome::in_doubt) {
    phase.when_decided = nullptr;
    if (phase.stage == Phase::Stage::prepared) {
      phase.is_orphaned = true;  // the decision is on its way; then the authority is told by us
      return true;
    }
    if (phase.stage == Phase::Stage::recorded) {
      phase.stage = Phase::Stage::decided;
      phase.is_follower_done = true;  // it has never heard of it
    }
    doubts_.push_back(sequence);
    doubted_.notify_one();
    return true;
  }
  if (phase.stage == Phase::Stage::recorded) {
    phases_.erase(place);
    return false;
  }
  phase.is_authority_done = true;
  finish_phase(sequence, std::move(lock));
  return true;
}

void Mirror::decide_phase(CommitSequence sequence, PhaseDecision decision, const std::string& cause, bool is_follower_done) {
  WhenDecided when_decided;
  {
    std::unique_lock lock(mutex_);
    const auto place = phases_.find(sequence);
    if (place == phases_.end()) return;
    Phase& phase = place->second;
    phase.stage = Phase::Stage::decided;
    phase.decision = decision;
    phase.is_follower_done = is_follower_done;
    when_decided = std::exchange(phase.when_decided, nullptr);
    if (phase.is_orphaned) {
      doubts_.push_back(sequence);
      doubted_.notify_one();
    }
    if (decision == PhaseDecision::roll_back) ++counts_.units_refused_total;
  }
  if (when_decided) when_decided(decision, cause);
}

/// Once both sides are done. `lock` holds mutex_, and is given up.
void Mirror::finish_phase(CommitSequence sequence, std::unique_lock<std::mutex> lock) {
  const auto place = phases_.find(sequence);
  if (place == phases_.end() || !place->second.is_authority_done || !place->second.is_follower_done) return;
  const Phase phase = std::move(place->second);
  phases_.erase(place);
  if (phase.decision == PhaseDecision::commit && !phase.is_missing) {
    lock.unlock();
    finish({UnitToApply{sequence, {}}});
    return;
  }
  if (phase.is_missing) note_missing(sequence);
  sequencer_.finish(sequence);
  phase.is_missing ? ++counts_.units_set_aside_total : ++counts_.units_dropped_total;
  update_applied();
  is_leaving_ ? ready_.notify_all() : ready_.notify_one();
  const Awaiting::WhenApplied when_applied = awaiting_.take(sequence, std::chrono::milliseconds::max());
  lock.unlock();
  journal_->append_fate({sequence, phase.is_missing ? Fate::set_aside : Fate::dropped});
  if (when_applied) when_applied(false);
}

void Mirror::note_follower_done(CommitSequence sequence) {
  std::unique_lock lock(mutex_);
  const auto place = phases_.find(sequence);
  if (place == phases_.end()) return;
  place->second.is_follower_done = true;
  finish_phase(sequence, std::move(lock));
}

Clock::time_point Mirror::breaker_pause() const {
  const std::lock_guard lock(mutex_);
  return breaker_.next_try();
}

/// On an applier's thread.
void Mirror::apply_phased(const UnitToApply& unit, Sessions& sessions, const std::stop_token& stop) {
  std::optional<PhaseDecision> decision;
  Clock::time_point deadline;
  {
    const std::lock_guard lock(mutex_);
    const auto place = phases_.find(unit.sequence);
    if (place == phases_.end()) return;
    if (place->second.stage == Phase::Stage::decided) decision = place->second.decision;
    deadline = place->second.deadline;
  }
  if (!decision) {
    std::string cause;
    const Preparation preparation = prepare_phase(unit, sessions, deadline, stop, cause);
    decision = PhaseDecision::roll_back;
    if (preparation == Preparation::done) {
      journal_->append_fate({unit.sequence, Fate::committed});
      if (journal_->flush()) decision = PhaseDecision::commit;
      if (*decision == PhaseDecision::roll_back) cause = "the journal could not be written";
    }
    const bool is_untouched = preparation == Preparation::none;
    decide_phase(unit.sequence, *decision, cause, is_untouched);
    if (is_untouched) {
      note_follower_done(unit.sequence);
      return;
    }
  }
  end_phase(unit, *decision, sessions, stop);
}

Mirror::Preparation Mirror::prepare_phase(const UnitToApply& unit, Sessions& sessions, Clock::time_point deadline,
                                          const std::stop_token& stop, std::string& cause) {
  cause = "the other side did not prepare it in time";
  Preparation without = Preparation::none;  // what is left there when it does not come about
  while (Clock::now() < deadline) {
    FollowerSession* const session = session_now(unit.unit.database, sessions, stop);
    if (session == nullptr) {
      cause = "the other side cannot be reached";
      return without;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const ApplyReport report = session->prepare_phase(unit, phase_name(unit.sequence), std::max(left, std::chrono::milliseconds(1)));
    switch (report.verdict) {
      case Verdict::applied:
        if (report.differences.empty()) return Preparation::done;
        note_differences(report, {unit});
        cause = "the other side had another number of rows";
        return Preparation::uncertain;
      case Verdict::known: return Preparation::uncertain;
      case Verdict::unreachable:
        // Perhaps since long, of an idle connection. What may still be on its way there holds the identity, so it cannot be prepared twice.
        lose_session(unit.unit.database, sessions, report.cause);
        without = Preparation::uncertain;
        if (!pause_until(breaker_pause(), stop)) return without;
        break;
      case Verdict::refused: cause = report.cause; return without;
      case Verdict::again:
        cause = report.cause;
        if (!pause_until(Clock::now() + retry_pause, stop)) return without;
        break;
    }
  }
  return without;
}

/// Until the follower has carried it out, however long it is away.
void Mirror::end_phase(const UnitToApply& unit, PhaseDecision decision, Sessions& sessions, const std::stop_token& stop) {
  bool is_told = false;
  while (true) {
    FollowerSession* const session = session_for(unit.unit.database, sessions, stop);
    if (session == nullptr) return give_back({unit});
    const ApplyReport report = session->end_phase(unit.sequence, phase_name(unit.sequence), decision);
    if (report.verdict == Verdict::applied) break;
    if (report.verdict == Verdict::unreachable) {
      lose_session(unit.unit.database, sessions, report.cause);
      continue;
    }
    if (report.verdict == Verdict::refused && decision == PhaseDecision::commit) {
      note_unit(LedgerKind::unit_failed, unit.unit, unit.sequence, report.cause);
      const std::lock_guard lock(mutex_);
      const auto place = phases_.find(unit.sequence);
      if (place != phases_.end()) place->second.is_missing = true;
      break;
    }
    if (log_ != nullptr && !std::exchange(is_told, true)) {
      log_->write(telemetry::LogLevel::warning, "the follower does not end what it has prepared",
                  {{"pair", std::string_view(name_)}, {"position", unit.sequence}, {"cause", std::string_view(report.cause)}});
    }
    if (!pause_until(Clock::now() + end_pause, stop)) return give_back({unit});
  }
  note_follower_done(unit.sequence);
}

/// What no applier could take in its time: on the watch's thread.
void Mirror::expire_phases() {
  std::vector<CommitSequence> late;
  {
    const std::lock_guard lock(mutex_);
    const bool is_broken = breakage_ != Breakage::none;
    for (const auto& [sequence, phase] : phases_) {
      const bool is_late = phase.stage == Phase::Stage::prepared && (is_broken || phase.deadline <= Clock::now());
      if (is_late && sequencer_.take_out(sequence)) late.push_back(sequence);
    }
  }
  for (const CommitSequence sequence : late) {
    decide_phase(sequence, PhaseDecision::roll_back, "the other side did not prepare it in time", true);
    note_follower_done(sequence);
  }
}

/// Whose session has gone: the authority is told the decision. False: it must be tried again. On the inquiry's thread.
bool Mirror::end_on_authority(CommitSequence sequence, const protocol::MirrorUnit& unit, routing::Side authority,
                              std::chrono::milliseconds age, const std::stop_token& stop) {
  PhaseDecision decision{};
  {
    const std::lock_guard lock(mutex_);
    const auto place = phases_.find(sequence);
    if (place == phases_.end()) return true;
    decision = place->second.decision;
  }
  const auto ended = door_.end_prepared(authority, unit.database, phase_name(sequence), decision, stop);
  if (!ended) return false;
  if (!*ended) {  // not prepared: it is not yet, or not any more
    protocol::Result<TransactionFate> fate = TransactionFate::unknown;
    if (!unit.transaction_id.empty()) fate = door_.fate_of(authority, unit, age, stop);
    if (!fate || *fate == TransactionFate::in_progress) return false;
    const TransactionFate due = decision == PhaseDecision::commit ? TransactionFate::committed : TransactionFate::aborted;
    if (*fate != due) {
      note_unit(LedgerKind::in_doubt, unit, sequence, "the authority did not end what it had prepared as it was decided");
      const std::lock_guard lock(mutex_);
      const auto place = phases_.find(sequence);
      if (place != phases_.end()) place->second.is_missing = true;
    }
  }
  static_cast<void>(settle_phase(sequence, decision == PhaseDecision::commit ? UnitOutcome::committed : UnitOutcome::rolled_back));
  return true;
}

/// A former process left it. Under mutex_.
void Mirror::take_up_phase(CommitSequence sequence, std::optional<Fate> fate) {
  Phase phase;
  phase.stage = Phase::Stage::decided;
  phase.decision = fate == Fate::committed ? PhaseDecision::commit : PhaseDecision::roll_back;
  phases_.emplace(sequence, std::move(phase));
  sequencer_.settle(sequence, Sequencer::Settlement::committed);  // an applier ends it on the follower
  doubts_.push_back(sequence);
}

}  // namespace proxy::mirror
