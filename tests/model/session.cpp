#include "tests/model/session.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace model {

namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

int milliseconds_until(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count()) + 1;
}

int connect_local(const Address& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = address.host + "/.s.PGSQL." + std::to_string(address.port);
  if (path.size() >= sizeof name.sun_path) fail("path of the local socket is too long: " + path);
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    ::close(descriptor);
    fail("cannot connect to " + path + ": " + std::strerror(errno));
  }
  return descriptor;
}

int connect_tcp(const Address& address) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(address.port);
  if (::inet_pton(AF_INET, address.host.c_str(), &name.sin_addr) != 1) fail("not an IPv4 address: " + address.host);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    ::close(descriptor);
    fail("cannot connect to port " + std::to_string(address.port) + ": " + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

}  // namespace

Socket::Socket(const Address& address)
    : descriptor_(address.host.starts_with('/') ? connect_local(address) : connect_tcp(address)) {}

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool Session::has_unread() const {
  int bytes = 0;
  return ::ioctl(socket_.descriptor(), SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

bool Session::read_some(std::chrono::microseconds patience) {
  if (is_closed_) return false;
  pollfd entry{socket_.descriptor(), POLLIN, 0};
  const timespec limit{static_cast<time_t>(patience.count() / 1'000'000),
                       static_cast<long>((patience.count() % 1'000'000) * 1000)};
  if (::ppoll(&entry, 1, &limit, nullptr) <= 0) return false;
  char chunk[65536];
  const ssize_t count = ::recv(socket_.descriptor(), chunk, sizeof chunk, MSG_DONTWAIT);
  if (count > 0) {
    unread_.append(chunk, static_cast<std::size_t>(count));
    if (!take_messages(unread_, messages_)) is_garbled_ = is_closed_ = true;
    return true;
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  is_closed_ = true;
  return true;
}

bool Session::write(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty() && !is_closed_) {
    pollfd entry{socket_.descriptor(), POLLIN | POLLOUT, 0};
    if (::poll(&entry, 1, milliseconds_until(deadline)) <= 0) return false;
    if ((entry.revents & POLLIN) != 0) read_some(std::chrono::microseconds(0));
    if ((entry.revents & (POLLOUT | POLLERR | POLLHUP)) == 0) continue;
    const ssize_t count = ::send(socket_.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      while (read_some(std::chrono::seconds(1))) {
      }
      is_closed_ = true;
    }
  }
  return bytes.empty();
}

void Session::log_in(const std::map<std::string, std::string>& parameters, Deadline deadline) {
  write(startup_packet(parameters), deadline);
  for (;;) {
    for (const ServerMessage& message : messages_) {
      if (message.tag == 'E') fail("login refused: " + readable(message.payload));
      if (message.tag == 'R' && read_int32_be(message.payload, 0) != 0) fail("the server asks for a password");
    }
    if (!messages_.empty() && messages_.back().tag == 'Z') break;
    if (is_closed_ || std::chrono::steady_clock::now() > deadline) fail("login did not finish");
    read_some(std::chrono::milliseconds(50));
  }
  for (const ServerMessage& message : messages_) {
    if (message.tag != 'K') continue;
    process_id_ = read_int32_be(message.payload, 0);
    secret_ = message.payload.substr(4);
  }
  greeting_ = std::exchange(messages_, {});
}

void Session::cancel(Deadline deadline) const {
  const Socket socket(address_);
  const std::string packet = cancel_packet(process_id_, secret_);
  if (::send(socket.descriptor(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) fail("cannot send a cancel request");
  pollfd entry{socket.descriptor(), POLLIN, 0};
  char byte = 0;
  if (::poll(&entry, 1, milliseconds_until(deadline)) <= 0) fail("the connection of a cancel request was not closed");
  if (::recv(socket.descriptor(), &byte, 1, 0) > 0) fail("a cancel request was answered");
}

}  // namespace model
