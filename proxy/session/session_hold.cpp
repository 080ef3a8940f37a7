#include "proxy/session/session.hpp"

#include <algorithm>
#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::TransactionState;
using routing::Side;

void HoldDesk::on_change() {
  for (Session* session : waiting_) session->on_hold_change();
  const routing::Hold* hold = in_force();
  std::vector<OnDrained> given_up;
  std::erase_if(watches_, [&](Watch& watch) {
    if (hold != nullptr && routing::has_hold(*hold, watch.scope, watch.hold_class)) return false;
    given_up.push_back(std::move(watch.on_drained));
    return true;
  });
  for (const OnDrained& on_drained : given_up) on_drained(DrainOutcome::released);
}

void HoldDesk::watch(Watch watch) {
  const routing::Hold* hold = in_force();
  if (hold == nullptr || !routing::has_hold(*hold, watch.scope, watch.hold_class)) {
    watch.on_drained(DrainOutcome::released);
  } else if (watch.working.empty()) {
    watch.on_drained(DrainOutcome::drained);
  } else {
    watches_.push_back(std::move(watch));
  }
}

void HoldDesk::note_boundary(Session& session, routing::HoldClass hold_class) {
  std::vector<OnDrained> drained;
  std::erase_if(watches_, [&](Watch& watch) {
    if (watch.hold_class > hold_class) return false;
    watch.working.erase(&session);
    if (!watch.working.empty()) return false;
    drained.push_back(std::move(watch.on_drained));
    return true;
  });
  for (const OnDrained& on_drained : drained) on_drained(DrainOutcome::drained);
}

/// The batch would begin something that is held. What is inside a transaction goes on, and so does a batch for which a
/// connection is being made: the hold is drained when both are over.
bool Session::is_held(const protocol::NextRequest& request) {
  const routing::Hold* hold = environment_.holds.in_force();
  if (hold == nullptr || request.transaction == TransactionState::open || is_preparing() || is_between_phases()) return false;
  return routing::holds(*hold, facts_.database, request.facts);
}

bool Session::is_login_held() {
  const routing::Hold* hold = environment_.holds.in_force();
  return hold != nullptr && routing::held_class(*hold, facts_.database) == routing::HoldClass::everything;
}

bool Session::is_preparing() const {
  const auto is_on_its_way = [](const std::unique_ptr<backend::Connection>& link) {
    return link != nullptr && link->phase() != backend::Connection::Phase::ready &&
           link->phase() != backend::Connection::Phase::failed;
  };
  return restoring_.has_value() || std::ranges::any_of(links_.values, is_on_its_way);
}

bool Session::is_working() const {
  const auto is_busy = [](const std::unique_ptr<backend::Connection>& link) {
    return link != nullptr && link->phase() == backend::Connection::Phase::ready && !link->half().is_at_boundary();
  };
  // What streams for ever never comes to a boundary: a hold does not wait for it.
  return !login_.is_replication && (is_preparing() || is_between_phases() || std::ranges::any_of(links_.values, is_busy));
}

bool Session::is_writing() const {
  if (login_.is_replication) return false;
  const auto is_open_to_writes = [](const std::unique_ptr<backend::Connection>& link) {
    return link != nullptr && link->phase() == backend::Connection::Phase::ready && link->half().is_transaction_open() &&
           !link->half().is_open_for_reads_only();
  };
  return is_preparing() || is_between_phases() || in_flight_.has_more_than_reads() || std::ranges::any_of(links_.values, is_open_to_writes);
}

/// The server rolls back what is open when its connection goes. A COMMIT, or a statement that commits by itself, may have arrived.
void Session::end_writing() {
  if (!is_writing() || is_over_) return;
  const bool is_commit_possible = in_flight_.has_more_than_reads() || is_between_phases();
  for (const Side side : routing::both_sides) drop_link(side);
  fail(protocol::failure(is_commit_possible ? ErrorCode::transaction_unknown : ErrorCode::transaction_ended, Blame::operator_,
                         "ended by the drain of a switchover"));
  signal_.notify();
}

Session::Served Session::wait_for_release(TransactionState transaction) {
  if (transaction == TransactionState::unsettled) {  // it may be inside a transaction, which goes on
    blocked_ = Blocked::replies;
    return Served::blocked;
  }
  blocked_ = Blocked::hold;
  begin_hold();
  // The client may have gone already, and nobody would say so again.
  if (client_.is_readable() || client_.state() != net::Channel::State::open) signal_.notify();
  return Served::blocked;
}

/// A place in the queue for a connection is given up: it would be kept from those who may use it.
void Session::begin_hold() {
  hold_epoch_ = environment_.holds.epoch();
  if (held_since_) return;
  held_since_ = environment_.loop.now();
  environment_.pool.leave_queue(*this);
  turn_deadline_.reset();
  environment_.holds.enter(*this);
  arm_deadline(*held_since_ + terms_->queue_timeout);
}

void Session::end_hold() {
  if (!held_since_) return;
  count_wait(*held_since_);
  held_since_.reset();
  environment_.holds.leave(*this);
  disarm_deadline();
}

/// While the session waits: it hears its client's goodbye, and what the client sends meanwhile is kept up to a bound.
/// True: something has changed, judge again.
bool Session::is_released() {
  if (hold_epoch_ != environment_.holds.epoch()) return true;
  if (is_expired_) {
    fail(held_too_long());
    return false;
  }
  while (client_.is_readable() && client_.held_bytes() < environment_.scratch.size()) {
    client_.receive(environment_.scratch);
    client_.keep_unread();
  }
  // A client that is gone will not hear the answer: what it asked for has not begun, and never does.
  if (client_.state() != net::Channel::State::open || (capture_ != nullptr && capture_->has_client_left())) end();
  return false;
}

/// What the client has sent and waits for the end of a hold, a turn or a connection counts against what the process may keep.
void Session::limit_held_bytes() {
  const bool is_kept_waiting = blocked_ == Blocked::hold || blocked_ == Blocked::turn || blocked_ == Blocked::link;
  if (held_share_.set(is_kept_waiting ? client_.held_bytes() : 0) == HeldBytes::Share::Outcome::fits) return;
  fail(protocol::failure(ErrorCode::memory_limit_reached, Blame::operator_, "the requests that wait are beyond held_bytes_max"));
}

protocol::Error Session::held_too_long() {
  return protocol::failure(ErrorCode::hold_timeout, Blame::operator_, "held longer than queue_timeout");
}

void Session::count_wait(runtime::Instant since) {
  if (counters_ == nullptr) return;
  counters_->wait_time += std::chrono::duration_cast<std::chrono::microseconds>(environment_.loop.now() - since);
}

void Session::note_boundary() {
  if (!environment_.holds.is_watching()) return;
  if (!is_working()) {
    environment_.holds.note_boundary(*this, routing::HoldClass::everything);
  } else if (!is_writing()) {
    environment_.holds.note_boundary(*this, routing::HoldClass::writes);
  }
}

}  // namespace proxy::session
