#include "protocol/postgres/error_response.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/sqlstate.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>

namespace protocol::postgres {
namespace {

void write_field(ByteWriter& writer, char type, std::string_view value) {
  writer.write_u8(static_cast<std::uint8_t>(type));
  for (const char character : value) {
    if (character != '\0') writer.write_u8(static_cast<std::uint8_t>(character));
  }
  writer.write_u8(0);
}

void write_report(BackendMessage tag, const ErrorFields& fields, Bytes& target) {
  FrameWriter frame(target, tag);
  ByteWriter& writer = frame.fields();
  write_field(writer, 'S', fields.severity);
  write_field(writer, 'V', fields.severity);
  write_field(writer, 'C', fields.code);
  write_field(writer, 'M', fields.message);
  if (!fields.detail.empty()) write_field(writer, 'D', fields.detail);
  if (!fields.hint.empty()) write_field(writer, 'H', fields.hint);
  if (!fields.file.empty()) write_field(writer, 'F', fields.file);
  if (!fields.routine.empty()) write_field(writer, 'R', fields.routine);
  writer.write_u8(0);
  frame.finish();
}

void keep_first(std::string_view& field, std::string_view value) {
  if (field.data() == nullptr) field = value;
}

}  // namespace

void write_error_response(const ErrorFields& fields, Bytes& target) {
  write_report(BackendMessage::error_response, fields, target);
}

void write_notice_response(const ErrorFields& fields, Bytes& target) {
  write_report(BackendMessage::notice_response, fields, target);
}

Result<ErrorReport> decode_error_report(ByteView payload) {
  const auto malformed = [](const char* why) {
    return failure(ErrorCode::message_malformed, Blame::backend, std::string("error report: ") + why);
  };
  ErrorReport report;
  std::string_view translated_severity;
  ByteReader reader(payload);
  while (true) {
    const auto type = static_cast<char>(reader.read_u8());
    if (!reader.ok()) return malformed("ends without a terminator");
    if (type == '\0') break;
    const std::string_view value = reader.read_text_z();
    if (!reader.ok()) return malformed("a field ends without a terminator");
    switch (type) {
      case 'S': keep_first(translated_severity, value); break;
      case 'V': keep_first(report.severity, value); break;
      case 'C': keep_first(report.code, value); break;
      case 'M': keep_first(report.message, value); break;
      case 'D': keep_first(report.detail, value); break;
      case 'H': keep_first(report.hint, value); break;
      default: break;
    }
  }
  if (!reader.is_complete()) return malformed("bytes behind the terminator");
  if (!report.code.empty() && report.code.size() != sqlstate::code_chars) return malformed("SQLSTATE of a wrong length");
  if (report.severity.empty()) report.severity = translated_severity;
  return report;
}

std::string_view sqlstate_of(const Error& error) {
  const bool is_clients_fault = error.blame == Blame::client;
  switch (error.code) {
    case ErrorCode::frame_truncated:
    case ErrorCode::frame_length_invalid:
    case ErrorCode::message_malformed:
    case ErrorCode::message_unexpected:
    case ErrorCode::backend_misbehaved: return sqlstate::protocol_violation;
    case ErrorCode::version_unsupported: return sqlstate::feature_not_supported;
    // The server says the same to a wrong password and to a user it does not know.
    case ErrorCode::authentication_failed: return sqlstate::invalid_password;
    // The server's code for both.
    case ErrorCode::access_denied:
    case ErrorCode::channel_binding_failed: return sqlstate::invalid_authorization;
    // From a client: it asked for what is not offered. From a backend: its method is not ours to speak.
    case ErrorCode::authentication_unsupported:
      return is_clients_fault ? sqlstate::feature_not_supported : sqlstate::server_rejected_connection;
    // As the server says of a connection that its rules want encrypted; towards a backend, as of one never had.
    case ErrorCode::encryption_failed:
      return is_clients_fault ? sqlstate::invalid_authorization : sqlstate::unable_to_connect;
    case ErrorCode::startup_parameter_invalid: return sqlstate::invalid_parameter_value;
    // The server's own "canceling authentication due to timeout" is 57014.
    case ErrorCode::login_timeout: return is_clients_fault ? sqlstate::query_canceled : sqlstate::connection_failure;
    case ErrorCode::connections_exhausted:
    case ErrorCode::user_connections_exhausted:
    case ErrorCode::database_connections_exhausted: return sqlstate::too_many_connections;
    case ErrorCode::query_timeout: return sqlstate::query_canceled;
    case ErrorCode::transaction_timeout: return sqlstate::transaction_timeout;
    case ErrorCode::idle_in_transaction_timeout: return sqlstate::idle_in_transaction_timeout;
    case ErrorCode::client_idle_timeout: return sqlstate::idle_session_timeout;
    case ErrorCode::memory_limit_reached: return sqlstate::configuration_limit_exceeded;
    case ErrorCode::backend_secret_missing:
    case ErrorCode::backend_refused: return sqlstate::server_rejected_connection;
    case ErrorCode::backend_not_ready: return sqlstate::cannot_connect_now;
    case ErrorCode::backend_unreachable:
    case ErrorCode::backend_lost:
    case ErrorCode::backend_timeout:
    case ErrorCode::restore_failed: return sqlstate::connection_failure;
    // Nothing of the request has begun, and drivers try again on it.
    case ErrorCode::hold_timeout: return sqlstate::cannot_connect_now;
    case ErrorCode::transaction_ended: return sqlstate::serialization_failure;
    case ErrorCode::transaction_unknown: return sqlstate::transaction_resolution_unknown;
    case ErrorCode::shutting_down: return sqlstate::admin_shutdown;
    case ErrorCode::configuration_invalid: return sqlstate::config_file_error;
    case ErrorCode::internal: return sqlstate::internal_error;
  }
  return sqlstate::internal_error;
}

namespace {

std::string message_of(const Error& error, SessionStage stage) {
  const bool is_greeting = stage == SessionStage::greeting;
  const bool is_backends_fault = error.blame == Blame::backend;
  switch (error.code) {
    case ErrorCode::frame_truncated:
      return is_backends_fault ? "the database server broke off in the middle of a message"
                               : "connection ended in the middle of a message";
    case ErrorCode::frame_length_invalid:
      if (is_backends_fault) return "the database server sent a message of an invalid length";
      return is_greeting ? "invalid length of startup packet" : "invalid message length";
    case ErrorCode::message_malformed:
      return is_backends_fault ? "the database server sent a malformed message" : "invalid message format";
    case ErrorCode::message_unexpected:
      return is_backends_fault ? "the database server sent a message out of turn" : "unexpected message type";
    case ErrorCode::version_unsupported: return "unsupported frontend protocol: server supports 3.0";
    case ErrorCode::authentication_failed: return "password authentication failed";
    case ErrorCode::access_denied: return "access is denied";
    case ErrorCode::channel_binding_failed: return "SCRAM channel binding check failed";
    case ErrorCode::authentication_unsupported:
      return error.blame == Blame::client ? "authentication method is not supported"
                                          : "the database server asks for an authentication method that is not supported";
    case ErrorCode::encryption_failed:
      return error.blame == Blame::client ? "connection is not encrypted, and encryption is required"
                                          : "could not establish an encrypted connection to the database server";
    case ErrorCode::startup_parameter_invalid: return "invalid startup parameter";
    case ErrorCode::login_timeout:
      return error.blame == Blame::client ? "canceling authentication due to timeout"
                                          : "the database server did not finish the login in time";
    case ErrorCode::connections_exhausted: return "sorry, too many clients already";
    case ErrorCode::user_connections_exhausted: return "too many connections for role \"" + error.subject + "\"";
    case ErrorCode::database_connections_exhausted: return "too many connections for database \"" + error.subject + "\"";
    case ErrorCode::query_timeout: return "canceling statement due to statement timeout";
    case ErrorCode::transaction_timeout: return "terminating connection due to transaction timeout";
    case ErrorCode::idle_in_transaction_timeout: return "terminating connection due to idle-in-transaction timeout";
    case ErrorCode::client_idle_timeout: return "terminating connection due to idle-session timeout";
    case ErrorCode::memory_limit_reached: return "a limit on buffered bytes was reached";
    case ErrorCode::backend_unreachable: return "could not connect to the database server";
    case ErrorCode::backend_secret_missing:
      return "nothing that the proxy knows of this user satisfies the database server";
    case ErrorCode::backend_refused: return "the database server rejected the connection";
    case ErrorCode::backend_not_ready: return "the database server takes no connections now";
    case ErrorCode::backend_lost: return "the connection to the database server was lost";
    case ErrorCode::backend_misbehaved: return "the database server broke the protocol";
    case ErrorCode::backend_timeout:
      return is_greeting ? "the database server did not answer the login in time"
                         : "the database server did not answer in time";
    case ErrorCode::restore_failed: return "the session's settings could not be restored on another database server";
    case ErrorCode::hold_timeout: return "the database is paused";
    case ErrorCode::transaction_ended: return "the transaction was ended for the move to another database server; it can safely be retried";
    case ErrorCode::transaction_unknown:
      return "the transaction was cut off by the move to another database server; whether it was committed is not known";
    case ErrorCode::shutting_down: return "terminating connection due to administrator command";
    case ErrorCode::configuration_invalid: return "the proxy's configuration cannot be used";
    case ErrorCode::internal: return "internal error of the proxy";
  }
  return "internal error of the proxy";
}

}  // namespace

ErrorFields describe(const Error& error, SessionStage stage) {
  return {.severity = "FATAL",
          .code = std::string(sqlstate_of(error)),
          .message = message_of(error, stage),
          .detail = {},
          .hint = {}};
}

}  // namespace protocol::postgres
