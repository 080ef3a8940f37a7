#include "proxy/session/session.hpp"

namespace proxy::session {

using routing::Side;

/// The follower does not have the session's own last write yet, or will not get one of its writes at all.
bool Session::is_follower_behind() const {
  if (capture_ == nullptr) return false;
  return capture_->has_unmirrored() || capture_->last_unit() > environment_.mirror->desk->applied_through();
}

/// A read whose side lacks what the session has written waits for that as long as its rule says, once for each of the session's
/// writes. `forwarded`: it goes to the other side now.
Session::Served Session::await_follower(const protocol::NextRequest& request, const routing::Route& route,
                                        const routing::Circumstances& now) {
  const std::chrono::milliseconds wait = environment_.plans.plan().rules[route.rule_index].causal_wait;
  if (wait.count() == 0 || now.is_unavailable[routing::other(route.side)] || given_up_unit_ == capture_->last_unit()) {
    return Served::forwarded;
  }
  if (request.transaction == protocol::TransactionState::unsettled) {  // it may be inside a transaction, which goes on
    blocked_ = Blocked::replies;
    return Served::blocked;
  }
  if (!capture_->await_follower()) return is_follower_behind() ? Served::forwarded : Served::repeated;
  is_waiting_for_follower_ = true;
  blocked_ = Blocked::follower;
  arm_deadline(environment_.loop.now() + wait);
  return Served::blocked;
}

bool Session::is_still_waiting_for_follower() const {
  if (is_expired_ || !capture_->is_awaiting_follower()) return false;
  return !is_avoided(routing::other(write_side()));
}

/// Before a batch is judged.
void Session::end_follower_wait() {
  if (!is_waiting_for_follower_) return;
  is_waiting_for_follower_ = false;
  if (is_expired_) given_up_unit_ = capture_->last_unit();
  capture_->stop_awaiting_follower();
  disarm_deadline();
}

}  // namespace proxy::session
