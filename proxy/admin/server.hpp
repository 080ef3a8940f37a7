#pragma once

#include "protocol/base/result.hpp"
#include "proxy/admin/control.hpp"
#include "proxy/admin/options.hpp"
#include "proxy/telemetry/log.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace proxy::admin {

/// The admin endpoint on two threads of its own: one moves bytes, one calls `Control`, so that a worker that
/// takes its time delays neither /healthz nor the deadlines of other peers. Calls of `Control` never overlap.
class AdminServer {
 public:
  /// `control` and `log` must outlive the server.
  AdminServer(AdminOptions options, Control& control, telemetry::Log& log);
  ~AdminServer();  ///< stops
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// Binds and listens; returns the port. Once only. Errors (blame operator): a host that is no address,
  /// an address other than loopback without a token, a token that is too short, a port that is taken.
  [[nodiscard]] protocol::Result<std::uint16_t> open();
  /// Begins to serve. After open().
  void serve();
  /// Both.
  [[nodiscard]] protocol::Result<std::uint16_t> start();
  /// Descriptor of what listens, for another process; -1 before open().
  [[nodiscard]] int listening_socket() const;
  /// Other tokens, for what is asked from now on. Any thread.
  void set_tokens(std::vector<std::string> tokens);
  /// Closes every connection, waits for the one call of `Control` that may be running, joins. Idempotent.
  void stop();

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace proxy::admin
