#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::lifecycle {

/// Tells the supervisor of this service (systemd) how this process is. Without one every call does nothing. A message that cannot
/// be sent is lost in silence: the service does not depend on being watched.
///
/// The datagrams are written here and not by libsystemd: they are one sendmsg() of a text whose form is documented and
/// fixed, and the library would bring four others into a process that holds passwords.
/// Source: systemd 252, sd_notify(3), "Description" and "Notes"; sd_watchdog_enabled(3).
class Supervisor {
 public:
  /// As the environment says: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. Before any thread begins.
  [[nodiscard]] static Supervisor from_environment();

  void tell_ready(std::string_view status) const;
  void tell_reloading() const;
  void tell_stopping() const;
  void tell_status(std::string_view status) const;
  void tell_alive() const;
  /// Another process is the service from now on.
  void tell_main_process(std::int64_t process_id) const;

  /// How often tell_alive() is expected at least; nothing: never.
  [[nodiscard]] std::optional<std::chrono::milliseconds> alive_interval() const { return alive_interval_; }

 private:
  void send(const std::string& text) const;

  std::string socket_path_;  ///< empty: nobody is told; a leading @ stands for a zero byte
  std::optional<std::chrono::milliseconds> alive_interval_;
};

}  // namespace proxy::lifecycle
