#pragma once

#include "protocol/base/result.hpp"
#include "proxy/net/file_descriptor.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::lifecycle {

/// A text, with descriptors that come along, between two processes on one machine: one datagram of a local socket that
/// keeps bounds (SOCK_SEQPACKET).
struct Message {
  std::string text;
  std::vector<net::FileDescriptor> descriptors;
};

inline constexpr std::size_t message_bytes_max = std::size_t{128} << 10;
inline constexpr std::size_t message_descriptors_max = 4;

/// Sends without waiting longer than the socket's own timeout. The descriptors stay the caller's.
[[nodiscard]] protocol::Status send_message(int socket, std::string_view text, const std::vector<int>& descriptors = {});
/// Waits for one message. Errors: backend_timeout; backend_lost when the
/// other end has gone; frame_truncated.
[[nodiscard]] protocol::Result<Message> receive_message(int socket, std::chrono::milliseconds timeout);

/// The other end belongs to the same user as this process, or to root.
/// Source: Linux manual, unix(7), SO_PEERCRED.
struct Peer {
  long process_id = 0;
  bool is_trusted = false;
};
[[nodiscard]] Peer peer_of(int socket);

/// Listens on a path that only this user can connect to. A path that a dead process has left is taken; fails when
/// somebody listens there.
[[nodiscard]] protocol::Result<net::FileDescriptor> listen_at(const std::string& path);
[[nodiscard]] protocol::Result<net::FileDescriptor> connect_to(const std::string& path);
/// Two ends of one conversation.
[[nodiscard]] protocol::Result<std::vector<net::FileDescriptor>> make_ends();

}  // namespace proxy::lifecycle
