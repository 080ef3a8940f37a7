#include "proxy/net/listener.hpp"

#include "proxy/net/tcp_stream.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

namespace proxy::net {

namespace {

using protocol::Blame;
using protocol::Error;
using protocol::ErrorCode;
using protocol::Result;

Error cannot_listen(const std::string& why) {
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, "cannot listen: " + why);
}

Error cannot_listen(int error_number) { return cannot_listen(describe_socket_error(error_number)); }

Result<FileDescriptor> open_socket(int family) {
  FileDescriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return cannot_listen(errno);
  return socket;
}

Result<FileDescriptor> listen_on(const sockaddr_storage& address, socklen_t length, const ListenerOptions& options) {
  Result<FileDescriptor> socket = open_socket(address.ss_family);
  if (!socket) return socket;
  const int fd = socket->get();
  const int on = 1;
  const int off = 0;
  if (address.ss_family != AF_UNIX) {
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options.sharing == PortSharing::shared) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // Accepted sockets inherit these, which saves system calls for every connection.
    apply_tcp_options(fd, options.tcp);
  }
  if (address.ss_family == AF_INET6) {
    const bool is_any = IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr);
    const int& is_v6_only = is_any ? off : on;
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, sizeof is_v6_only);
  }
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) return cannot_listen(errno);
  if (::listen(fd, options.backlog_count_max) != 0) return cannot_listen(errno);
  return socket;
}

Result<FileDescriptor> listen_on_path(const ListenerOptions& options) {
  const std::string& path = options.endpoint.host;
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  if (path.size() >= sizeof local.sun_path) return cannot_listen("the local socket's path is too long");
  std::memcpy(local.sun_path, path.data(), path.size());
  sockaddr_storage address{};
  std::memcpy(&address, &local, sizeof local);

  // A path left behind by a process that died is in the way of bind(); one that answers is somebody's.
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    Result<FileDescriptor> probe = open_socket(AF_UNIX);
    if (!probe) return probe;
    const int result = ::connect(probe->get(), reinterpret_cast<const sockaddr*>(&address), sizeof local);
    if (result != 0 && errno == ECONNREFUSED) (void)::unlink(path.c_str());
  }
  Result<FileDescriptor> socket = listen_on(address, sizeof local, options);
  if (socket && ::chmod(path.c_str(), options.local_mode) != 0) return cannot_listen(errno);
  return socket;
}

/// Source: unix(7) of Linux, SO_PEERCRED: as they were when the peer connected.
Address address_of_peer(const FileDescriptor& accepted, const sockaddr_storage& peer) {
  if (peer.ss_family != AF_UNIX) return Address::from_sockaddr(peer);
  ucred credentials{};
  socklen_t length = sizeof credentials;
  const bool is_known = getsockopt(accepted.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0;
  return is_known ? Address::local_user(credentials.uid) : Address();
}

Result<FileDescriptor> listen_on_port(const ListenerOptions& options) {
  const std::string& host = options.endpoint.host;
  sockaddr_storage storage{};
  if (host.empty() || host == "*") {
    const Address every_ipv6 = *Address::parse("::", options.endpoint.port);
    const socklen_t length = every_ipv6.to_sockaddr(storage);
    Result<FileDescriptor> both = listen_on(storage, length, options);
    if (both) return both;
    // A machine without IPv6.
    const Address every_ipv4 = *Address::parse("0.0.0.0", options.endpoint.port);
    return listen_on(storage, every_ipv4.to_sockaddr(storage), options);
  }
  const std::optional<Address> address =
      Address::parse(host == "localhost" ? "127.0.0.1" : host, options.endpoint.port);
  if (!address) return cannot_listen("'" + host + "' is not a literal address");
  const socklen_t length = address->to_sockaddr(storage);
  return listen_on(storage, length, options);
}

bool is_exhaustion(int error_number) {
  return error_number == EMFILE || error_number == ENFILE || error_number == ENOBUFS || error_number == ENOMEM;
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(runtime::EventLoop& loop, const ListenerOptions& options,
                                                 std::vector<Target> targets) {
  Result<FileDescriptor> socket = bind(options);
  if (!socket) return socket.error();
  std::unique_ptr<Listener> listener = adopt(loop, std::move(*socket), std::move(targets));
  if (options.endpoint.host.starts_with('/')) listener->local_path_ = options.endpoint.host;
  return listener;
}

Result<FileDescriptor> Listener::bind(const ListenerOptions& options) {
  return options.endpoint.host.starts_with('/') ? listen_on_path(options) : listen_on_port(options);
}

std::unique_ptr<Listener> Listener::adopt(runtime::EventLoop& loop, FileDescriptor socket, std::vector<Target> targets) {
  assert(!targets.empty());
  return std::unique_ptr<Listener>(new Listener(loop, std::move(socket), std::move(targets)));
}

Address Listener::address_of(const FileDescriptor& socket) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) return {};
  return Address::from_sockaddr(bound);
}

std::string Listener::local_path_of(const FileDescriptor& socket) {
  sockaddr_un bound{};
  socklen_t length = sizeof bound;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) return {};
  if (bound.sun_family != AF_UNIX || length <= offsetof(sockaddr_un, sun_path)) return {};
  const std::size_t room = length - offsetof(sockaddr_un, sun_path);
  return std::string(bound.sun_path, ::strnlen(bound.sun_path, room));
}

Result<std::unique_ptr<Listener>> Listener::open(runtime::EventLoop& loop, const ListenerOptions& options,
                                                 OnAccepted on_accepted) {
  std::vector<Target> targets;
  targets.push_back(Target{&loop, std::move(on_accepted)});
  return open(loop, options, std::move(targets));
}

Listener::Listener(runtime::EventLoop& loop, FileDescriptor socket, std::vector<Target> targets)
    : loop_(loop), socket_(std::move(socket)) {
  for (Target& target : targets) targets_.push_back(std::make_shared<const Target>(std::move(target)));
  address_ = address_of(socket_);
  resume_timer_ = loop_.make_timer([this] { event_add(&event_, nullptr); });
  // Level-triggered: what one event's share leaves is announced again.
  event_assign(&event_, loop_.base(), socket_.get(), EV_READ | EV_PERSIST, &Listener::on_event, this);
  event_add(&event_, nullptr);
}

Listener::~Listener() {
  close();
  if (is_destroyed_ != nullptr) *is_destroyed_ = true;
}

void Listener::close() {
  if (!socket_.is_open()) return;
  event_del(&event_);
  resume_timer_->disarm();
  socket_.close();
  if (!local_path_.empty()) (void)::unlink(local_path_.c_str());
}

void Listener::on_event(evutil_socket_t /*fd*/, short /*what*/, void* listener) noexcept {
  static_cast<Listener*>(listener)->accept_some();
}

void Listener::accept_some() {
  bool is_destroyed = false;
  is_destroyed_ = &is_destroyed;
  for (int i = 0; i < accepts_per_event_max && socket_.is_open(); ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    FileDescriptor accepted(
        ::accept4(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.is_open()) {
      const Address address = address_of_peer(accepted, peer);
      deal(std::move(accepted), address);
      if (is_destroyed) return;
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (is_exhaustion(errno)) {
      pause();
      break;
    }
    // Any other error is that of one connection which died in the queue.
  }
  is_destroyed_ = nullptr;
}

void Listener::deal(FileDescriptor socket, const Address& peer) {
  const std::shared_ptr<const Target> target = targets_[next_target_];
  next_target_ = (next_target_ + 1) % targets_.size();
  if (target->loop == &loop_) {
    target->on_accepted(TcpStream::adopt(loop_, std::move(socket)), peer);
    return;
  }
  // std::function wants copyable captures; if the loop has ended, the last copy closes the socket.
  auto shared = std::make_shared<FileDescriptor>(std::move(socket));
  target->loop->post([target, shared, peer] {
    target->on_accepted(TcpStream::adopt(*target->loop, std::move(*shared)), peer);
  });
}

void Listener::pause() {
  event_del(&event_);
  resume_timer_->arm(loop_.now() + exhaustion_pause);
}

}  // namespace proxy::net
