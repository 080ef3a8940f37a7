#include "proxy/session/session.hpp"

#include <algorithm>
#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;
using routing::Side;

namespace {

/// Between two questions of one session that is pinned.
constexpr std::chrono::milliseconds question_pause_min{10};
constexpr std::chrono::milliseconds question_pause_max{640};

}  // namespace

/// Has a connection to `side`, which may still be connecting; or stands in the queue.
bool Session::borrow(Side side) {
  if (links_[side] != nullptr) return true;
  links_[side] = environment_.pool.take(*group_, side, half_.get(), *this, *this);
  return links_[side] != nullptr;
}

/// Where its statements leave open what a session has left in a connection, the server is asked, behind the client's
/// back. A session whose pins stay what they are asks less and less often.
void Session::ask_about_doubts() {
  if (!half_->is_doubtful()) return;
  for (const Side side : routing::both_sides) {
    backend::Connection* link = links_[side].get();
    if (link == nullptr || link->phase() != backend::Connection::Phase::ready || !half_->has_question(link->half())) continue;
    if (!half_->pins().empty() && environment_.loop.now() < asking_.due) {
      if (!asking_.timer) asking_.timer = environment_.loop.make_timer([this] { signal_.notify(); });
      asking_.timer->arm(asking_.due);
      continue;
    }
    ask(*link);
  }
}

void Session::ask(backend::Connection& link) {
  half_->ask(link.half(), environment_.to_backend);
  link.channel().send(environment_.to_backend);
  environment_.to_backend.clear();
  ++environment_.metrics.questions_total;
  const bool has_changed = std::exchange(asking_.pins_version, half_->pins().version()) != half_->pins().version();
  asking_.pause = has_changed ? question_pause_min : std::min(std::max(2 * asking_.pause, question_pause_min), question_pause_max);
  asking_.due = environment_.loop.now() + asking_.pause;
}

/// After everything that could be done was done: what nothing of the session is left on may serve others.
void Session::give_back_idle() {
  if (half_->pin() != protocol::PinReason::none || is_between_phases()) return;
  for (const Side side : routing::both_sides) {
    backend::Connection* link = links_[side].get();
    if (link == nullptr || link->phase() != backend::Connection::Phase::ready) continue;
    if (!link->half().is_at_boundary() || half_->is_held(link->half())) continue;
    if (terms_->pooling == Pooling::session && !link->is_outdated()) continue;
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
  ask_about_doubts();
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
  if (!login_changes_.empty()) environment_.pool.note_login_changes(login_changes_);  // their answer did not come, they may be made
  if (half_ != nullptr && stage_ == protocol::SessionStage::conversing) give_back_idle();
  for (const Side side : routing::both_sides) links_[side].reset();
  current_.reset();
  environment_.pool.leave_queue(*this);
}

std::optional<Side> Session::held_side() const {
  if (half_->pins().empty()) return std::nullopt;
  for (const Side side : routing::both_sides) {
    const backend::Connection* link = links_[side].get();
    if (link != nullptr && link->phase() == backend::Connection::Phase::ready && half_->is_held(link->half())) return side;
  }
  return std::nullopt;
}

telemetry::PinnedSession Session::describe_pins() const {
  telemetry::PinnedSession told;
  told.session_number = facts_.session_number;
  told.user = facts_.user;
  told.database = facts_.database;
  told.application_name = facts_.application_name;
  const std::optional<Side> held = held_side();
  const backend::Connection* link = held ? links_[*held].get() : current_link();
  if (link != nullptr) {
    told.side = link->side();
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

protocol::Error Session::queue_is_full() {
  return protocol::failure(ErrorCode::connections_exhausted, Blame::operator_, "too many clients wait for a backend connection");
}

}  // namespace proxy::session
