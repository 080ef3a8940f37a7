#pragma once

#include "tests/model/message.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace model {

using Deadline = std::chrono::steady_clock::time_point;

/// Where a server listens: a directory that holds its local socket (starts with '/'), or a literal IPv4 address.
struct Address {
  std::string host;
  std::uint16_t port = 0;
};

/// One socket, closed with its owner. Never inherited, never raises SIGPIPE.
class Socket {
 public:
  /// Throws std::runtime_error when nobody listens there.
  explicit Socket(const Address& address);
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket& operator=(Socket&&) = delete;
  ~Socket();
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

/// The driver's end of one session. Reads whenever it writes, as drivers do, so neither side can wait for the other.
class Session {
 public:
  /// Throws std::runtime_error when nobody listens there.
  explicit Session(const Address& address) : address_(address), socket_(address) {}

  /// Start-up packet to first ReadyForQuery; no password. Throws std::runtime_error on anything else.
  void log_in(const std::map<std::string, std::string>& parameters, Deadline deadline);
  /// False: not everything could be written before the deadline, or the peer has closed.
  bool write(std::string_view bytes, Deadline deadline);
  /// Waits at most `patience` for bytes. True: something has changed (bytes or the end).
  bool read_some(std::chrono::microseconds patience);
  /// Presents this session's key on a connection of its own and waits until that is closed.
  void cancel(Deadline deadline) const;

  /// Bytes written here that the peer's process has not read. Exact for local sockets only.
  [[nodiscard]] bool has_unread() const;
  [[nodiscard]] const std::vector<ServerMessage>& greeting() const { return greeting_; }
  [[nodiscard]] const std::vector<ServerMessage>& messages() const { return messages_; }
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  /// The peer sent something that is not a message.
  [[nodiscard]] bool is_garbled() const { return is_garbled_; }
  [[nodiscard]] std::uint32_t process_id() const { return process_id_; }

 private:
  Address address_;
  Socket socket_;
  std::string unread_;
  std::vector<ServerMessage> greeting_;
  std::vector<ServerMessage> messages_;
  std::uint32_t process_id_ = 0;
  std::string secret_;
  bool is_closed_ = false;
  bool is_garbled_ = false;
};

}  // namespace model
