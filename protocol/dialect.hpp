#pragma once

#include "protocol/capture.hpp"
#include "protocol/console.hpp"
#include "protocol/conversation.hpp"
#include "protocol/dialogue.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace protocol {

/// How far a session had come when an error is told to its client.
enum class SessionStage : std::uint8_t { greeting, conversing };

/// Whose the connections are that a session uses.
enum class Tenure : std::uint8_t {
  own,     ///< its own, for its life
  shared,  ///< others use them too, between its transactions
};

/// The only door between the machine and a wire protocol. One object per pair and worker; its objects live
/// on that worker's thread. Made by the composition root.
class Dialect {
 public:
  virtual ~Dialect() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;

  /// `host` outlives the greeting.
  [[nodiscard]] virtual std::unique_ptr<Greeting> make_greeting(GreetingHost& host) = 0;
  [[nodiscard]] virtual std::unique_ptr<ClientHalf> make_client_half(const Login& login, Tenure tenure) = 0;
  /// What sees a session's writes for the mirror; null: this dialect has none.
  [[nodiscard]] virtual std::unique_ptr<Capture> make_capture(const Login& /*login*/, const CaptureOptions& /*options*/) {
    return nullptr;
  }
  /// For a login to the console instead of a database.
  [[nodiscard]] virtual std::unique_ptr<Console> make_console() = 0;
  /// `login` is the client's: its start-up parameters are repeated to the backend. What is learned of a server is kept
  /// by `server_number`.
  [[nodiscard]] virtual std::unique_ptr<BackendLogin> make_backend_login(const Login& login,
                                                                         const BackendCredentials& credentials,
                                                                         EncryptionWish wish,
                                                                         std::uint32_t server_number) = 0;
  /// `half` was made by a dialect on another thread, and is used on this one from now on: what it shares with connections there
  /// it lets go of, and shares with those here. `login` and `server_number` as in make_backend_login().
  virtual void adopt(BackendHalf& half, const Login& login, std::uint32_t server_number) = 0;
  /// The same login, but its transactions may write wherever the server begins them read-only by a setting of the database. What the
  /// client itself has asked for stays.
  [[nodiscard]] virtual Login login_for_writes(const Login& login) const = 0;
  /// Sessions whose logins have equal keys can use each other's backend connections. Holds no secret.
  [[nodiscard]] virtual std::string pool_key(const Login& login) const = 0;
  /// The bytes that cancel whatever runs on the connection behind `half`; empty if it gave no key.
  [[nodiscard]] virtual Bytes write_cancel(const BackendHalf& half) = 0;
  /// Delivers what write_cancel() wrote, on a connection of its own; finished when all that must be said is said.
  [[nodiscard]] virtual std::unique_ptr<Dialogue> make_cancellation(Bytes cancel_bytes, EncryptionWish wish) = 0;
  /// Asks a server for a sign of life, without a user: finished when it has given one. It says nothing of whether
  /// sessions would be taken.
  [[nodiscard]] virtual std::unique_ptr<Dialogue> make_ping() = 0;
  /// The polite goodbye to a backend.
  [[nodiscard]] virtual Bytes write_terminate() = 0;
  /// Tells a client of an error that ends its session. Addresses and internals are left out.
  [[nodiscard]] virtual Bytes write_fatal(const Error& error, SessionStage stage) = 0;
  /// The code (SQLSTATE, errno) that write_fatal would use; for metrics.
  [[nodiscard]] virtual std::string_view code_of(const Error& error) const = 0;
};

}  // namespace protocol
