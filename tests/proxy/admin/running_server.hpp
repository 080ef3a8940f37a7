#pragma once

#include "proxy/admin/server.hpp"
#include "tests/proxy/admin/fake_control.hpp"

#include <cstdint>
#include <string>
#include <utility>

/// An admin server with a fake proxy behind it, on a free port.
class RunningServer {
 public:
  explicit RunningServer(proxy::admin::AdminOptions options = {})
      : log_(quiet()), server_(on_any_port(std::move(options)), control, log_), port_(server_.start().value()) {}

  [[nodiscard]] std::uint16_t port() const { return port_; }
  void stop() { server_.stop(); }

  fake::Control control;

 private:
  static proxy::telemetry::LogOptions quiet() {
    proxy::telemetry::LogOptions options;
    options.events_per_window_max = 0;
    return options;
  }
  static proxy::admin::AdminOptions on_any_port(proxy::admin::AdminOptions options) {
    options.listen_port = 0;
    return options;
  }

  proxy::telemetry::Log log_;
  proxy::admin::AdminServer server_;
  std::uint16_t port_;
};

/// A request without a body.
inline std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + fields + "\r\n";
}
