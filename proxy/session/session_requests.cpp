#include "proxy/session/session.hpp"

#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::RequestVerdict;
using routing::RouteReason;
using routing::Side;

namespace {

/// After so many reads in one wake-up the other sessions of the worker get their turn.
constexpr int reads_per_turn_max = 8;

bool is_refusal(const routing::Route& route) { return route.reason == RouteReason::write_refused; }

}  // namespace

backend::Connection* Session::current_link() const { return current_ ? links_[*current_].get() : nullptr; }

bool Session::is_reply_to_come() const {
  const backend::Connection* link = current_link();
  return link != nullptr && link->half().is_owing() && !link->half().is_awaiting_client();
}

bool Session::is_still_blocked() const {
  switch (blocked_) {
    case Blocked::nothing:
    case Blocked::some_reply:
    case Blocked::turn: return false;  // asking again is the way to find out
    case Blocked::hold: return hold_epoch_ == environment_.holds.epoch();
    case Blocked::follower: return is_still_waiting_for_follower();
    case Blocked::replies: return is_reply_to_come();
    case Blocked::link: {
      const backend::Connection* link = links_[blocked_on_].get();
      if (link == nullptr || link->phase() == backend::Connection::Phase::failed) return false;
      if (link->phase() != backend::Connection::Phase::ready) return true;
      return restoring_ == blocked_on_ && half_->restore_state(link->half()) == protocol::RestoreState::under_way;
    }
  }
  return false;
}

void Session::read_requests() {
  if (blocked_ == Blocked::hold && !is_released()) return;
  if (is_cancelling()) return;
  if (is_still_blocked()) {
    if (!is_expired_ || blocked_ != Blocked::link) return;
    if (restoring_ == blocked_on_) {
      drop_link(blocked_on_);
      fail(protocol::failure(ErrorCode::backend_timeout, Blame::backend, "the session's state was not restored in time"));
      return;
    }
    links_[blocked_on_]->expire();
  }
  if (blocked_ == Blocked::turn && is_expired_) {
    fail(no_connection_in_time());
    return;
  }
  blocked_ = Blocked::nothing;
  serve_requests();
  for (int reads = 0; !is_over_ && blocked_ == Blocked::nothing; ++reads) {
    backend::Connection* link = current_link();
    if (link != nullptr && link->channel().is_clogged()) return;
    if (in_flight_.size() >= environment_.options.in_flight_max) return;
    if (!client_.is_readable()) break;
    if (reads == reads_per_turn_max) {
      signal_.notify();
      return;
    }
    if (client_.receive(environment_.scratch) != 0) serve_requests();
  }
}

/// Whether somebody has gone or the proxy stops: after everything that could be done was done.
void Session::look_around() {
  if (client_.state() == net::Channel::State::broken) end();
  const backend::Connection* link = current_link();
  const bool is_waiting = blocked_ != Blocked::nothing;
  if (client_.state() == net::Channel::State::ended && !is_waiting) {
    // What came whole is answered first, as the server does; then the client is gone. A batch without its Sync, or COPY
    // without its end, gets no more: as with the server it is undone.
    if (!is_reply_to_come()) end();
  }
  if (!stop_ || is_over_) return;
  const bool is_unbegun = blocked_ == Blocked::hold;  // what a hold keeps back was not begun, and is not
  const bool is_idle =
      (is_unbegun && (link == nullptr || link->half().is_at_boundary())) || (!is_waiting && client_.held_bytes() == 0 && (link == nullptr || link->half().is_at_boundary()));
  if (is_idle || *stop_ == Stop::now) {
    fail(protocol::failure(ErrorCode::shutting_down, Blame::self, "the proxy is shutting down"));
  }
}

/// Judges and forwards what was read, as far as it goes.
void Session::serve_requests() {
  while (!is_over_ && !client_.unread().empty()) {
    const Served served = serve_one();
    if (served == Served::blocked) break;
  }
  flush_to_backend();
  client_.keep_unread();
  const std::size_t held_bytes_max =
      environment_.options.statement_bytes_max + environment_.scratch.size() + KeptRequests::bytes_max;
  if (!is_over_ && client_.held_bytes() > held_bytes_max && blocked_ == Blocked::nothing) {
    fail(protocol::failure(ErrorCode::memory_limit_reached, Blame::client, "a request larger than the limit"));
  }
}

Session::Served Session::serve_one() {
  const backend::Connection* link = current_link();
  const protocol::NextRequest request = half_->next_request(client_.unread(), link ? &link->half() : nullptr);
  switch (request.verdict) {
    case RequestVerdict::need_more: return Served::blocked;
    case RequestVerdict::ignore:
      half_->ignore(request);
      client_.use(request.bytes);
      return Served::forwarded;
    case RequestVerdict::follow:
      kept_.forfeit(environment_.kept_buffers);
      forward(request);
      return Served::forwarded;
    case RequestVerdict::await_reply: blocked_ = Blocked::some_reply; return Served::blocked;
    case RequestVerdict::route: return route_batch(request);
    case RequestVerdict::terminate:
      // What was asked before the goodbye is answered before it, as the server does. A question of ours that is on its way is
      // waited for too, so that the connection stays of use.
      if (is_reply_to_come()) {
        blocked_ = Blocked::replies;
      } else {
        end();
      }
      return Served::blocked;
    case RequestVerdict::violation:
      flush_to_backend();
      fail(half_->error());
      return Served::blocked;
  }
  return Served::blocked;
}

routing::Circumstances Session::circumstances(const protocol::NextRequest& request) const {
  routing::Circumstances result;
  if (current_link() != nullptr) result.current = current_;
  result.is_transaction_open = request.transaction == protocol::TransactionState::open;
  result.is_transaction_read_only = request.is_transaction_read_only;
  result.is_transaction_misplaced = is_transaction_misplaced_;
  result.pin = half_->pin();
  result.held_on = held_side();
  result.batch_number = batch_number_;
  for (const Side side : routing::both_sides) result.is_unavailable[side] = is_avoided(side);
  if (is_follower_behind()) result.behind = routing::other(write_side());
  return result;
}

Session::Served Session::route_batch(const protocol::NextRequest& request) {
  end_follower_wait();
  if (is_held(request)) return wait_for_release(request.transaction);
  end_hold();
  const routing::Plan& plan = environment_.plans.plan();
  if (request.transaction == protocol::TransactionState::none) is_transaction_misplaced_ = false;
  const routing::Circumstances now = circumstances(request);
  const routing::Route route = routing::decide(plan, facts_, request.facts, now);
  if (route.reason == RouteReason::own_writes) {
    const Served waiting = await_follower(request, route, now);
    if (waiting != Served::forwarded) return waiting;
  }
  give_way();
  backend::Connection* current = current_link();
  if (request.transaction == protocol::TransactionState::unsettled) {
    // Whether a transaction is open will show with the replies. Only if that makes no difference, go on.
    routing::Circumstances inside = now;
    inside.is_transaction_open = true;
    const routing::Route inside_route = routing::decide(plan, facts_, request.facts, inside);
    if (inside_route.side != route.side || is_refusal(inside_route) != is_refusal(route)) {
      blocked_ = Blocked::replies;
      return Served::blocked;
    }
  }
  const bool is_misplaced = begins_misplaced(request, route);
  if ((is_refusal(route) || is_misplaced) && is_pin_in_question(route.side)) return Served::blocked;
  if (current == nullptr || route.side != *current_) {
    if (current != nullptr && !current->half().is_at_boundary()) {
      blocked_ = Blocked::replies;
      return Served::blocked;
    }
    flush_to_backend();
    // What the session has left on its connection must be known before another is brought in line with it.
    if (current != nullptr && half_->has_question(current->half())) {
      ask(*current);
      blocked_ = Blocked::replies;
      return Served::blocked;
    }
    drop_unready_but(route.side);
    const Served prepared = prepare_link(route, now);
    if (prepared != Served::forwarded) return prepared;
  }
  if (half_->look_ahead(request, client_.unread(), current_link()->half(), environment_.to_backend)) {
    blocked_ = Blocked::some_reply;
    return Served::blocked;
  }
  const std::uint32_t kept_bytes = keep_for_repeat(request);
  last_request_ = environment_.loop.now();
  in_flight_.push(InFlight{last_request_, request.facts.statement_class, kept_bytes});
  ++counters_->query_count;
  if (request.transaction != protocol::TransactionState::open) {
    ++counters_->transaction_count;
    if (!transaction_began_) transaction_began_ = last_request_;
  }
  environment_.metrics.sides[route.side].count_request(request.facts.statement_class);
  if (request.transaction != protocol::TransactionState::open) ++batch_number_;
  // The server waits some seconds for others to leave that database; what only lies here leaves now.
  if (request.facts.wants_empty_database) environment_.registry.close_idle_everywhere();
  if (request.facts.login_changes != nullptr) add_login_changes(*request.facts.login_changes);
  is_transaction_misplaced_ = is_transaction_misplaced_ || is_misplaced;
  protocol::NextRequest routed = request;
  if (is_refusal(route)) routed.writes = protocol::WritePermission::refused;
  forward(routed);
  return Served::forwarded;
}

/// A transaction that may write begins where a pin ties the session to, and its writes belong to the other side.
bool Session::begins_misplaced(const protocol::NextRequest& request, const routing::Route& route) const {
  const protocol::TransactionEffect effect = request.facts.transaction_effect;
  const bool may_begin = effect == protocol::TransactionEffect::begin_read_write || effect == protocol::TransactionEffect::unclear;
  return route.reason == RouteReason::pinned && may_begin && request.transaction != protocol::TransactionState::open &&
         half_->pin() != protocol::PinReason::replication && route.side != write_side();
}

/// Whether what ties the session to `side` may be gone: replies that are owed, and the answer to a question, are awaited before
/// a write is refused for it.
bool Session::is_pin_in_question(Side side) {
  backend::Connection* link = links_[side].get();
  if (link == nullptr || link->phase() != backend::Connection::Phase::ready) return false;
  if (half_->has_question(link->half())) {
    flush_to_backend();
    ask(*link);
  }
  if (!link->half().is_owing()) return false;
  blocked_ = Blocked::some_reply;
  return true;
}

/// Makes the route's side ready to serve this session: connected, logged in, and with the session's state.
/// `forwarded` means that it is.
Session::Served Session::prepare_link(const routing::Route& route, const routing::Circumstances& now) {
  blocked_on_ = route.side;
  if (links_[route.side] == nullptr) {
    if (!borrow(route.side)) {
      blocked_ = Blocked::turn;
      if (is_turned_away()) {
        fail(queue_is_full());
        return Served::blocked;
      }
      if (!turn_deadline_) {
        turn_deadline_ = environment_.loop.now() + terms_->queue_timeout;
        arm_deadline(*turn_deadline_);
      }
      return Served::blocked;
    }
    if (turn_deadline_) {
      count_wait(*turn_deadline_ - terms_->queue_timeout);
      disarm_deadline();
    }
    turn_deadline_.reset();
    if (links_[route.side]->phase() != backend::Connection::Phase::ready) arm_deadline(links_[route.side]->deadline());
  }
  std::unique_ptr<backend::Connection>& link = links_[route.side];
  if (link->phase() != backend::Connection::Phase::ready) {
    client_.keep_unread();  // a login is received where the request lies
    link->advance();
  }
  if (link->phase() == backend::Connection::Phase::failed) return give_up_on(route, now, link->error());
  if (link->phase() != backend::Connection::Phase::ready) {
    blocked_ = Blocked::link;
    return Served::blocked;
  }
  if (half_->is_asking(link->half())) {
    blocked_ = Blocked::link;
    return Served::blocked;
  }
  // Done is not enough: it may have been done for an earlier batch that went elsewhere after all, and the session may
  // have changed since. Asking again costs nothing where nothing has.
  protocol::RestoreState state = half_->restore_state(link->half());
  if (state != protocol::RestoreState::under_way && state != protocol::RestoreState::failed) {
    state = half_->begin_restore(link->half(), environment_.to_backend, environment_.to_client);
    client_.send(environment_.to_client);
    environment_.to_client.clear();
  }
  if (state == protocol::RestoreState::under_way) {
    link->channel().send(environment_.to_backend);
    environment_.to_backend.clear();
  }
  if (state == protocol::RestoreState::under_way) {
    if (restoring_ != route.side) arm_deadline(environment_.loop.now() + environment_.options.connect_timeout);
    restoring_ = route.side;
    blocked_ = Blocked::link;
    return Served::blocked;
  }
  restoring_.reset();
  // Kept for the next wait: at a pool that is always short every transaction waits.
  if (deadline_timer_) deadline_timer_->disarm();
  if (state == protocol::RestoreState::failed) {
    return give_up_on(route, now, protocol::failure(ErrorCode::restore_failed, Blame::backend, "the session's state"));
  }
  current_ = route.side;
  return Served::forwarded;
}

/// The route's side cannot serve. A read is as good on the other side; anything else ends the session.
/// `error` by value: the link that it came from does not outlive the first lines.
Session::Served Session::give_up_on(const routing::Route& route, const routing::Circumstances& now, protocol::Error error) {
  const protocol::Bytes refusal(links_[route.side]->refusal().begin(), links_[route.side]->refusal().end());
  drop_link(route.side);
  deadline_timer_.reset();
  is_expired_ = false;
  const Side other_side = routing::other(route.side);
  if (route.reason == RouteReason::read_weight) {
    // What concerns this session or its user alone says nothing of the side.
    const bool is_own = error.code == ErrorCode::backend_secret_missing ||
                        (error.code == ErrorCode::backend_refused && error.blame != Blame::backend);
    if (is_own) report(error, "a side does not let a user in");
    // A session may only be tied to the side that its writes go to, and only while it holds a connection there.
    const bool is_at_home = current_ == other_side && write_side() == other_side;
    if ((error.code == ErrorCode::restore_failed || is_own) && is_at_home) {
      half_->pin_for(is_own ? protocol::PinReason::login_refused : protocol::PinReason::restore_failed);
      pin_watch_.look_at(half_->pins(), environment_.loop.now(), environment_.metrics);
      return Served::repeated;
    }
    // Chosen although it was known to be of no use: there is no other choice.
    const bool was_avoided = now.is_unavailable[route.side];
    if (!was_avoided && !is_avoided(other_side)) {
      avoid_until_[route.side] = environment_.loop.now() + environment_.options.retry_after;
      return Served::repeated;
    }
  }
  if (refusal.empty()) {
    fail(error);
    return Served::blocked;
  }
  client_.send(refusal);
  report(error, "a backend refused a session");
  end();
  return Served::blocked;
}

/// The route has changed while a connection was being made: nobody waits for that one any more.
void Session::drop_unready_but(Side side) {
  const Side other_side = routing::other(side);
  const backend::Connection* link = links_[other_side].get();
  if (link != nullptr && link->phase() != backend::Connection::Phase::ready) drop_link(other_side);
}

/// The side of a write that touches no table.
Side Session::write_side() const {
  protocol::StatementFacts write;
  write.statement_class = protocol::StatementClass::write;
  const protocol::CommentTags no_tags;
  return routing::decide(environment_.plans.plan(), facts_, protocol::batch_facts_of(write, no_tags), {}).side;
}

/// A side that is down takes no reads of anybody; one that could not serve this session takes none of it for a while.
bool Session::is_avoided(Side side) const {
  if (environment_.health != nullptr && environment_.health->is_down(side)) return true;
  const runtime::Instant until = avoid_until_[side];
  return until != runtime::Instant{} && environment_.loop.now() < until;
}

void Session::forward(const protocol::NextRequest& request) {
  half_->forward(request, client_.unread(), current_link()->half(), environment_.to_backend);
  client_.use(request.bytes);
}

void Session::flush_to_backend() {
  if (environment_.to_backend.empty()) return;
  if (backend::Connection* link = current_link(); link != nullptr) {
    environment_.metrics.sides[*current_].bytes_to_backend_total += environment_.to_backend.total_bytes();
    counters_->received_bytes += environment_.to_backend.total_bytes();
    link->channel().send(environment_.to_backend);
  }
  environment_.to_backend.clear();
}

}  // namespace proxy::session
