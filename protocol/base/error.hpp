#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace protocol {

/// Who caused an error. Decides log level, metric and what the client is told.
enum class Blame : std::uint8_t { client, backend, operator_, self };

/// Facts that can go wrong on the data plane. Each dialect maps them to its own codes in one function.
enum class ErrorCode : std::uint8_t {
  frame_truncated,         ///< a peer closed in the middle of a frame
  frame_length_invalid,    ///< a length field below the minimum or above the configured maximum
  message_malformed,       ///< the fields of a message do not fit its length or its grammar
  message_unexpected,      ///< a known message at a moment that does not allow it
  version_unsupported,     ///< the client asks for a protocol version nobody here speaks
  authentication_failed,   ///< the client's proof is wrong; never says whether the user exists
  access_denied,           ///< no rule lets the client in, or the one that matches keeps it out
  channel_binding_failed,  ///< the login's proof is not bound to this connection: perhaps somebody is in between
  authentication_unsupported,  ///< the peer demands a method that is not implemented
  encryption_failed,       ///< TLS is demanded and was refused, or its handshake failed
  startup_parameter_invalid,   ///< a start-up parameter is missing or contradicts another
  login_timeout,           ///< the peer did not finish its login before the deadline
  connections_exhausted,   ///< a configured limit on connections is reached
  user_connections_exhausted,      ///< one of the user that `subject` names
  database_connections_exhausted,  ///< one of the database that `subject` names
  memory_limit_reached,    ///< a configured bound on buffered bytes is reached
  backend_unreachable,     ///< no TCP connection to the endpoint
  backend_secret_missing,  ///< nothing that is known of the user satisfies this backend's login
  backend_refused,         ///< the backend ended the login with an error of its own
  backend_not_ready,       ///< the backend says that it takes nobody now: it starts, recovers or stops
  backend_lost,            ///< the connection broke while something was owed
  backend_misbehaved,      ///< the backend sent what the protocol does not allow
  backend_timeout,         ///< the backend did not answer before the deadline
  query_timeout,           ///< a statement ran longer than it may
  transaction_timeout,     ///< a transaction was open longer than it may be
  idle_in_transaction_timeout,  ///< a client let its transaction lie
  client_idle_timeout,     ///< a client said nothing for longer than it may
  restore_failed,          ///< the session's state could not be re-created on the other side
  hold_timeout,            ///< the operator holds the traffic, and that for too long
  transaction_ended,       ///< a transaction had to give way to a switchover: nothing of it is there
  transaction_unknown,     ///< likewise, and nobody knows whether it had been committed
  shutting_down,           ///< the proxy is going away
  configuration_invalid,   ///< a value given by the operator cannot be used
  internal,                ///< a broken invariant of ours that was survived
};

/// Stable lower-case name of a code, for logs and metrics.
[[nodiscard]] std::string_view name_of(ErrorCode code);
[[nodiscard]] std::string_view name_of(Blame blame);

/// An expected failure, as a value. `detail` is for the log; it never holds a secret or a literal of a
/// user's data. What the client may see is decided by the dialect.
struct Error {
  ErrorCode code = ErrorCode::internal;
  Blame blame = Blame::self;
  std::string detail;
  std::string subject = {};  ///< the user or database, by the name that the client itself gave; it may be told
};

}  // namespace protocol
