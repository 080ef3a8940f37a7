#include "protocol/postgres/greeting.hpp"

#include "protocol/postgres/message.hpp"
#include "protocol/postgres/sqlstate.hpp"

#include <algorithm>
#include <utility>

namespace protocol::postgres {
namespace {

ErrorFields fatal(std::string_view code, std::string message, std::string detail = {}, std::string hint = {}) {
  return {.severity = "FATAL",
          .code = std::string(code),
          .message = std::move(message),
          .detail = std::move(detail),
          .hint = std::move(hint)};
}

/// A client of protocol 1 or 2 cannot read fields; the server tells it a plain text.
/// Source: manual of PostgreSQL 7.3, "Frontend/Backend Protocol", ErrorResponse.
void write_error_for_version_2(std::string_view message, Bytes& to_send) {
  append(to_send, as_bytes("EFATAL:  "));
  append(to_send, as_bytes(message));
  append(to_send, as_bytes(std::string_view("\n\0", 2)));
}

bool speaks_version_3(ByteView packet) {
  ByteReader reader(packet);
  reader.read_u32_be();
  return reader.read_u16_be() >= 3;
}

}  // namespace

PostgresGreeting::PostgresGreeting(Admission admission, NonceSource& nonces, GreetingHost& host,
                                   ClientEncryption encryption, ProtocolVersion newest)
    : admission_(std::move(admission)),
      authentication_(admission_, nonces, host),
      encryption_(encryption),
      newest_(newest) {}

DialogueProgress PostgresGreeting::advance(ByteView received, Bytes& to_send) {
  std::size_t consumed = 0;
  while (step_ == Step::reading_startup) {
    const Taken taken = take_startup_packet(received.subspan(consumed), to_send);
    consumed += taken.bytes;
    if (taken.verdict == Verdict::failed) return {DialogueState::failed, consumed};
    if (taken.verdict == Verdict::upgrading) return {DialogueState::upgrading, consumed};
    if (taken.bytes == 0) return {DialogueState::reading, consumed};
  }
  if (step_ == Step::done) return {DialogueState::finished, consumed};
  DialogueProgress progress = authentication_.advance(received.subspan(consumed), to_send);
  progress.consumed += consumed;
  if (progress.state == DialogueState::finished) {
    login_.proof = authentication_.take_proof();
    step_ = Step::done;
  }
  if (progress.state == DialogueState::failed) error_ = authentication_.error();
  return progress;
}

/// Before anything was asked for and answered, a client may begin TLS at once.
bool PostgresGreeting::is_tls_hello(ByteView unread) const {
  return encryption_ != ClientEncryption::refused && !unread.empty() && unread[0] == tls_handshake_byte && !tls_ &&
         ssl_ == Request::not_made && gssenc_ == Request::not_made;
}

PostgresGreeting::Taken PostgresGreeting::take_startup_packet(ByteView unread, Bytes& to_send) {
  if (is_tls_hello(unread)) {
    is_direct_ = true;
    ssl_ = gssenc_ = Request::answered;
    return {0, Verdict::upgrading};
  }
  if (is_direct_ && tls_ && tls_->application_protocol != alpn_protocol) {
    // Without the name of the protocol the bytes of another one could be meant for us (ALPACA); the server closes
    // without a word too.
    return {0, verdict_of(fail_silently(failure(ErrorCode::message_unexpected, Blame::client,
                                                "TLS without an SSLRequest and without ALPN")))};
  }
  const Result<std::optional<std::size_t>> packet_bytes = scan_startup_packet(unread);
  // Whoever sends such a length does not speak the protocol; the server closes without a word, and so do we.
  // A TLS handshake where none is offered ends here too: its first bytes are an absurd length.
  if (!packet_bytes) return {0, verdict_of(fail_silently(packet_bytes.error()))};
  if (!packet_bytes->has_value() || unread.size() < **packet_bytes) return {};

  const std::size_t bytes = **packet_bytes;
  const bool has_more = unread.size() > bytes;
  Result<StartupRequest> request = decode_startup_packet(unread.first(bytes), newest_);
  if (!request) return {bytes, verdict_of(refuse_startup(request.error(), unread, to_send))};
  if (std::holds_alternative<SslRequest>(*request)) return answer_request(ssl_, "SSL", has_more, bytes, to_send);
  if (std::holds_alternative<GssencRequest>(*request)) {
    return answer_request(gssenc_, "GSSAPI encryption", has_more, bytes, to_send);
  }
  if (auto* key = std::get_if<CancelKey>(&*request)) {
    // In plain text too where TLS is required: libpq before 17 knows no other way, and the server takes it.
    outcome_ = Outcome::cancel;
    cancel_key_ = std::move(*key);
    step_ = Step::done;
    return {bytes, Verdict::fine};
  }
  return {bytes, verdict_of(accept_startup(std::get<StartupMessage>(*std::move(request)), to_send))};
}

bool PostgresGreeting::refuse_startup(const Error& error, ByteView unread, Bytes& to_send) {
  if (error.code == ErrorCode::frame_length_invalid) return fail_silently(error);
  if (error.code != ErrorCode::version_unsupported) {
    return fail(error, fatal(sqlstate::protocol_violation, error.detail), to_send);
  }
  if (speaks_version_3(unread)) return fail(error, fatal(sqlstate::feature_not_supported, error.detail), to_send);
  write_error_for_version_2(error.detail, to_send);
  return fail_silently(error);
}

PostgresGreeting::Taken PostgresGreeting::answer_request(Request& request, std::string_view name, bool has_more,
                                                         std::size_t packet_bytes, Bytes& to_send) {
  const bool is_for_tls = &request == &ssl_;
  if (request == Request::answered) {
    // The server takes a second request for a version number.
    const std::string minor = is_for_tls ? "5679" : "5680";
    const std::string message = "unsupported frontend protocol 1234." + minor + supported_versions(newest_);
    return {packet_bytes, verdict_of(fail(failure(ErrorCode::version_unsupported, Blame::client, message),
                                          fatal(sqlstate::feature_not_supported, message), to_send))};
  }
  request = Request::answered;
  const bool is_granted = is_for_tls && encryption_ != ClientEncryption::refused;
  if (!has_more) {
    to_send.push_back(is_granted ? std::byte{'S'} : std::byte{'N'});
    if (!is_granted) return {packet_bytes, Verdict::fine};
    gssenc_ = Request::answered;  // inside TLS nothing more can be asked for
    return {packet_bytes, Verdict::upgrading};
  }
  // A client waits for the one-byte answer before it says more, so these bytes may be somebody else's. The
  // server refuses them whatever its answer was. No S was said, so the client can read why.
  if (!is_granted) to_send.push_back(std::byte{'N'});
  const std::string message = "received unencrypted data after " + std::string(name) + " request";
  return {packet_bytes,
          verdict_of(fail(
              failure(ErrorCode::message_unexpected, Blame::client, message),
              fatal(sqlstate::protocol_violation, message,
                    "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."),
              to_send))};
}

/// Whether the connection is as safe as it must be for this user. The server judges it at the same point, by
/// pg_hba.conf.
bool PostgresGreeting::check_encryption(Bytes& to_send) {
  if (encryption_ < ClientEncryption::required) return true;
  if (!tls_) {
    return fail(failure(ErrorCode::encryption_failed, Blame::client, "the client did not ask for TLS"),
                fatal(sqlstate::invalid_authorization, "connection is not encrypted, and encryption is required", {},
                      "Connect with sslmode=require or a stricter mode."),
                to_send);
  }
  if (encryption_ >= ClientEncryption::certificate_required && !tls_->peer) {
    return fail(failure(ErrorCode::access_denied, Blame::client, "the client showed no certificate"),
                fatal(sqlstate::invalid_authorization, "connection requires a valid client certificate"), to_send);
  }
  if (encryption_ == ClientEncryption::user_certificate_required && tls_->peer->common_name != login_.user) {
    return fail(failure(ErrorCode::access_denied, Blame::client, "the client's certificate names somebody else"),
                fatal(sqlstate::invalid_authorization,
                      "certificate authentication failed for user \"" + login_.user + "\""),
                to_send);
  }
  return true;
}

bool PostgresGreeting::accept_startup(StartupMessage&& message, Bytes& to_send) {
  login_.parameters = std::move(message.parameters);
  const auto value_of = [this](const char* name) {
    const auto found = login_.parameters.find(name);
    return found == login_.parameters.end() ? std::string() : found->second;
  };
  const std::string replication = value_of("replication");
  std::optional<ReplicationMode> mode = ReplicationMode::none;
  if (login_.parameters.contains("replication")) mode = parse_replication_mode(replication);
  if (!mode) {
    return fail(failure(ErrorCode::startup_parameter_invalid, Blame::client, "invalid value for parameter \"replication\""),
                fatal(sqlstate::invalid_parameter_value,
                      "invalid value for parameter \"replication\": \"" + replication + "\"", {},
                      "Valid values are: \"false\", 0, \"true\", 1, \"database\"."),
                to_send);
  }
  const ProtocolVersion spoken = std::min(message.version, newest_);
  if (spoken != message.version || !message.protocol_options.empty()) {
    write_negotiate_protocol_version(spoken, message.protocol_options, to_send);
  }
  const bool takes_long_keys = spoken >= ProtocolVersion{3, 2};
  login_.cancel_secret_bytes = takes_long_keys ? cancel_secret_bytes_long : cancel_secret_bytes_short;
  login_.user = value_of("user").substr(0, name_bytes_max);
  if (login_.user.empty()) {
    return fail(failure(ErrorCode::startup_parameter_invalid, Blame::client, "no user name in the startup message"),
                fatal(sqlstate::invalid_authorization, "no PostgreSQL user name specified in startup packet"), to_send);
  }
  login_.is_replication = *mode != ReplicationMode::none;
  login_.database = value_of("database").substr(0, name_bytes_max);
  if (login_.database.empty()) login_.database = login_.user;
  // A physical replication connection belongs to no database.
  if (*mode == ReplicationMode::physical) login_.database.clear();
  login_.application_name = value_of("application_name");
  if (!check_encryption(to_send)) return false;
  step_ = Step::authenticating;
  // Its end, if it has come to one, is found by the caller, which advances it.
  if (authentication_.begin(login_, tls_, to_send) == DialogueState::failed) return fail_silently(authentication_.error());
  return true;
}

bool PostgresGreeting::fail(Error error, ErrorFields told, Bytes& to_send) {
  write_error_response(told, to_send);
  return fail_silently(std::move(error));
}

bool PostgresGreeting::fail_silently(Error error) {
  error_ = std::move(error);
  return false;
}

}  // namespace protocol::postgres
