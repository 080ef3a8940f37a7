#include "proxy/session/time_watch.hpp"

#include <algorithm>

namespace proxy::session {

using protocol::ErrorCode;

namespace {

std::optional<runtime::Instant> after(std::optional<runtime::Instant> since, std::chrono::milliseconds limit) {
  if (!since || limit.count() == 0) return std::nullopt;
  return *since + limit;
}

}  // namespace

void TimeWatch::note(const Facts& facts, Instant now) {
  const bool has_answered = facts.answered_count != facts_.answered_count;
  // Behind an answer a pipeline's next batch begins to run.
  if (!since_ || facts.activity != facts_.activity || has_answered) {
    since_ = now;
    cancelled_.reset();
  }
  const bool is_inside = facts.activity == Activity::running || facts.activity == Activity::idle_in_transaction;
  if (!is_inside) {
    transaction_since_.reset();
  } else if (!transaction_since_ || (has_answered && !facts.is_transaction_open)) {
    transaction_since_ = now;
  }
  facts_ = facts;
}

std::optional<TimeWatch::Instant> TimeWatch::activity_deadline() const {
  switch (facts_.activity) {
    case Activity::idle: return after(since_, limits_.client_idle);
    case Activity::waiting: return std::nullopt;
    case Activity::running: return cancelled_ ? after(cancelled_, cut_after) : after(since_, limits_.query);
    case Activity::idle_in_transaction: return after(since_, limits_.idle_in_transaction);
  }
  return std::nullopt;
}

std::optional<TimeWatch::Instant> TimeWatch::transaction_deadline() const {
  return after(transaction_since_, limits_.transaction);
}

std::optional<TimeWatch::Instant> TimeWatch::deadline() const {
  const std::optional<Instant> of_activity = activity_deadline();
  const std::optional<Instant> of_transaction = transaction_deadline();
  if (!of_activity || !of_transaction) return of_activity ? of_activity : of_transaction;
  return std::min(*of_activity, *of_transaction);
}

TimeWatch::Due TimeWatch::judge(Instant now) {
  const auto is_over = [now](std::optional<Instant> deadline) { return deadline && *deadline <= now; };
  if (is_over(transaction_deadline())) {
    reason_ = ErrorCode::transaction_timeout;
    return Due::end;
  }
  if (!is_over(activity_deadline())) return Due::nothing;
  switch (facts_.activity) {
    case Activity::waiting: return Due::nothing;
    case Activity::idle: reason_ = ErrorCode::client_idle_timeout; return Due::end;
    case Activity::idle_in_transaction: reason_ = ErrorCode::idle_in_transaction_timeout; return Due::end;
    case Activity::running: break;
  }
  if (!cancelled_) {
    cancelled_ = now;
    return Due::cancel;
  }
  reason_ = ErrorCode::query_timeout;
  return Due::end;
}

}  // namespace proxy::session
