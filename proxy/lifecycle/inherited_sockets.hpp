#pragma once

#include "proxy/net/file_descriptor.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace proxy::lifecycle {

/// Listening sockets that this process was given: by the service manager, or by the process that it takes over from.
class InheritedSockets {
 public:
  /// What the service manager has passed, if it was meant for this process. Once, before any thread begins.
  /// Source: systemd 252, sd_listen_fds_with_names(3), "Notes".
  [[nodiscard]] static InheritedSockets from_environment();

  void add(std::string name, net::FileDescriptor socket) { entries_.push_back({std::move(name), std::move(socket)}); }

  /// The socket that listens on this literal address. Where the system is to choose the port (0), the one of this name
  /// on that host. For a path: the local socket that listens there. Closed when there is none. Each is given once.
  [[nodiscard]] net::FileDescriptor take(const std::string& name, const std::string& host, std::uint16_t port);
  /// The names of those that nobody took; they are closed.
  [[nodiscard]] std::vector<std::string> drop_rest();

 private:
  struct Entry {
    std::string name;
    net::FileDescriptor socket;
  };
  [[nodiscard]] net::FileDescriptor take_if(const std::function<bool(const Entry&)>& is_it);

  std::vector<Entry> entries_;
};

}  // namespace proxy::lifecycle
