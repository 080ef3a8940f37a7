#pragma once

#include "protocol/dialogue.hpp"
#include "protocol/postgres/authentication.hpp"
#include "protocol/postgres/encryption.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "protocol/postgres/scram.hpp"
#include "protocol/postgres/startup.hpp"
#include "protocol/postgres/user_secret.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace protocol::postgres {

/// What a backend said about itself during the login.
struct BackendIdentity {
  std::map<std::string, std::string> parameters;  ///< the last ParameterStatus of each name
  std::optional<CancelKey> key;                   ///< some servers give none
};

/// Logs in to a backend for a client's session: repeats the client's startup parameters under the user that is
/// configured for the backend, answers trust, cleartext, MD5 and SCRAM-SHA-256 (with channel binding where it is
/// offered over TLS) from a password or from what the client's own login has shown, and collects what the server
/// reports until it is ready. Notices are dropped.
///
/// Failures: backend_misbehaved when the server breaks the protocol or cannot prove that it knows the
/// password; authentication_unsupported when it wants another method; backend_refused when it answers with an
/// ErrorResponse (backend_not_ready when it would refuse anybody now); backend_secret_missing when nothing that is
/// known of the user answers what it asks; startup_parameter_invalid when the parameters do not fit a startup message.
///
/// Source: PostgreSQL 15 manual, 55.2.1 "Start-up", 55.3.1 "SCRAM-SHA-256 Authentication".
///
///   starting --TLS wanted: SSLRequest written--> asking_for_encryption
///   asking_for_encryption --S: TLS, then the startup message--> authenticating
///   asking_for_encryption --N--> authenticating, unless TLS is required
///   starting --startup message written--> authenticating
///   authenticating --AuthenticationOk--> collecting
///   authenticating --cleartext, MD5: password written--> awaiting_ok
///   authenticating --SASL: client-first written--> awaiting_challenge
///   awaiting_challenge --SASLContinue: client-final written--> awaiting_signature
///   awaiting_signature --SASLFinal, verified--> awaiting_ok
///   awaiting_ok --AuthenticationOk--> collecting
///   collecting --ReadyForQuery--> done
class BackendLoginDialogue final : public Dialogue {
 public:
  /// `cache` belongs to the same worker; it and `nonces` outlive the dialogue. An empty credentials.user means
  /// the client's own name.
  BackendLoginDialogue(const Login& login, const BackendCredentials& credentials, NonceSource& nonces,
                       ScramKeyCache& cache, EncryptionWish wish = EncryptionWish::none);
  ~BackendLoginDialogue() override;
  BackendLoginDialogue(const BackendLoginDialogue&) = delete;
  BackendLoginDialogue& operator=(const BackendLoginDialogue&) = delete;

  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send) override;
  void on_encrypted(const TlsFacts& facts) override { tls_ = facts; }
  [[nodiscard]] const Error& error() const override { return error_; }

  /// Valid after finished, once.
  [[nodiscard]] BackendIdentity take_identity() { return std::move(identity_); }
  /// Valid after failed: the server's ErrorResponse as it came, when it concerns the client (its database does
  /// not exist, a setting is invalid, the server is full or starting up …). Empty when it concerns our own
  /// credentials, access by address, or our own use of the protocol (classes 28 and 08): that is the
  /// operator's business and may name addresses; but once the server has let the client's own user in, class 28 says
  /// that there is no such role, or that it may not log in.
  [[nodiscard]] ByteView refusal() const { return refusal_; }
  /// Valid after failed: the SQLSTATE of the server's ErrorResponse, also where refusal() is empty; empty when
  /// it sent none.
  [[nodiscard]] std::string_view refusal_code() const { return refusal_code_; }

  /// No message of a login needs more; libpq draws the same line for errors.
  static constexpr std::size_t payload_bytes_max = 30'000;
  /// A server reports a dozen.
  static constexpr std::size_t parameter_count_max = 256;

 private:
  enum class Step : std::uint8_t {
    starting,
    asking_for_encryption,
    authenticating,
    awaiting_challenge,
    awaiting_signature,
    awaiting_ok,
    collecting,
    done,
  };

  /// Up to the startup message. nullopt: it is written.
  std::optional<DialogueProgress> begin(ByteView received, std::size_t& consumed, Bytes& to_send);
  bool write_startup(Bytes& to_send);
  bool accept(BackendMessage tag, ByteView frame, Bytes& to_send);
  bool accept_authentication(ByteView payload, Bytes& to_send);
  bool answer_password_request(AuthenticationCode code, ByteView body, Bytes& to_send);
  bool answer_cleartext(Bytes& to_send);
  bool answer_md5(ByteView salt, Bytes& to_send);
  bool send_password(std::string_view answer, Bytes& to_send);
  bool begin_sasl(ByteView mechanisms, Bytes& to_send);
  bool answer_challenge(ByteView body, Bytes& to_send);
  bool accept_parameter_status(ByteView payload);
  bool accept_key(ByteView payload);
  bool accept_ready(ByteView payload);
  bool accept_refusal(ByteView frame);
  /// Notes the error; always false, for returning.
  bool fail(Error error);
  bool misbehaved(std::string detail);
  bool lacks_secret(std::string detail);
  /// The password that is configured or that the client has shown; empty when there is none.
  [[nodiscard]] std::string_view password() const;
  template <class Shown>
  [[nodiscard]] const Shown* shown() const;

  StartupMessage startup_;
  std::string user_;
  bool is_clients_name_;
  SecretText password_;
  std::shared_ptr<const PostgresLoginProof> proof_;
  NonceSource& nonces_;
  ScramKeyCache& cache_;
  EncryptionRequest encryption_;
  std::optional<TlsFacts> tls_;  ///< nothing: the connection is not encrypted
  Step step_ = Step::starting;
  std::optional<ScramClient> scram_;
  BackendIdentity identity_;
  Bytes refusal_;
  std::string refusal_code_;
  Error error_;
};

/// The parameters of the startup message to a backend: the client's own, `user` exchanged, `database` always
/// named (the server would derive it from the user), protocol options left out.
[[nodiscard]] StartupMessage make_backend_startup(const Login& login, std::string_view user);

}  // namespace protocol::postgres
