#include "proxy/session/session.hpp"

#include <chrono>

namespace proxy::session {

using routing::Side;
using telemetry::BackendState;
using telemetry::BackendView;
using telemetry::ClientState;
using telemetry::ClientView;

namespace {

std::chrono::microseconds since(runtime::Instant then, runtime::Instant now) {
  return std::chrono::duration_cast<std::chrono::microseconds>(now - then);
}

}  // namespace

ClientState Session::client_state() const {
  if (console_role_ && stage_ == protocol::SessionStage::conversing) return ClientState::console;
  if (held_since_) return ClientState::held;
  if (blocked_ == Blocked::turn || turn_deadline_ || is_waiting_for_follower_) return ClientState::waiting;
  if (stage_ != protocol::SessionStage::conversing) return ClientState::logging_in;
  return is_working() ? ClientState::active : ClientState::idle;
}

ClientView Session::view(runtime::Instant now) const {
  ClientView view;
  view.number = facts_.session_number;
  view.user = facts_.user;
  view.database = facts_.database;
  view.application_name = facts_.application_name;
  view.address = facts_.client;
  view.state = client_state();
  view.age = since(born_, now);
  view.request_age = since(last_request_, now);
  if (held_since_) view.wait = since(*held_since_, now);
  if (turn_deadline_) view.wait = since(*turn_deadline_ - terms_->queue_timeout, now);
  view.is_encrypted = client_.tls_facts().has_value();
  view.pins = pin_watch_.ages(now);
  for (const Side side : routing::both_sides) {
    if (links_[side] != nullptr && (!view.side || current_ == side)) view.side = side;
  }
  return view;
}

void Session::add_backends(std::vector<BackendView>& backends, runtime::Instant now) const {
  for (const Side side : routing::both_sides) {
    backend::Connection* link = links_[side].get();
    if (link == nullptr || link->phase() == backend::Connection::Phase::failed) continue;
    BackendView view = link->view(now);
    view.user = facts_.user;
    view.database = facts_.database;
    view.application_name = facts_.application_name;
    view.client_number = facts_.session_number;
    backends.push_back(std::move(view));
  }
}

}  // namespace proxy::session
