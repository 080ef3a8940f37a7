#pragma once

#include "protocol/base/result.hpp"
#include "proxy/admin/control.hpp"
#include "proxy/admin/options.hpp"
#include "proxy/telemetry/log.hpp"

#include <cstdint>
#include <memory>

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

  /// Binds, listens and serves; returns the port. Once only. Errors (blame operator): a host that is no address,
  /// an address other than loopback without a token, a token that is too short, a port that is taken.
  [[nodiscard]] protocol::Result<std::uint16_t> start();
  /// Closes every connection, waits for the one call of `Control` that may be running, joins. Idempotent.
  void stop();

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace proxy::admin
