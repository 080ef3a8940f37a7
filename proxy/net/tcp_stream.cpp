#include "proxy/net/tcp_stream.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

namespace proxy::net {

namespace {

/// IOV_MAX of Linux; longer lists go in several calls.
constexpr std::size_t slices_per_call_max = 1024;

/// The calls that every transaction makes, without the C library's cancellation points around them: those change an
/// atomic of the thread before and after each call as soon as there is a second thread, and nothing here is cancelled.
ssize_t receive(int socket, std::span<std::byte> target) {
  return ::syscall(SYS_recvfrom, socket, target.data(), target.size(), 0, nullptr, nullptr);
}
ssize_t send_to_peer(int socket, protocol::ByteView source) {
  return ::syscall(SYS_sendto, socket, source.data(), source.size(), MSG_NOSIGNAL, nullptr, 0);
}

struct ConnectAttempt {
  FileDescriptor socket;
  int error_number = 0;  ///< 0: connected or under way
};

ConnectAttempt begin_connect(const sockaddr_storage& address, socklen_t length) {
  ConnectAttempt attempt;
  attempt.socket = FileDescriptor(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!attempt.socket.is_open()) {
    attempt.error_number = errno;
    return attempt;
  }
  sockaddr_storage copy = address;
  const int result = ::connect(attempt.socket.get(), reinterpret_cast<const sockaddr*>(&copy), length);
  if (result != 0 && errno != EINPROGRESS) attempt.error_number = errno;
  return attempt;
}

}  // namespace

std::unique_ptr<TcpStream> TcpStream::adopt(runtime::EventLoop& loop, FileDescriptor socket) {
  std::unique_ptr<TcpStream> stream(new TcpStream(loop));
  stream->is_writable_ = true;
  stream->register_socket(std::move(socket));
  return stream;
}

std::unique_ptr<TcpStream> TcpStream::connect(runtime::EventLoop& loop, std::vector<Address> candidates,
                                              const TcpOptions& options) {
  std::unique_ptr<TcpStream> stream(new TcpStream(loop));
  stream->connecting_ = std::make_unique<Connecting>(Connecting{std::move(candidates), 0, options});
  stream->failure_ = "no address to connect to";
  stream->try_next_candidate();
  return stream;
}

std::unique_ptr<TcpStream> TcpStream::connect_local(runtime::EventLoop& loop, const std::string& path) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  if (path.size() >= sizeof local.sun_path) return make_broken(loop, "the local socket's path is too long");
  std::memcpy(local.sun_path, path.data(), path.size());
  sockaddr_storage address{};
  std::memcpy(&address, &local, sizeof local);

  ConnectAttempt attempt = begin_connect(address, sizeof local);
  if (attempt.error_number != 0) return make_broken(loop, describe_socket_error(attempt.error_number));
  return adopt(loop, std::move(attempt.socket));
}

std::unique_ptr<TcpStream> TcpStream::make_broken(runtime::EventLoop& loop, std::string failure) {
  std::unique_ptr<TcpStream> stream(new TcpStream(loop));
  stream->break_with(std::move(failure));
  stream->announce_later();
  return stream;
}

TcpStream::~TcpStream() { close(); }

void TcpStream::close() {
  loop_.withdraw(*this);
  if (is_registered_) event_del(&event_);
  is_registered_ = false;
  socket_.close();
  connecting_.reset();
  is_readable_ = false;
  is_writable_ = false;
  if (!is_broken_) break_with("closed");
}

void TcpStream::on_event(evutil_socket_t /*fd*/, short what, void* stream) noexcept {
  auto* const self = static_cast<TcpStream*>(stream);
  self->loop_.run_event([self, what] { self->handle_event(what); });  // which may destroy the stream
}

void TcpStream::handle_event(short what) {
  if (is_connecting() && socket_.is_open()) {
    settle_connect();
    if (is_connecting()) return;  // the next candidate is on its way
  } else if (!is_broken_) {
    // The kernel's error and hang-up arrive as readable and writable; a read or write then tells which.
    if ((what & EV_READ) != 0) is_readable_ = true;
    if ((what & EV_WRITE) != 0) is_writable_ = true;
  }
  if ((what & EV_CLOSED) != 0) {
    is_close_announced_ = true;
    is_readable_ = !is_at_end_;
  }
  if (listener_ != nullptr) listener_->on_stream_ready();  // may destroy this stream
}

void TcpStream::on_tick() {
  // Only the last read before a silence can have hidden a reset: behind a reset nothing is readable.
  if (std::exchange(has_read_since_tick_, false)) return;
  loop_.withdraw(*this);
  if (is_readable_ || is_at_end_ || !socket_.is_open() || !has_news()) return;
  if (listener_ != nullptr) listener_->on_stream_ready();  // may destroy this stream
}

bool TcpStream::has_news() {
  if (is_readable_ || is_at_end_ || !socket_.is_open()) return true;
  std::byte first{};
  const ssize_t peeked = ::recv(socket_.get(), &first, 1, MSG_PEEK);
  if (peeked < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
  if (peeked < 0) break_reading(errno);
  return is_readable_ = true;
}

namespace {

struct TcpFreight final : Freight {
  explicit TcpFreight(FileDescriptor taken) : socket(std::move(taken)) {}
  FileDescriptor socket;
};

}  // namespace

std::unique_ptr<Freight> TcpStream::take_out() {
  if (is_broken_ || is_connecting() || is_readable_ || is_at_end_ || is_close_announced_) return nullptr;
  if (is_registered_) event_del(&event_);
  is_registered_ = false;
  auto freight = std::make_unique<TcpFreight>(std::move(socket_));
  close();
  return freight;
}

/// Registering announces what has arrived in the meantime, so nothing is missed.
std::unique_ptr<TcpStream> TcpStream::put_in(runtime::EventLoop& loop, std::unique_ptr<Freight> freight) {
  return adopt(loop, std::move(static_cast<TcpFreight&>(*freight).socket));
}

void TcpStream::settle_connect() {
  int error_number = 0;
  socklen_t length = sizeof error_number;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error_number, &length) != 0) error_number = errno;
  if (error_number == 0) {
    connecting_.reset();
    failure_.clear();
    is_writable_ = true;
    is_readable_ = true;  // the same event may have announced the peer's first bytes
    return;
  }
  failure_ = describe_socket_error(error_number);
  try_next_candidate();
}

void TcpStream::try_next_candidate() {
  while (connecting_->next < connecting_->candidates.size()) {
    const Address& candidate = connecting_->candidates[connecting_->next++];
    sockaddr_storage address{};
    const socklen_t length = candidate.to_sockaddr(address);
    ConnectAttempt attempt = begin_connect(address, length);
    if (attempt.error_number == 0) {
      apply_tcp_options(attempt.socket.get(), connecting_->options);
      register_socket(std::move(attempt.socket));
      return;
    }
    failure_ = describe_socket_error(attempt.error_number);
  }
  connecting_.reset();
  const bool has_been_registered = is_registered_;
  if (is_registered_) event_del(&event_);
  is_registered_ = false;
  socket_.close();
  break_with(std::move(failure_));
  // From inside connect() nobody listens yet; from an event the caller goes on to tell the listener.
  if (!has_been_registered) announce_later();
}

void TcpStream::register_socket(FileDescriptor socket) {
  if (is_registered_) event_del(&event_);
  socket_ = std::move(socket);
  event_assign(&event_, loop_.base(), socket_.get(), EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
               &TcpStream::on_event, this);
  is_registered_ = event_add(&event_, nullptr) == 0;
  if (is_registered_) return;
  connecting_.reset();
  break_with("the event loop refused the socket");
  announce_later();
}

void TcpStream::break_with(std::string failure) {
  is_broken_ = true;
  is_writable_ = false;
  failure_ = std::move(failure);
}

void TcpStream::announce_later() {
  event_assign(&event_, loop_.base(), -1, 0, &TcpStream::on_event, this);
  is_registered_ = true;
  event_active(&event_, EV_TIMEOUT, 0);
}

IoOutcome TcpStream::try_read(std::span<std::byte> target) {
  if (is_at_end_) return {IoState::end, 0};
  if (is_connecting() || target.empty()) return {IoState::would_block, 0};
  if (!socket_.is_open()) {
    is_readable_ = false;
    return {IoState::failed, 0};
  }

  const ssize_t received = receive(socket_.get(), target);
  if (received > 0) {
    const auto bytes = static_cast<std::size_t>(received);
    has_read_since_tick_ = true;
    if (bytes < target.size()) {
      // The socket is empty now, unless the end came in the same event: no other event would tell of it.
      is_readable_ = is_close_announced_;
      if (!is_enrolled()) loop_.enroll(*this);
    }
    return {IoState::done, bytes};
  }
  if (received < 0 && errno == EINTR) return {IoState::would_block, 0};
  is_readable_ = false;
  if (received == 0) {
    is_at_end_ = true;
    return {IoState::end, 0};
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoState::would_block, 0};
  break_reading(errno);
  return {IoState::failed, 0};
}

/// The kernel tells an error once and pretends an orderly end from then on, so the socket goes.
void TcpStream::break_reading(int error_number) {
  break_with(describe_socket_error(error_number));
  event_del(&event_);
  is_registered_ = false;
  socket_.close();
}

IoOutcome TcpStream::judge_write(ssize_t sent, std::size_t wanted, int error_number) {
  if (sent >= 0) {
    const auto bytes = static_cast<std::size_t>(sent);
    if (bytes == wanted) return {IoState::done, bytes};
    is_writable_ = false;
    return {IoState::would_block, bytes};
  }
  if (error_number == EAGAIN || error_number == EWOULDBLOCK) {
    is_writable_ = false;
    return {IoState::would_block, 0};
  }
  if (error_number == EINTR) return {IoState::would_block, 0};
  break_with(describe_socket_error(error_number));
  return {IoState::failed, 0};
}

IoOutcome TcpStream::try_write(protocol::ByteView source) {
  if (is_connecting()) return {IoState::would_block, 0};
  if (is_broken_ || !socket_.is_open()) return {IoState::failed, 0};
  if (source.empty()) return {IoState::done, 0};
  const ssize_t sent = send_to_peer(socket_.get(), source);
  return judge_write(sent, source.size(), sent < 0 ? errno : 0);
}

IoOutcome TcpStream::try_write(const protocol::Gather& source, std::size_t skip) {
  std::size_t index = 0;
  while (index < source.slice_count() && skip >= source.slice(index).size()) skip -= source.slice(index++).size();
  if (index + 1 == source.slice_count()) return try_write(source.slice(index).subspan(skip));

  if (is_connecting()) return {IoState::would_block, 0};
  if (is_broken_ || !socket_.is_open()) return {IoState::failed, 0};
  IoOutcome total{IoState::done, 0};
  std::array<iovec, slices_per_call_max> pieces;  // filled below as far as it is used
  while (index < source.slice_count()) {
    std::size_t count = 0;
    std::size_t wanted = 0;
    for (; index < source.slice_count() && count < pieces.size(); ++index, skip = 0) {
      const protocol::ByteView slice = source.slice(index).subspan(skip);
      pieces[count++] = iovec{const_cast<std::byte*>(slice.data()), slice.size()};
      wanted += slice.size();
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    const IoOutcome outcome = judge_write(sent, wanted, sent < 0 ? errno : 0);
    total.bytes += outcome.bytes;
    total.state = outcome.state;
    if (outcome.state != IoState::done) break;
  }
  return total;
}

}  // namespace proxy::net
