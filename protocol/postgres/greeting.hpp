#pragma once

#include "protocol/dialogue.hpp"
#include "protocol/postgres/client_authentication.hpp"
#include "protocol/postgres/encryption.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/startup.hpp"

#include <memory>
#include <optional>
#include <string>

namespace protocol::postgres {

/// Greets a client: answers requests for encryption, reads the startup message, and authenticates as the access rules
/// say (see ClientAuthentication). On success AuthenticationOk has been written; the parameters, the key and the first
/// ReadyForQuery are left to the conversation. On failure the ErrorResponse that the client is owed has been
/// written, or nothing where the server too closes without a word (a packet that is not PostgreSQL's).
///
/// Source: PostgreSQL 15 manual, 55.2.1, 55.2.8, 55.2.10 "SSL Session Encryption", 55.3.1; the server's
/// ProcessStartupPacket for duplicates, order and what follows an encryption request.
///
///   reading_startup --SSLRequest, GSSENCRequest--> reading_startup (each once; TLS begins if it is offered)
///   reading_startup --a TLS handshake, before all else--> reading_startup (if it is offered)
///   reading_startup --CancelRequest--> done
///   reading_startup --StartupMessage--> authenticating
///   authenticating --ClientAuthentication is finished--> done
class PostgresGreeting final : public Greeting {
 public:
  /// `nonces` and `host` outlive the greeting. `newest` is what is spoken with clients who ask for it or for more.
  PostgresGreeting(Admission admission, NonceSource& nonces, GreetingHost& host,
                   ClientEncryption encryption = ClientEncryption::refused,
                   ProtocolVersion newest = protocol_version_latest);

  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send) override;
  void on_encrypted(const TlsFacts& facts) override { tls_ = facts; }
  [[nodiscard]] const Error& error() const override { return error_; }
  [[nodiscard]] Outcome outcome() const override { return outcome_; }
  [[nodiscard]] const Login& login() const override { return login_; }
  [[nodiscard]] const CancelKey& cancel_key() const override { return cancel_key_; }

 private:
  enum class Step : std::uint8_t { reading_startup, authenticating, done };
  enum class Request : std::uint8_t { not_made, answered };
  enum class Verdict : std::uint8_t { fine, failed, upgrading };
  /// What one step made of the bytes: how many it took (0: it needs more), and whether all went well.
  struct Taken {
    std::size_t bytes = 0;
    Verdict verdict = Verdict::fine;
  };
  [[nodiscard]] static Verdict verdict_of(bool is_fine) { return is_fine ? Verdict::fine : Verdict::failed; }

  Taken take_startup_packet(ByteView unread, Bytes& to_send);
  bool refuse_startup(const Error& error, ByteView unread, Bytes& to_send);
  Taken answer_request(Request& request, std::string_view name, bool has_more, std::size_t packet_bytes,
                       Bytes& to_send);
  [[nodiscard]] bool is_tls_hello(ByteView unread) const;
  bool check_encryption(Bytes& to_send);
  bool accept_startup(StartupMessage&& message, Bytes& to_send);
  /// Notes the error and tells the client; always false, for returning.
  bool fail(Error error, ErrorFields told, Bytes& to_send);
  bool fail_silently(Error error);

  Admission admission_;
  ClientAuthentication authentication_;
  Step step_ = Step::reading_startup;
  const ClientEncryption encryption_;
  const ProtocolVersion newest_;
  Request ssl_ = Request::not_made;
  Request gssenc_ = Request::not_made;
  bool is_direct_ = false;       ///< TLS began without an SSLRequest
  std::optional<TlsFacts> tls_;  ///< nothing: the connection is not encrypted
  Outcome outcome_ = Outcome::login;
  Login login_;
  CancelKey cancel_key_;
  Error error_;
};

}  // namespace protocol::postgres
