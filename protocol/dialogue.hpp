#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/error.hpp"
#include "protocol/base/tls_facts.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace protocol {

/// What a dialogue wants after it was advanced.
enum class DialogueState : std::uint8_t {
  reading,    ///< send what was written, then call again with more bytes
  waiting,    ///< send what was written; receive nothing; GreetingHost::wake() says when to call again
  upgrading,  ///< send what was written, begin TLS (bytes not consumed are TLS already), then on_encrypted()
  finished,   ///< its result is ready; bytes not consumed belong to whoever comes next
  failed,     ///< error() says why; send what was written (a polite goodbye), then close
};

struct DialogueProgress {
  DialogueState state;
  std::size_t consumed;  ///< bytes taken from the front of `received`
};

/// A multi-step conversation as bytes in, bytes out. It owns no socket, clock or thread.
class Dialogue {
 public:
  virtual ~Dialogue() = default;
  /// Consumes whole frames from the front of `received` and appends what must be sent to `to_send`.
  /// The first call may come with no bytes. Never call again after finished or failed.
  [[nodiscard]] virtual DialogueProgress advance(ByteView received, Bytes& to_send) = 0;
  /// After `upgrading`: the connection is encrypted from here on, and advance() goes on with what comes out of TLS.
  virtual void on_encrypted(const TlsFacts& /*facts*/) {}
  /// Valid after failed.
  [[nodiscard]] virtual const Error& error() const = 0;
};

/// Whether a dialogue with a server begins by asking it for TLS.
enum class EncryptionWish : std::uint8_t {
  none,       ///< it does not
  preferred,  ///< it does, and goes on in plain text when the server declines
  required,   ///< it does, and fails when the server declines
};

/// The key that a client presents to cancel a request. Of our own making for our clients, as long as their protocol
/// allows; whatever the backend gave for backends.
struct CancelKey {
  std::uint32_t process_id = 0;
  Bytes secret;
  bool operator==(const CancelKey&) const = default;
};

/// What a login has shown, in the form in which another login can use it; only the dialect that made it can look
/// inside. Immutable, so that threads can share it; wiped at its end; never printed.
class LoginProof {
 public:
  LoginProof() = default;
  LoginProof(const LoginProof&) = delete;
  LoginProof& operator=(const LoginProof&) = delete;
  virtual ~LoginProof() = default;
};
using LoginProofPointer = std::shared_ptr<const LoginProof>;

/// IPv4 (as ::ffff:a.b.c.d) or IPv6 in network order; all zeros for a local socket.
using PeerAddress = std::array<std::uint8_t, 16>;

/// The machine around a greeting, as far as the greeting has questions to it.
class GreetingHost {
 public:
  virtual ~GreetingHost() = default;
  [[nodiscard]] virtual const PeerAddress& client_address() const = 0;
  /// The number of the machine's user whose process the client is; nothing unless it came over a local socket.
  [[nodiscard]] virtual std::optional<std::uint32_t> local_user_number() const { return std::nullopt; }
  /// Too many logins of `user` from this client's address have failed lately.
  [[nodiscard]] virtual bool is_barred(std::string_view user) = 0;
  /// A greeting that is waiting wants to be advanced. On its own thread, never from inside advance().
  virtual void wake() = 0;
};

/// Where the client's connection comes from and who is asking, once greeted.
struct Login {
  std::string user;
  std::string database;
  std::string application_name;
  /// Every start-up parameter as the client gave it, user and database included.
  std::map<std::string, std::string> parameters;
  bool is_replication = false;
  std::size_t cancel_secret_bytes = 4;  ///< of the key that cancels its requests
  LoginProofPointer proof;  ///< null: the login has shown nothing that a backend could be shown
};

/// The conversation with a fresh client up to the point where it is authenticated (or asks to cancel).
class Greeting : public Dialogue {
 public:
  enum class Outcome : std::uint8_t { login, cancel };
  [[nodiscard]] virtual Outcome outcome() const = 0;   ///< valid after finished
  /// Valid after finished; the user also after failed, if the client came as far as to name one.
  [[nodiscard]] virtual const Login& login() const = 0;
  [[nodiscard]] virtual const CancelKey& cancel_key() const = 0;
};

/// What Crossfade presents to a backend.
struct BackendCredentials {
  std::string user;
  std::string password;     ///< empty: none configured
  LoginProofPointer proof = nullptr;  ///< what `user` has shown to us, for want of a password; may be null
};

}  // namespace protocol
