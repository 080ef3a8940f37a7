#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace proxy::admin {

/// What an operator may set of the admin endpoint, and the bounds that keep it harmless.
struct AdminOptions {
  std::string listen_host = "127.0.0.1";  ///< an IP literal or "localhost"; loopback only as long as there is no token
  std::uint16_t listen_port = 7780;       ///< 0: any free port, start() says which
  int listening_socket = -1;  ///< one that listens already and is the server's from start() on; -1: it makes its own
  /// Any of them opens everything. At least `token_bytes_min` each. Never logged, never shown.
  std::vector<std::string> tokens;

  std::size_t header_bytes_max = 8 * 1024;  ///< a browser's cookies fit, an attack does not
  std::size_t body_bytes_max = 64 * 1024;   ///< the longest useful body is a statement to explain
  std::size_t connections_max = 64;         ///< dashboards, scrapers and people; more are told 503
  std::chrono::milliseconds request_timeout{10'000};  ///< from a request's first byte to its last
  std::chrono::milliseconds reply_timeout{10'000};    ///< for the peer to take the reply
  std::chrono::milliseconds idle_timeout{60'000};     ///< between two requests, and before the first
};

inline constexpr std::size_t token_bytes_min = 16;  ///< a token opens the traffic of a database: not a word to guess

}  // namespace proxy::admin
