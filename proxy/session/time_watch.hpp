#pragma once

#include "protocol/base/error.hpp"
#include "proxy/runtime/loop.hpp"
#include "proxy/session/session_terms.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace proxy::session {

/// Keeps the times of one session. Knows no clock: it is told what the session does at the end of each of its turns,
/// and asked what is due.
///
/// A statement that runs too long is cancelled; if the backend has not answered `cut_after` later, the session ends.
/// Source: PostgreSQL 17 manual, 20.11.1 "Statement Behavior" (statement_timeout, transaction_timeout,
/// idle_in_transaction_session_timeout, idle_session_timeout).
class TimeWatch {
 public:
  using Instant = runtime::Instant;
  static constexpr std::chrono::seconds cut_after{5};

  enum class Activity : std::uint8_t {
    idle,                 ///< nothing is asked, nothing is open
    waiting,              ///< for a connection or the session's state on it, which have timeouts of their own
    running,              ///< a backend owes the reply to a batch
    idle_in_transaction,  ///< the client is to speak
  };
  struct Facts {
    Activity activity = Activity::idle;
    bool is_transaction_open = false;  ///< as of the last reply
    std::uint64_t answered_count = 0;  ///< batches answered so far
  };

  explicit TimeWatch(const TimeLimits& limits) : limits_(limits) {}

  void note(const Facts& facts, Instant now);
  /// When something is due if the session goes on as it is; nothing: never.
  [[nodiscard]] std::optional<Instant> deadline() const;

  enum class Due : std::uint8_t {
    nothing,
    cancel,  ///< what runs; said once for each batch
    end,     ///< the session, for reason()
  };
  [[nodiscard]] Due judge(Instant now);
  /// Valid after `end`.
  [[nodiscard]] protocol::ErrorCode reason() const { return reason_; }

 private:
  [[nodiscard]] std::optional<Instant> activity_deadline() const;
  [[nodiscard]] std::optional<Instant> transaction_deadline() const;

  const TimeLimits limits_;
  Facts facts_;
  std::optional<Instant> since_;              ///< the activity began
  std::optional<Instant> transaction_since_;  ///< nothing: none is open
  std::optional<Instant> cancelled_;          ///< the batch that runs
  protocol::ErrorCode reason_ = protocol::ErrorCode::internal;
};

}  // namespace proxy::session
