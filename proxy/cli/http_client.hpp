#pragma once

#include "protocol/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace proxy::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string target;  ///< "/api/v1/status"
  std::string body;    ///< JSON; empty: none
  std::string token;   ///< bearer token; empty: none
};

struct HttpReply {
  unsigned status = 0;
  std::string body;
};

/// One request to the admin endpoint of a running proxy over a connection of its own; blocks until the reply is
/// complete or `timeout` has passed.
/// Errors: backend_unreachable, backend_timeout, backend_misbehaved (no HTTP, or more than 64 MiB).
[[nodiscard]] protocol::Result<HttpReply> send_http(const std::string& host, std::uint16_t port,
                                                    const HttpRequest& request, std::chrono::milliseconds timeout);

}  // namespace proxy::cli
