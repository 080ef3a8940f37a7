#include "proxy/session/session.hpp"

#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;
using routing::Side;

/// Has a connection to `side`, which may still be connecting; or stands in the queue.
bool Session::borrow(Side side) {
  if (links_[side] != nullptr) return true;
  links_[side] = environment_.pool.take(*group_, side, half_.get(), *this, *this);
  return links_[side] != nullptr;
}

/// After everything that could be done was done: what nothing of the session is left on may serve others.
void Session::give_back_idle() {
  if (terms_->pooling == Pooling::session) return;
  if (half_->pin() != protocol::PinReason::none) return;
  for (const Side side : routing::both_sides) {
    backend::Connection* link = links_[side].get();
    if (link == nullptr || link->phase() != backend::Connection::Phase::ready) continue;
    if (!link->half().is_at_boundary()) continue;
    // One that was brought in line for a batch which then went elsewhere is given back too: who holds one
    // connection and waits for another could wait for ever.
    const bool is_wanted = half_->restore_state(link->half()) != protocol::RestoreState::failed;
    is_wanted ? give_back(side) : drop_link(side);
  }
}

/// Between two batches others may have waited longer than a client that never pauses.
void Session::give_way() {
  if (!current_ || !environment_.pool.is_anyone_waiting(*group_, *current_)) return;
  flush_to_backend();
  give_back_idle();
}

void Session::give_back(Side side) {
  half_->let_go(links_[side]->half());
  if (current_ == side) current_.reset();
  if (restoring_ == side) restoring_.reset();
  environment_.pool.put_back(*group_, std::move(links_[side]));
}

/// At the session's end. What it leaves behind in a connection ends with that connection.
void Session::give_back_all() {
  if (half_ != nullptr && stage_ == protocol::SessionStage::conversing) give_back_idle();
  for (const Side side : routing::both_sides) links_[side].reset();
  current_.reset();
  environment_.pool.leave_queue(*this);
}

telemetry::PinnedSession Session::describe_pins() const {
  telemetry::PinnedSession told;
  told.session_number = facts_.session_number;
  told.user = facts_.user;
  told.database = facts_.database;
  told.application_name = facts_.application_name;
  told.side = current_.value_or(Side::blue);
  if (const backend::Connection* link = current_link()) {
    const protocol::CancelKey* key = link->half().cancel_key();
    if (key != nullptr) told.backend_process = key->process_id;
  }
  told.pins = pin_watch_.ages(environment_.loop.now());
  return told;
}

protocol::Error Session::no_connection_in_time() {
  return protocol::failure(ErrorCode::connections_exhausted, Blame::operator_,
                           "no backend connection became free in time");
}

}  // namespace proxy::session
