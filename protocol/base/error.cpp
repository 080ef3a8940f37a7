#include "protocol/base/error.hpp"

namespace protocol {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::frame_truncated: return "frame_truncated";
    case ErrorCode::frame_length_invalid: return "frame_length_invalid";
    case ErrorCode::message_malformed: return "message_malformed";
    case ErrorCode::message_unexpected: return "message_unexpected";
    case ErrorCode::version_unsupported: return "version_unsupported";
    case ErrorCode::authentication_failed: return "authentication_failed";
    case ErrorCode::access_denied: return "access_denied";
    case ErrorCode::channel_binding_failed: return "channel_binding_failed";
    case ErrorCode::authentication_unsupported: return "authentication_unsupported";
    case ErrorCode::encryption_failed: return "encryption_failed";
    case ErrorCode::startup_parameter_invalid: return "startup_parameter_invalid";
    case ErrorCode::login_timeout: return "login_timeout";
    case ErrorCode::connections_exhausted: return "connections_exhausted";
    case ErrorCode::user_connections_exhausted: return "user_connections_exhausted";
    case ErrorCode::database_connections_exhausted: return "database_connections_exhausted";
    case ErrorCode::memory_limit_reached: return "memory_limit_reached";
    case ErrorCode::backend_unreachable: return "backend_unreachable";
    case ErrorCode::backend_secret_missing: return "backend_secret_missing";
    case ErrorCode::backend_refused: return "backend_refused";
    case ErrorCode::backend_not_ready: return "backend_not_ready";
    case ErrorCode::backend_lost: return "backend_lost";
    case ErrorCode::backend_misbehaved: return "backend_misbehaved";
    case ErrorCode::backend_timeout: return "backend_timeout";
    case ErrorCode::query_timeout: return "query_timeout";
    case ErrorCode::transaction_timeout: return "transaction_timeout";
    case ErrorCode::idle_in_transaction_timeout: return "idle_in_transaction_timeout";
    case ErrorCode::client_idle_timeout: return "client_idle_timeout";
    case ErrorCode::restore_failed: return "restore_failed";
    case ErrorCode::hold_timeout: return "hold_timeout";
    case ErrorCode::transaction_ended: return "transaction_ended";
    case ErrorCode::transaction_unknown: return "transaction_unknown";
    case ErrorCode::shutting_down: return "shutting_down";
    case ErrorCode::configuration_invalid: return "configuration_invalid";
    case ErrorCode::internal: return "internal";
  }
  return "unknown";
}

std::string_view name_of(Blame blame) {
  switch (blame) {
    case Blame::client: return "client";
    case Blame::backend: return "backend";
    case Blame::operator_: return "operator";
    case Blame::self: return "self";
  }
  return "unknown";
}

}  // namespace protocol
