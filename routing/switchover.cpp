#include "routing/switchover.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace routing {

namespace {

using Action = SwitchoverAction;
using Step = SwitchoverStep;

/// The way forward, in order.
constexpr std::array<Action, 16> way_forward{
    Action::check,       Action::warm,      Action::remember, Action::hold, Action::drain, Action::fence,
    Action::catch_up,    Action::final_check, Action::sequences, Action::reverse, Action::flip,  Action::publish,
    Action::open,        Action::release,   Action::settle,  Action::soak};

/// The step that an action is a part of, on the way forward.
Step step_of(Action action) {
  switch (action) {
    case Action::check:
    case Action::warm:
    case Action::remember: return Step::check;
    case Action::hold: return Step::hold;
    case Action::drain: return Step::drain;
    case Action::fence: return Step::fence;
    case Action::catch_up: return Step::catch_up;
    case Action::final_check: return Step::final_check;
    case Action::sequences: return Step::sequences;
    case Action::reverse: return Step::reverse;
    case Action::flip:
    case Action::publish:
    case Action::open: return Step::flip;
    case Action::release:
    case Action::settle: return Step::release;
    case Action::soak: return Step::soak;
    case Action::turn_back:
    case Action::unfence: return Step::undo;
    case Action::disown: return Step::disowned;
  }
  return Step::idle;
}

/// What must be done in the end, however often it fails.
bool is_retried(Action action) {
  return action == Action::publish || action == Action::open || action == Action::release || action == Action::settle ||
         action == Action::turn_back || action == Action::unfence || action == Action::disown;
}

}  // namespace

std::string_view name_of(SwitchoverStep step) {
  switch (step) {
    case Step::idle: return "idle";
    case Step::check: return "check";
    case Step::hold: return "hold";
    case Step::drain: return "drain";
    case Step::fence: return "fence";
    case Step::catch_up: return "catch_up";
    case Step::final_check: return "final_check";
    case Step::sequences: return "sequences";
    case Step::reverse: return "reverse";
    case Step::flip: return "flip";
    case Step::release: return "release";
    case Step::soak: return "soak";
    case Step::undo: return "undo";
    case Step::disowned: return "disowned";
  }
  return "unknown";
}

std::string_view name_of(SwitchoverAction action) {
  switch (action) {
    case Action::check: return "check";
    case Action::warm: return "warm";
    case Action::hold: return "hold";
    case Action::drain: return "drain";
    case Action::remember: return "remember";
    case Action::fence: return "fence";
    case Action::catch_up: return "catch_up";
    case Action::final_check: return "final_check";
    case Action::sequences: return "sequences";
    case Action::reverse: return "reverse";
    case Action::flip: return "flip";
    case Action::publish: return "publish";
    case Action::open: return "open";
    case Action::release: return "release";
    case Action::settle: return "settle";
    case Action::soak: return "soak";
    case Action::turn_back: return "turn_back";
    case Action::unfence: return "unfence";
    case Action::disown: return "disown";
  }
  return "unknown";
}

/// The authority is the new one already, so there is only forward.
bool Switchover::is_past_flip() const {
  return (step_ == Step::flip || step_ == Step::release || step_ == Step::soak) && authority_ == wish_.to;
}

SwitchoverTime Switchover::limit_of(Action action) const {
  switch (action) {
    case Action::check: return terms_.check;
    case Action::warm: return terms_.warm;
    case Action::hold: return terms_.hold;
    case Action::drain: return terms_.drain;
    case Action::remember:
    case Action::flip: return terms_.flip;
    case Action::fence: return terms_.fence;
    case Action::catch_up:
    case Action::final_check:
    case Action::sequences:
    case Action::reverse: return terms_.hold_max;
    case Action::publish:
    case Action::open:
    case Action::release:
    case Action::settle:
    case Action::turn_back:
    case Action::unfence:
    case Action::disown: return terms_.undo;
    case Action::soak: return terms_.soak;
  }
  return terms_.undo;
}

/// In an incident the new authority is what counts: what needs the old one may be impossible.
bool Switchover::is_skippable(Action action) const {
  if (action == Action::warm) return true;  // a matter of speed alone
  if (wish_.urgency != SwitchoverUrgency::now) return false;
  switch (action) {
    case Action::check:
    case Action::drain:
    case Action::fence:
    case Action::catch_up:
    case Action::final_check:
    case Action::sequences:
    case Action::reverse: return true;
    default: return false;
  }
}

void Switchover::enter(Step step, SwitchoverTime now) {
  if (step == step_ && !records_.empty()) return;
  if (!records_.empty() && records_.back().step == step_) records_.back().took = now - records_.back().began;
  step_ = step;
  if (step_ != Step::idle) records_.push_back({step, now, SwitchoverTime{0}, {}});
}

void Switchover::resume(SwitchoverRemains remains, Side to, SwitchoverTime now) {
  if (remains == SwitchoverRemains::nothing) return;
  records_.clear();
  skipped_.clear();
  wish_ = {};
  wish_.to = to;
  is_holding_ = true;  // nobody is let through before this is over
  is_remembered_ = true;
  hold_deadline_ = now + terms_.hold_max;
  if (remains == SwitchoverRemains::attempt) {
    is_reversed_ = true;
    failed_step_ = Step::fence;
    give_up("the process ended before the flip", now);
    return;
  }
  authority_ = to;
  failure_.clear();
  ahead_ = {Action::settle, Action::release, Action::open, Action::publish};
  enter(Step::flip, now);
}

std::optional<SwitchoverTime> Switchover::cools_until(SwitchoverTime now) const {
  if (step_ != Step::idle || !cool_at_ || now >= *cool_at_) return std::nullopt;
  return cool_at_;
}

std::optional<std::string> Switchover::begin(const SwitchoverWish& wish, SwitchoverTime now) {
  if (step_ == Step::disowned) return "nobody knows who has the authority; an operator must say so first";
  if (step_ != Step::idle && step_ != Step::soak) return "a switchover is under way, in step " + std::string(name_of(step_));
  if (wish.to == authority_) return std::string(name_of(wish.to)) + " has the authority already";
  const std::optional<SwitchoverTime> cool_at = cools_until(now);
  if (cool_at && wish.urgency != SwitchoverUrgency::now) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(*cool_at - now);
    return "the last attempt has just failed; the next may begin in " + std::to_string(left.count()) + " s";
  }
  if (step_ == Step::soak) finish(now);
  wish_ = wish;
  failure_.clear();
  failed_step_ = Step::idle;
  records_.clear();
  skipped_.clear();
  abort_reason_.reset();
  attempt_deadline_ = now + terms_.check;
  ahead_.assign(way_forward.rbegin(), way_forward.rend());
  enter(Step::check, now);
  return std::nullopt;
}

std::optional<std::string> Switchover::abort(std::string reason) {
  if (step_ == Step::idle) return "no switchover is under way";
  if (step_ == Step::undo) return "it is being undone already";
  if (step_ == Step::disowned) return "nobody knows who has the authority; an operator must say so";
  const bool is_flipping = under_way_ && under_way_->order.action == Action::flip;
  if (is_past_flip() || is_flipping) return "the authority has moved; from here on there is only forward, and a rollback";
  abort_reason_ = std::move(reason);
  return std::nullopt;
}

void Switchover::settle_on(Side authority) {
  authority_ = authority;
  step_ = Step::idle;
  is_remembered_ = false;
  is_reversed_ = false;
}

std::optional<SwitchoverOrder> Switchover::take_order(SwitchoverTime now) {
  if (under_way_) {
    const SwitchoverOrder order = under_way_->order;
    if (now < order.deadline + terms_.grace) return std::nullopt;
    note(order.number, SwitchoverOutcome::in_doubt, "no answer in time", now);
  }
  if (under_way_) return std::nullopt;
  if (abort_reason_ && step_ != Step::undo && step_ != Step::disowned && !is_past_flip()) give_up(*std::exchange(abort_reason_, std::nullopt), now);
  if (retry_at_ && now < *retry_at_) return std::nullopt;
  retry_at_.reset();
  if (ahead_.empty()) return std::nullopt;
  const Action action = ahead_.back();
  if (step_ != Step::undo && step_ != Step::disowned) enter(step_of(action), now);
  SwitchoverTime deadline = now + limit_of(action);
  switch (action) {
    case Action::check:
    case Action::warm: deadline = std::min(deadline, attempt_deadline_); break;
    case Action::hold:
      is_holding_ = true;
      hold_deadline_ = now + std::min(terms_.hold_max, wish_.hold_max.value_or(terms_.hold_max));
      break;
    case Action::remember: is_remembered_ = true; break;
    case Action::reverse: is_reversed_ = true; break;
    default: break;
  }
  if (is_holding_ && step_ != Step::undo && step_ != Step::disowned && !is_past_flip() && action != Action::hold) {
    if (now >= hold_deadline_ && wish_.urgency == SwitchoverUrgency::careful) {
      give_up("the hold has lasted as long as it may", now);
      return take_order(now);
    }
    // Which way the stream runs must fit who has the authority, however late it is.
    const bool is_turning_at_once = action == Action::reverse && wish_.urgency == SwitchoverUrgency::now;
    if (now >= hold_deadline_ && is_skippable(action) && !is_turning_at_once) {
      skipped_.push_back(std::string(name_of(action)) + ": no time was left");
      advance(now);
      return take_order(now);
    }
    // Whether the flip is durable must be known: it gets its time once it has begun.
    if (action != Action::flip && !is_turning_at_once) deadline = std::min(deadline, hold_deadline_);
    if (is_turning_at_once) deadline = std::max(hold_deadline_, now + terms_.flip);
  }
  under_way_ = UnderWay{SwitchoverOrder{++number_, action, std::max(deadline, now)}};
  return under_way_->order;
}

void Switchover::note(std::uint64_t number, SwitchoverOutcome outcome, std::string words, SwitchoverTime now) {
  if (!under_way_ || under_way_->order.number != number) return;
  const Action action = under_way_->order.action;
  under_way_.reset();
  if (outcome == SwitchoverOutcome::done) {
    note_done(action, now);
  } else {
    note_failure(action, outcome, std::move(words), now);
  }
}

void Switchover::note_done(Action action, SwitchoverTime now) {
  switch (action) {
    case Action::flip:
      authority_ = wish_.to;
      abort_reason_.reset();
      break;
    case Action::release: is_holding_ = false; break;
    case Action::settle:
      is_remembered_ = false;
      is_reversed_ = false;
      break;
    default: break;
  }
  advance(now);
}

void Switchover::advance(SwitchoverTime now) {
  if (!ahead_.empty()) ahead_.pop_back();
  if (!ahead_.empty()) return;
  if (step_ == Step::disowned) return;
  finish(now);
}

void Switchover::note_failure(Action action, SwitchoverOutcome outcome, std::string words, SwitchoverTime now) {
  if (!records_.empty()) {
    std::string& note = records_.back().note;
    note += (note.empty() ? "" : "; ") + std::string(name_of(action)) + ": " + words;
    constexpr std::size_t note_bytes_max = 1'000;
    if (note.size() > note_bytes_max) note.resize(note_bytes_max);
  }
  if (action == Action::flip && outcome == SwitchoverOutcome::in_doubt) {
    failure_ = "nobody can tell whether the flip is durable: " + words;
    failed_step_ = Step::flip;
    ahead_ = {Action::release, Action::disown};
    enter(Step::disowned, now);
    return;
  }
  if (action == Action::soak) {
    failure_ = std::move(words);
    failed_step_ = Step::soak;
    return finish(now);
  }
  if (is_retried(action)) {
    // Nobody is held for what may take long; but what is written while the stream still runs the other way would be lost on it.
    const auto release = std::find(ahead_.begin(), ahead_.end(), Action::release);
    const bool is_urgent = action == Action::unfence || now >= hold_deadline_;
    if (is_holding_ && action != Action::release && action != Action::disown && release != ahead_.end() && is_urgent) {
      ahead_.erase(release);
      ahead_.push_back(Action::release);
      return;
    }
    retry_at_ = now + (is_holding_ ? terms_.retry / 10 : terms_.retry);
    return;
  }
  if (!abort_reason_ && is_skippable(action)) {
    if (wish_.urgency == SwitchoverUrgency::now) skipped_.push_back(std::string(name_of(action)) + ": " + words);
    return advance(now);
  }
  give_up(std::string(name_of(action)) + ": " + words, now);
}

/// Everything back to the old authority; only what was begun is undone.
void Switchover::give_up(std::string reason, SwitchoverTime now) {
  if (abort_reason_) reason = *std::exchange(abort_reason_, std::nullopt);
  failure_ = std::move(reason);
  if (step_ != Step::idle) failed_step_ = step_;
  ahead_.clear();
  retry_at_.reset();
  if (is_remembered_) ahead_.push_back(Action::settle);
  if (is_holding_) ahead_.push_back(Action::release);
  if (is_remembered_) ahead_.push_back(Action::unfence);
  if (is_reversed_) ahead_.push_back(Action::turn_back);
  enter(Step::undo, now);
  if (ahead_.empty()) finish(now);
}

void Switchover::finish(SwitchoverTime now) {
  under_way_.reset();
  ahead_.clear();
  retry_at_.reset();
  abort_reason_.reset();
  is_reversed_ = false;
  if (step_ == Step::undo) cool_at_ = now + terms_.cooldown;
  enter(Step::idle, now);
}

std::optional<SwitchoverTime> Switchover::wake_at() const {
  if (under_way_) return under_way_->order.deadline + terms_.grace;
  if (retry_at_) return retry_at_;
  return std::nullopt;
}

}  // namespace routing
