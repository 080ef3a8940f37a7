#pragma once

#include "proxy/net/file_descriptor.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace proxy::net {

/// How the kernel watches over a TCP connection. Set on a listening socket, accepted sockets inherit it.
struct TcpOptions {
  /// Silence after which the kernel asks whether the peer is alive; zero: never.
  std::chrono::seconds keepalive_idle{60};
  std::chrono::seconds keepalive_interval{10};
  int keepalive_count_max = 6;
  /// How long sent bytes may stay unacknowledged before the connection is broken; zero: the system's choice
  /// (minutes).
  std::chrono::milliseconds unacknowledged_timeout{0};
};

/// Sets TCP_NODELAY and `options`. What the kernel does not know is left out in silence: it is tuning.
void apply_tcp_options(int socket, const TcpOptions& options);

/// A short text for logs, never an address: "connection refused".
[[nodiscard]] std::string describe_socket_error(int error_number);

}  // namespace proxy::net
