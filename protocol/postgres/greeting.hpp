#pragma once

#include "protocol/dialogue.hpp"
#include "protocol/postgres/encryption.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/startup.hpp"
#include "protocol/postgres/user_directory.hpp"

#include <memory>
#include <optional>
#include <string>

namespace protocol::postgres {

/// Greets a client: answers requests for encryption, reads the startup message, and authenticates by trust or
/// SCRAM-SHA-256. On success AuthenticationOk has been written; the parameters, the key and the first
/// ReadyForQuery are left to the conversation. On failure the ErrorResponse that the client is owed has been
/// written, or nothing where the server too closes without a word (a packet that is not PostgreSQL's).
///
/// Source: PostgreSQL 15 manual, 55.2.1, 55.2.8, 55.2.10 "SSL Session Encryption", 55.3.1; the server's
/// ProcessStartupPacket for duplicates, order and what follows an encryption request.
///
///   reading_startup --SSLRequest, GSSENCRequest--> reading_startup (each once; TLS begins if it is offered)
///   reading_startup --a TLS handshake, before all else--> reading_startup (if it is offered)
///   reading_startup --CancelRequest--> done
///   reading_startup --StartupMessage, trust--> done
///   reading_startup --StartupMessage, scram--> reading_initial_response
///   reading_initial_response --with client-first--> reading_final
///   reading_initial_response --without--> reading_first --client-first--> reading_final
///   reading_final --right proof--> done
class PostgresGreeting final : public Greeting {
 public:
  /// `nonces` outlives the greeting.
  PostgresGreeting(std::shared_ptr<const UserDirectory> users, NonceSource& nonces,
                   ClientEncryption encryption = ClientEncryption::refused);

  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send) override;
  void on_encrypted(const TlsFacts& facts) override { tls_ = facts; }
  [[nodiscard]] const Error& error() const override { return error_; }
  [[nodiscard]] Outcome outcome() const override { return outcome_; }
  [[nodiscard]] const Login& login() const override { return login_; }
  [[nodiscard]] const CancelKey& cancel_key() const override { return cancel_key_; }

  /// The server's bound on one message of a SASL exchange (PG_MAX_SASL_MESSAGE_LENGTH).
  static constexpr std::size_t sasl_payload_bytes_max = 1024;

 private:
  enum class Step : std::uint8_t { reading_startup, reading_initial_response, reading_first, reading_final, done };
  enum class Request : std::uint8_t { not_made, answered };
  enum class Verdict : std::uint8_t { fine, failed, upgrading };
  /// What one step made of the bytes: how many it took (0: it needs more), and whether all went well.
  struct Taken {
    std::size_t bytes = 0;
    Verdict verdict = Verdict::fine;
  };
  [[nodiscard]] static Verdict verdict_of(bool is_fine) { return is_fine ? Verdict::fine : Verdict::failed; }

  Taken take_startup_packet(ByteView unread, Bytes& to_send);
  Taken take_sasl_message(ByteView unread, Bytes& to_send);
  bool refuse_startup(const Error& error, ByteView unread, Bytes& to_send);
  Taken answer_request(Request& request, std::string_view name, bool has_more, std::size_t packet_bytes,
                       Bytes& to_send);
  [[nodiscard]] bool is_tls_hello(ByteView unread) const;
  bool check_encryption(Bytes& to_send);
  bool accept_startup(StartupMessage&& message, Bytes& to_send);
  bool begin_authentication(Bytes& to_send);
  bool accept_initial_response(ByteView payload, Bytes& to_send);
  bool accept_client_first(std::string_view text, Bytes& to_send);
  bool accept_client_final(std::string_view text, Bytes& to_send);
  /// Notes the error and tells the client; always false, for returning.
  bool fail(Error error, ErrorFields told, Bytes& to_send);
  bool fail_scram(const Error& error, Bytes& to_send);
  bool fail_silently(Error error);

  std::shared_ptr<const UserDirectory> users_;
  NonceSource& nonces_;
  Step step_ = Step::reading_startup;
  const ClientEncryption encryption_;
  Request ssl_ = Request::not_made;
  Request gssenc_ = Request::not_made;
  bool is_direct_ = false;       ///< TLS began without an SSLRequest
  std::optional<TlsFacts> tls_;  ///< nothing: the connection is not encrypted
  Outcome outcome_ = Outcome::login;
  Login login_;
  CancelKey cancel_key_;
  std::optional<ScramServer> scram_;
  Error error_;
};

}  // namespace protocol::postgres
