#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/error.hpp"
#include "protocol/base/tls_facts.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace protocol {

/// What a dialogue wants after it was advanced.
enum class DialogueState : std::uint8_t {
  reading,    ///< send what was written, then call again with more bytes
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

/// The key that a client presents to cancel a request. Eight bytes of our own making for our clients;
/// whatever the backend gave for backends.
struct CancelKey {
  std::uint32_t process_id = 0;
  Bytes secret;
  bool operator==(const CancelKey&) const = default;
};

/// Where the client's connection comes from and who is asking, once greeted.
struct Login {
  std::string user;
  std::string database;
  std::string application_name;
  /// Every start-up parameter as the client gave it, user and database included.
  std::map<std::string, std::string> parameters;
  bool is_replication = false;
};

/// The conversation with a fresh client up to the point where it is authenticated (or asks to cancel).
class Greeting : public Dialogue {
 public:
  enum class Outcome : std::uint8_t { login, cancel };
  [[nodiscard]] virtual Outcome outcome() const = 0;   ///< valid after finished
  [[nodiscard]] virtual const Login& login() const = 0;
  [[nodiscard]] virtual const CancelKey& cancel_key() const = 0;
};

/// What Crossfade presents to a backend.
struct BackendCredentials {
  std::string user;
  std::string password;  ///< empty: none configured
};

}  // namespace protocol
