#pragma once

#include "protocol/dialogue.hpp"
#include "protocol/postgres/access_rules.hpp"
#include "protocol/postgres/error_response.hpp"
#include "protocol/postgres/user_directory.hpp"
#include "protocol/secret_source.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace protocol::postgres {

/// Who may log in, and what is known of them.
struct Admission {
  std::shared_ptr<const AccessRules> rules;
  std::shared_ptr<const UserDirectory> users;
  SecretSource* local_users = nullptr;  ///< asked for numbers of the machine's users, answers their names; null: nobody can be asked
  SecretSource* secrets = nullptr;  ///< of users not in `users`; null: nobody else is known. Outlives the greetings
};

/// The second part of a greeting: from the startup message to AuthenticationOk. The first access rule that matches says
/// how; a user whom nobody knows goes through the same exchange as one with a wrong password and hears the same words.
///
/// Source: PostgreSQL 15 manual, 55.2.1 "Start-up", 55.3.1, 21.1; the server's words and codes where it refuses.
///
///   begin() --rule: trust, certificate--> over
///   begin() --any other rule, secret known or not--> reading_password, reading_md5 or reading_initial_response
///   begin() --secret must be asked for--> awaiting_secret --answer--> as above
///   begin() --rule: peer--> awaiting_secret, of the name of the machine's user --answer--> over
///   reading_initial_response --with client-first--> reading_final
///   reading_initial_response --without--> reading_first --client-first--> reading_final
///   reading_password, reading_md5, reading_final --right--> over
class ClientAuthentication {
 public:
  /// All three outlive it.
  ClientAuthentication(const Admission& admission, NonceSource& nonces, GreetingHost& host);
  ~ClientAuthentication();
  ClientAuthentication(const ClientAuthentication&) = delete;
  ClientAuthentication& operator=(const ClientAuthentication&) = delete;

  /// `login` is whole but for its proof; `tls` is nothing on a connection that is not encrypted. Both outlive this.
  /// Returns as advance() does.
  [[nodiscard]] DialogueState begin(const Login& login, const std::optional<TlsFacts>& tls, Bytes& to_send);
  /// As Dialogue::advance().
  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send);
  [[nodiscard]] const Error& error() const { return error_; }  ///< after failed
  /// After finished, once: what the login has shown; may be null.
  [[nodiscard]] LoginProofPointer take_proof() { return std::move(proof_); }

  /// The server's bound on one message of a SASL exchange (PG_MAX_SASL_MESSAGE_LENGTH).
  static constexpr std::size_t sasl_payload_bytes_max = 1024;
  /// Of a password, in clear or hashed. The server takes 64 KiB, for tokens of other methods.
  static constexpr std::size_t password_payload_bytes_max = 4096;

 private:
  enum class Step : std::uint8_t {
    awaiting_secret,
    reading_password,
    reading_md5,
    reading_initial_response,
    reading_first,
    reading_final,
    over,
  };

  bool apply(const AccessRule& rule, Bytes& to_send);
  bool accept_certificate(Bytes& to_send);
  bool ask_for_secret(Bytes& to_send);
  bool ask_for_peer(Bytes& to_send);
  bool accept_peer(const SecretAnswer& answer, Bytes& to_send);
  bool accept_answer(Bytes& to_send);
  bool begin_exchange(UserCredentials credentials, Bytes& to_send);
  void begin_scram(Bytes& to_send);

  [[nodiscard]] bool is_reading_sasl() const { return step_ >= Step::reading_initial_response; }
  /// Bytes taken: 0 if more are needed or it has failed.
  std::size_t take_message(ByteView unread, bool& has_failed, Bytes& to_send);
  bool accept_message(ByteView payload, Bytes& to_send);
  bool accept_password(ByteView payload, Bytes& to_send);
  [[nodiscard]] bool is_right_password(std::string_view shown) const;
  bool accept_initial_response(ByteView payload, Bytes& to_send);
  bool accept_client_first(std::string_view text, Bytes& to_send);
  bool accept_client_final(std::string_view text, Bytes& to_send);
  bool succeed(Bytes& to_send);

  // Each notes the error and tells the client; always false, for returning.
  bool deny(std::string message, Bytes& to_send);
  bool fail(Error error, ErrorFields told, Bytes& to_send);
  bool fail_login(std::string detail, Bytes& to_send);
  bool fail_scram(const Error& error, Bytes& to_send);
  [[nodiscard]] std::string describe_connection() const;

  const Admission& admission_;
  NonceSource& nonces_;
  GreetingHost& host_;
  const Login* login_ = nullptr;  ///< from begin() on
  const TlsFacts* tls_ = nullptr;  ///< null: not encrypted
  Step step_ = Step::over;
  AccessMethod method_ = AccessMethod::reject;
  std::shared_ptr<SecretQuestion> question_;
  bool is_secret_from_source_ = false;
  UserCredentials credentials_;
  std::array<std::byte, 4> md5_salt_{};
  std::optional<ScramServer> scram_;
  ScramBinding offered_binding_;
  LoginProofPointer proof_;
  Error error_;
};

}  // namespace protocol::postgres
