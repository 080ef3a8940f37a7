#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

/// A peer that sends whatever bytes a test likes. Blocking, with a limit so that a test that would hang fails.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("connect failed");
    }
  }
  ~RawClient() {
    if (socket_ >= 0) ::close(socket_);
  }
  RawClient(RawClient&& source) noexcept
      : socket_(std::exchange(source.socket_, -1)), received_(std::move(source.received_)) {}
  RawClient& operator=(RawClient&&) = delete;

  /// False: the other end is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void finish_sending() { ::shutdown(socket_, SHUT_WR); }

  /// Closes with a reset instead of a farewell.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(socket_, -1));
  }

  /// Everything until the other end closes, however it does.
  std::string read_to_end() {
    while (read_some()) {
    }
    return std::exchange(received_, {});
  }

  /// One reply with a Content-Length; what came of it if the other end closes before.
  std::string read_reply() {
    while (received_.size() < reply_size() && read_some()) {
    }
    const std::string reply = received_.substr(0, reply_size());
    received_.erase(0, reply.size());
    return reply;
  }

  /// Sends a request and reads its reply.
  std::string ask(std::string_view bytes) { return send(bytes) ? read_reply() : ""; }

 private:
  [[nodiscard]] std::size_t reply_size() const {
    const std::size_t head_end = received_.find("\r\n\r\n");
    if (head_end == std::string::npos) return std::string::npos;
    static constexpr std::string_view field = "Content-Length: ";
    const std::size_t length_begin = received_.find(field);
    if (length_begin > head_end) return head_end + 4;
    return head_end + 4 + std::stoul(received_.substr(length_begin + field.size()));
  }

  bool read_some() {
    std::array<char, 4096> buffer{};
    const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count <= 0) return false;
    received_.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
  }

  int socket_;
  std::string received_;
};

/// The status of a reply; 0 for anything else.
inline unsigned status_of(std::string_view reply) {
  if (!reply.starts_with("HTTP/1.")) return 0;
  return static_cast<unsigned>(std::stoul(std::string(reply.substr(9, 3))));
}
