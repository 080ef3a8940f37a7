#pragma once

#include "proxy/net/stream.hpp"

#include <memory>
#include <string>

namespace proxy::net {

/// An address to connect to: a host name or literal address and a port, or the path of a local socket.
struct Endpoint {
  std::string host;  ///< starts with '/' for a local socket's full path
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

/// Opens connections. Never blocks: names are resolved ahead of time and refreshed off the loop.
class Connector {
 public:
  virtual ~Connector() = default;
  /// A stream that is connecting, or already broken. Never null.
  [[nodiscard]] virtual std::unique_ptr<Stream> connect(const Endpoint& endpoint) = 0;
  /// What was taken out of a stream of another loop, on this one. Precondition: made by a stream of this connector's kind.
  [[nodiscard]] virtual std::unique_ptr<Stream> receive(std::unique_ptr<Freight> /*freight*/) { return nullptr; }
};

}  // namespace proxy::net
