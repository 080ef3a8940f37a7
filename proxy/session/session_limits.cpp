#include "proxy/session/session.hpp"

#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;

/// One of the places that there are for clients of this user and this database. False: there is none, and the client
/// was told so.
/// Source: PostgreSQL 15 manual, CREATE ROLE and CREATE DATABASE (CONNECTION LIMIT); like these it is asked after the
/// client has proven who it is.
bool Session::take_place() {
  terms_ = environment_.terms.terms_of(login_.user, login_.database);
  const ClientCounts::Claim claim{login_.user, terms_->user_clients_max, login_.database, terms_->database_clients_max};
  ErrorCode code = ErrorCode::internal;
  switch (environment_.client_counts.admit(claim, place_)) {
    case ClientCounts::Outcome::admitted: return true;
    case ClientCounts::Outcome::user_full: code = ErrorCode::user_connections_exhausted; break;
    case ClientCounts::Outcome::database_full: code = ErrorCode::database_connections_exhausted; break;
  }
  protocol::Error error = protocol::failure(code, Blame::client, "as many clients as there may be");
  error.subject = code == ErrorCode::user_connections_exhausted ? login_.user : login_.database;
  fail(error);
  return false;
}

void Session::renew_terms() {
  if (group_ == nullptr) return;
  TermsPointer renewed = environment_.terms.terms_of(login_.user, login_.database);
  if (renewed->pooling != terms_->pooling) {
    const auto kept = std::make_shared<SessionTerms>(*renewed);
    kept->pooling = terms_->pooling;
    renewed = kept;
  }
  terms_ = std::move(renewed);
  environment_.pool.revise(*group_, terms_->connections());
}

/// The times of a session that is greeted. A session without any has no watch and no timer; one with some has one
/// timer, armed when a deadline comes nearer than what it is armed for, so hardly ever by a request.
void Session::begin_watch() {
  if (!terms_->times.has_any() || login_.is_replication) return;
  watch_ = std::make_unique<TimeWatch>(terms_->times);
}

TimeWatch::Activity Session::activity() const {
  if (!in_flight_.empty()) return TimeWatch::Activity::running;
  if (blocked_ != Blocked::nothing) return TimeWatch::Activity::waiting;
  const backend::Connection* link = current_link();
  const bool is_inside = link != nullptr && link->half().is_transaction_open();
  return is_inside ? TimeWatch::Activity::idle_in_transaction : TimeWatch::Activity::idle;
}

/// At the end of each turn.
void Session::keep_times() {
  if (watch_ == nullptr) return;
  const backend::Connection* link = current_link();
  const runtime::Instant now = environment_.loop.now();
  watch_->note({activity(), link != nullptr && link->half().is_transaction_open(), in_flight_.popped_count()}, now);
  switch (watch_->judge(now)) {
    case TimeWatch::Due::nothing: break;
    case TimeWatch::Due::cancel: cancel_own(); break;
    case TimeWatch::Due::end: {
      const ErrorCode reason = watch_->reason();
      // What runs would run on behind a connection that is closed.
      if (activity() == TimeWatch::Activity::running) environment_.registry.cancel(*key_, [] {});
      fail(protocol::failure(reason, Blame::client, "a time limit"));
      return;
    }
  }
  arm_watch();
}

void Session::arm_watch() {
  const std::optional<runtime::Instant> deadline = watch_->deadline();
  if (!deadline) return;
  if (watch_timer_ == nullptr) watch_timer_ = environment_.loop.make_timer([this] { on_watch_timer(); });
  if (watch_timer_->is_armed() && watch_armed_for_ <= *deadline) return;
  watch_armed_for_ = *deadline;
  watch_timer_->arm(*deadline);
}

void Session::on_watch_timer() {
  const std::optional<runtime::Instant> deadline = watch_->deadline();
  if (!deadline) return;
  if (*deadline <= environment_.loop.now()) {
    signal_.notify_now();
  } else {
    arm_watch();
  }
}

/// Cancels what runs, as the client itself could. Until the request has arrived nothing more is read of the client:
/// it could hit what comes next.
void Session::cancel_own() {
  cancel_done_ = std::make_shared<bool>(false);
  const std::weak_ptr<bool> mark = cancel_done_;
  environment_.registry.cancel(*key_, [this, mark] {
    const std::shared_ptr<bool> is_done = mark.lock();
    if (is_done == nullptr) return;
    *is_done = true;
    signal_.notify();
  });
}

}  // namespace proxy::session
