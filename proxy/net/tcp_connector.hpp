#pragma once

#include "proxy/net/connector.hpp"
#include "proxy/net/name_table.hpp"
#include "proxy/net/socket.hpp"
#include "proxy/runtime/event_loop.hpp"

namespace proxy::net {

/// Connects from one loop to TCP endpoints and local sockets. A name with several addresses is tried address
/// by address. Deadlines are the caller's: close the stream when it takes too long.
/// Lifetime: within the loop's and the table's.
class TcpConnector final : public Connector {
 public:
  TcpConnector(runtime::EventLoop& loop, NameTable& names, const TcpOptions& options)
      : loop_(loop), names_(names), options_(options) {}

  /// For connections made from now on.
  void set_options(const TcpOptions& options) { options_ = options; }
  [[nodiscard]] std::unique_ptr<Stream> connect(const Endpoint& endpoint) override;
  [[nodiscard]] std::unique_ptr<Stream> receive(std::unique_ptr<Freight> freight) override;

 private:
  runtime::EventLoop& loop_;
  NameTable& names_;
  TcpOptions options_;
};

}  // namespace proxy::net
