#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/tls_facts.hpp"
#include "protocol/wire/gather.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace proxy::net {

/// Told that a stream may have become readable, writable, connected or broken. Called from the loop, never
/// from inside a call into the stream. The receiver may destroy the stream from here.
class StreamListener {
 public:
  virtual ~StreamListener() = default;
  virtual void on_stream_ready() = 0;
};

enum class IoState : std::uint8_t {
  done,         ///< read: `bytes` > 0 arrived; write: all of it was taken
  would_block,  ///< read: nothing there; write: only `bytes` were taken
  end,          ///< read: the peer closed its side in order
  failed,       ///< the connection is broken; close it
};

struct IoOutcome {
  IoState state = IoState::would_block;
  std::size_t bytes = 0;
};

/// What is left of a stream that was taken out of its loop, on its way into another; closed when destroyed. Belongs to
/// no thread.
class Freight {
 public:
  virtual ~Freight() = default;
};

/// A byte stream to one peer, never blocking. Real ones are TCP; the simulation has its own. Owned by one
/// session on one thread. Edge-triggered: after on_stream_ready() read until a short read or would_block.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Null stops the calls. Not owned.
  virtual void set_listener(StreamListener* listener) = 0;
  /// Something was announced that a try_read() has not yet used up. Cheap; saves fruitless system calls.
  [[nodiscard]] virtual bool is_readable() const = 0;
  [[nodiscard]] virtual bool is_writable() const = 0;
  /// Still connecting (streams from a connector), or in the middle of a TLS handshake. When it turns false,
  /// is_broken() tells how it went.
  [[nodiscard]] virtual bool is_connecting() const = 0;
  [[nodiscard]] virtual bool is_broken() const = 0;
  /// One receive of at most target.size() bytes. A short read clears is_readable() unless the peer's end was
  /// announced too.
  [[nodiscard]] virtual IoOutcome try_read(std::span<std::byte> target) = 0;
  /// Sends as much as the socket takes, from `skip` bytes into `source`; never raises SIGPIPE.
  /// IoOutcome::bytes counts the bytes taken by this call.
  [[nodiscard]] virtual IoOutcome try_write(const protocol::Gather& source, std::size_t skip) = 0;
  [[nodiscard]] virtual IoOutcome try_write(protocol::ByteView source) = 0;
  /// Bytes that were taken have not left yet; the stream sends them by itself. Only streams that change the bytes
  /// on their way hold any.
  [[nodiscard]] virtual bool has_unsent() const { return false; }
  /// What the TLS handshake brought to light; nothing before its end and for plain streams. Costs some work.
  [[nodiscard]] virtual std::optional<protocol::TlsFacts> tls_facts() const { return std::nullopt; }
  /// Looks whether anything has arrived, the peer's end included, that was not announced yet: is_readable() then, and
  /// nobody is told. One system call; streams that cannot look say what they know.
  [[nodiscard]] virtual bool has_news() { return is_readable(); }
  /// Takes the stream out of its loop; null when it cannot be moved, or something was announced. Afterwards closed.
  [[nodiscard]] virtual std::unique_ptr<Freight> take_out() { return nullptr; }
  /// Closes at once; later calls fail. The destructor does the same.
  virtual void close() = 0;
  /// Why it broke, for logs: "connection refused", "reset by peer". Never an address.
  [[nodiscard]] virtual std::string failure() const = 0;
};

}  // namespace proxy::net
