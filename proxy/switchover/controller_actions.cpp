#include "proxy/switchover/controller.hpp"

#include "proxy/switchover/wall_clock.hpp"

#include <algorithm>
#include <utility>

// What each order means.
namespace proxy::switchover {

using routing::Side;
using routing::SwitchoverFinding;
using routing::SwitchoverOutcome;
using routing::SwitchoverRemains;

namespace {

Clock::time_point instant_of(routing::SwitchoverTime time) { return Clock::time_point(std::chrono::duration_cast<Clock::duration>(time)); }

}  // namespace

AuthorityRecord Controller::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

void Controller::put(const AuthorityRecord& changed) {
  const std::lock_guard lock(mutex_);
  const LastChange last_change = record_.last_change;
  record_ = changed;
  if (changed.last_change != LastChange::switchover) record_.last_change = last_change;
}

Controller::Told Controller::told_of(const protocol::Status& status) {
  if (status) return {};
  return {SwitchoverOutcome::failed, status.error().detail};
}

Controller::Told Controller::carry_out(const routing::SwitchoverOrder& order) {
  const Clock::time_point deadline = instant_of(order.deadline);
  const std::stop_token stop = order_stop_.get_token();
  const AuthorityRecord before = record();
  routing::SwitchoverWish wish;
  {
    const std::lock_guard lock(mutex_);
    wish = machine_.wish();
  }
  const Side to = wish.to;
  const Side from = routing::other(to);
  switch (order.action) {
    case Action::check: return check(deadline);
    case Action::warm: return warm(deadline);
    case Action::hold:
      hold_began_ = Clock::now();
      return told_of(around_.traffic.hold());
    case Action::drain: return drain(wish.on_drain_timeout, deadline);
    case Action::remember: return remember();
    case Action::fence: return fence(deadline);
    case Action::catch_up: return told_of(around_.sync.catch_up(deadline, stop));
    case Action::final_check: return final_check(deadline);
    case Action::sequences: return told_of(around_.databases.carry_sequences(to, deadline, stop));
    case Action::reverse: return reverse(wish, deadline);
    case Action::flip: return flip();
    case Action::publish: return told_of(around_.traffic.publish(before.authority, before.epoch));
    case Action::open: return open(before.authority, deadline);
    case Action::release: release(); return {};
    case Action::settle: return settle();
    case Action::soak: return {};
    case Action::turn_back: return told_of(around_.sync.turn(from));
    case Action::unfence: return open(from, deadline);
    case Action::disown: around_.traffic.disown(); return {};
  }
  return {};
}

Controller::Told Controller::final_check(Clock::time_point deadline) {
  const Side from = record().authority;
  const protocol::Status fenced = around_.databases.confirm_fence(
      from, [this, from] { return around_.traffic.backend_processes(from); }, deadline, order_stop_.get_token());
  if (!fenced) return told_of(fenced);
  Request request;
  {
    const std::lock_guard lock(mutex_);
    request = attempt_->request;
  }
  return told_of(around_.sync.final_check(request.accepted, request.asker.who));
}

/// Everything that is known to speak against it, what was accepted marked so.
std::vector<SwitchoverFinding> Controller::find(const Request& request, Clock::time_point deadline) {
  const std::stop_token stop = order_stop_.get_token();
  const Side from = routing::other(request.to);
  std::vector<SwitchoverFinding> all = around_.traffic.findings(request.to);
  const auto add = [&all](std::vector<SwitchoverFinding> more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
  };
  add(own_findings(request));
  add(around_.sync.findings(request.to, request.hold_max.value_or(options_.terms.hold_max)));
  add(around_.databases.findings(from, [this, from] { return around_.traffic.backend_processes(from); }, deadline, stop));
  for (SwitchoverFinding& each : all) {
    each.is_accepted = each.weight == SwitchoverFinding::Weight::acceptable_blocker &&
                       std::ranges::find(request.accepted, each.id) != request.accepted.end();
  }
  return all;
}

Controller::Told Controller::check(Clock::time_point deadline) {
  Request request;
  {
    const std::lock_guard lock(mutex_);
    request = attempt_->request;
  }
  const std::vector<SwitchoverFinding> findings = find(request, deadline);
  std::string words;
  std::size_t count = 0;
  for (const SwitchoverFinding& each : findings) {
    if (each.weight == SwitchoverFinding::Weight::note || each.is_accepted) continue;
    ++count;
    words += (words.empty() ? "" : ", ") + each.id;
  }
  std::vector<std::string> left_behind;
  if (request.urgency == routing::SwitchoverUrgency::now) left_behind = around_.sync.left_behind();
  {
    const std::lock_guard lock(mutex_);
    attempt_->findings = findings;
    attempt_->left_behind = std::move(left_behind);
  }
  if (count == 0) return {};
  return {SwitchoverOutcome::failed, std::to_string(count) + (count == 1 ? " blocker: " : " blockers: ") + words};
}

Controller::Told Controller::remember() {
  AuthorityRecord changed = record();
  is_fence_begun_ = false;
  changed.remains = SwitchoverRemains::attempt;
  changed.target = routing::other(changed.authority);
  changed.is_fenced[changed.authority] = true;
  Told told = write(changed);
  if (told.outcome == SwitchoverOutcome::done) {
    next_record_ = flipped();
    file_.prepare(*next_record_);
  }
  return told;
}

Controller::Told Controller::fence(Clock::time_point deadline) {
  is_fence_begun_ = true;
  const Side side = record().authority;
  const std::stop_token stop = order_stop_.get_token();
  const protocol::Status fenced = around_.databases.fence(
      side, [this, side] { return around_.traffic.backend_processes(side); }, deadline, stop);
  // What was connected before the fence began without it.
  around_.traffic.renew(side);
  return told_of(fenced);
}

/// Connections that began behind the fence would refuse writes for their life.
Controller::Told Controller::open(Side side, Clock::time_point deadline) {
  const AuthorityRecord before = record();
  const bool is_target = before.remains == SwitchoverRemains::flip && side == before.authority;
  if (is_target && warmed_ == Target::open) return {};
  if (!is_target && !is_fence_begun_) return opened_as(side);
  const protocol::Status opened = around_.databases.open(side, deadline, order_stop_.get_token());
  if (!opened) return told_of(opened);
  if (before.is_fenced[side] && !(is_target && warmed_ == Target::closed)) around_.traffic.renew(side);
  return opened_as(side);
}

Controller::Told Controller::opened_as(Side side) {
  AuthorityRecord changed = record();
  changed.is_fenced[side] = false;
  put(changed);
  return {};
}

/// What is to be durable after the flip.
AuthorityRecord Controller::flipped() const {
  AuthorityRecord changed = record();
  changed.authority = changed.target;
  changed.epoch = std::max(changed.epoch, around_.traffic.epoch()) + 1;
  changed.remains = SwitchoverRemains::flip;
  changed.last_change = LastChange::switchover;
  changed.since_ms = wall_ms();
  return changed;
}

/// In an incident what cannot be carried any more is told in the ledger, and the mirror runs the other way all the same: otherwise it
/// would bring what the new authority writes to where it comes from.
Controller::Told Controller::reverse(const routing::SwitchoverWish& wish, Clock::time_point deadline) {
  const protocol::Status turned = around_.sync.turn(wish.to);
  if (turned || wish.urgency != routing::SwitchoverUrgency::now) return told_of(turned);
  return told_of(around_.sync.turn_at_once(wish.to, deadline));
}

Controller::Told Controller::flip() {
  const AuthorityRecord before = record();
  AuthorityRecord changed = flipped();
  // Weights may have been changed meanwhile; all else is as it was prepared.
  if (next_record_ && next_record_->epoch >= changed.epoch) changed = *next_record_;
  const StateFile::Written written = file_.publish(changed);
  if (written.outcome == SwitchoverOutcome::done) put(changed);
  if (written.outcome != SwitchoverOutcome::in_doubt) return {written.outcome, written.words};
  // The name may or may not be on the disk. If what was before can be made durable instead, it is known again.
  const StateFile::Written back = file_.write(before);
  return {back.outcome == SwitchoverOutcome::done ? SwitchoverOutcome::failed : SwitchoverOutcome::in_doubt, written.words};
}

/// Connections that begin behind a fence would refuse writes for their life, so what is opened to a fenced side for its future
/// says otherwise from the start.
Controller::Told Controller::warm(Clock::time_point deadline) {
  const AuthorityRecord before = record();
  const Side to = routing::other(before.authority);
  bool is_closed = before.is_fenced[to];
  {
    const std::lock_guard lock(mutex_);
    const std::string id = "read_only:" + std::string(routing::name_of(to));
    is_closed = is_closed || std::ranges::any_of(attempt_->findings, [&id](const SwitchoverFinding& each) { return each.id.starts_with(id); });
  }
  warmed_ = is_closed ? Target::closed : Target::open;
  const Traffic::Manner manner = is_closed ? Traffic::Manner::for_writes : Traffic::Manner::plain;
  return told_of(around_.traffic.warm(to, manner, deadline, order_stop_.get_token()));
}

Controller::Told Controller::drain(routing::DrainPolicy policy, Clock::time_point deadline) {
  const protocol::Result<std::uint64_t> ended = around_.traffic.drain(policy, deadline, order_stop_.get_token());
  if (!ended) return {SwitchoverOutcome::failed, ended.error().detail};
  const std::lock_guard lock(mutex_);
  attempt_->transactions_ended = *ended;
  return {};
}

Controller::Told Controller::settle() {
  AuthorityRecord changed = record();
  changed.remains = SwitchoverRemains::nothing;
  changed.target = changed.authority;
  return write(changed);
}

Controller::Told Controller::write(const AuthorityRecord& wanted) {
  const StateFile::Written written = file_.write(wanted);
  if (written.outcome == SwitchoverOutcome::done) put(wanted);
  return {written.outcome, written.words};
}

void Controller::release() {
  const Traffic::Released released = around_.traffic.release();
  const std::lock_guard lock(mutex_);
  if (attempt_ && hold_began_) {
    attempt_->held = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - *hold_began_);
    attempt_->sessions_held = released.sessions_held;
  }
  hold_began_.reset();
}

}  // namespace proxy::switchover
