#include "proxy/lifecycle/message.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace proxy::lifecycle {

namespace {

using protocol::Blame;
using protocol::ErrorCode;

constexpr int backlog_count_max = 8;
constexpr mode_t owner_only = 0600;
constexpr timeval send_timeout{5, 0};

protocol::Error lost(const std::string& what, int error_number) {
  return protocol::failure(ErrorCode::backend_lost, Blame::operator_, what + ": " + std::strerror(error_number));
}

protocol::Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, path + " is too long for a local socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

net::FileDescriptor open_socket(int flags = 0) {
  return net::FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
}

int connect_socket(const net::FileDescriptor& socket, const sockaddr_un& address) {
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Room for the control part of a message, aligned as the kernel wants it.
union DescriptorRoom {
  cmsghdr alignment;
  std::array<char, CMSG_SPACE(sizeof(int) * message_descriptors_max)> bytes;
};

std::vector<net::FileDescriptor> take_descriptors(msghdr& header) {
  std::vector<net::FileDescriptor> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      taken.emplace_back(fd);
    }
  }
  return taken;
}

}  // namespace

protocol::Status send_message(int socket, std::string_view text, const std::vector<int>& descriptors) {
  iovec slice{const_cast<char*>(text.data()), text.size()};
  DescriptorRoom room{};
  msghdr header{};
  header.msg_iov = &slice;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = room.bytes.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(part), descriptors.data(), sizeof(int) * descriptors.size());
  }
  const ssize_t sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  if (sent < 0 || static_cast<std::size_t>(sent) != text.size()) return lost("the other process cannot be told", errno);
  return {};
}

protocol::Result<Message> receive_message(int socket, std::chrono::milliseconds timeout) {
  pollfd waited{socket, POLLIN, 0};
  const int ready = ::poll(&waited, 1, static_cast<int>(timeout.count()));
  if (ready == 0) {
    return protocol::failure(ErrorCode::backend_timeout, Blame::operator_, "the other process did not answer in time");
  }
  if (ready < 0) return lost("the other process cannot be heard", errno);
  std::string buffer(message_bytes_max, '\0');
  iovec slice{buffer.data(), buffer.size()};
  DescriptorRoom room{};
  msghdr header{};
  header.msg_iov = &slice;
  header.msg_iovlen = 1;
  header.msg_control = room.bytes.data();
  header.msg_controllen = sizeof room.bytes;
  const ssize_t received = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  if (received < 0) return lost("the other process cannot be heard", errno);
  Message message;
  message.descriptors = take_descriptors(header);
  if (received == 0) {
    return protocol::failure(ErrorCode::backend_lost, Blame::operator_, "the other process has gone");
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return protocol::failure(ErrorCode::frame_truncated, Blame::operator_, "the other process says too much at once");
  }
  buffer.resize(static_cast<std::size_t>(received));
  message.text = std::move(buffer);
  return message;
}

Peer peer_of(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return {};
  return {credentials.pid, credentials.uid == ::geteuid() || credentials.uid == 0};
}

protocol::Result<net::FileDescriptor> listen_at(const std::string& path) {
  const protocol::Result<sockaddr_un> address = address_of(path);
  if (!address) return address.error();
  const auto fail = [&path](int error_number) {
    return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                             "cannot listen on " + path + ": " + std::strerror(error_number));
  };
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    const net::FileDescriptor probe = open_socket();
    if (connect_socket(probe, *address) == 0) {
      return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                               "another process listens on " + path + "; `run --takeover` takes over from it");
    }
    if (errno == ECONNREFUSED) (void)::unlink(path.c_str());
  }
  net::FileDescriptor socket = open_socket(SOCK_NONBLOCK);
  // Before bind(), so that at no moment anybody else can connect.
  if (!socket.is_open() || ::fchmod(socket.get(), owner_only) != 0) return fail(errno);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) return fail(errno);
  if (::chmod(path.c_str(), owner_only) != 0 || ::listen(socket.get(), backlog_count_max) != 0) return fail(errno);
  return socket;
}

protocol::Result<net::FileDescriptor> connect_to(const std::string& path) {
  const protocol::Result<sockaddr_un> address = address_of(path);
  if (!address) return address.error();
  net::FileDescriptor socket = open_socket();
  if (!socket.is_open() || connect_socket(socket, *address) != 0) {
    return protocol::failure(ErrorCode::backend_unreachable, Blame::operator_,
                             "nobody to take over from answers on " + path + ": " + std::strerror(errno));
  }
  (void)setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof send_timeout);
  return socket;
}

protocol::Result<std::vector<net::FileDescriptor>> make_ends() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return lost("no socket", errno);
  }
  std::vector<net::FileDescriptor> result;
  for (const int end : ends) result.emplace_back(end);
  return result;
}

}  // namespace proxy::lifecycle
