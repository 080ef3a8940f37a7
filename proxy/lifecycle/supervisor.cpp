#include "proxy/lifecycle/supervisor.hpp"

#include "proxy/net/file_descriptor.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace proxy::lifecycle {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::optional<std::int64_t> number_of(const std::string& text) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

/// A status is one line.
std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return line;
}

}  // namespace

Supervisor Supervisor::from_environment() {
  Supervisor supervisor;
  const std::string path = variable("NOTIFY_SOCKET");
  const bool is_usable = path.size() > 1 && (path.front() == '/' || path.front() == '@');
  if (is_usable && path.size() < sizeof sockaddr_un{}.sun_path) supervisor.socket_path_ = path;
  const auto interval = number_of(variable("WATCHDOG_USEC"));
  const std::string watched = variable("WATCHDOG_PID");
  const bool is_meant = watched.empty() || number_of(watched) == static_cast<std::int64_t>(::getpid());
  if (interval && *interval > 0 && is_meant && !supervisor.socket_path_.empty()) {
    supervisor.alive_interval_ = std::chrono::milliseconds(std::max<std::int64_t>(1, *interval / 1000));
  }
  return supervisor;
}

void Supervisor::send(const std::string& text) const {
  if (socket_path_.empty()) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const net::FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path_.size());
  (void)::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
}

void Supervisor::tell_ready(std::string_view status) const { send("READY=1\nSTATUS=" + one_line(status)); }

void Supervisor::tell_reloading() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t microseconds = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds) + "\nSTATUS=reading the configuration again");
}

void Supervisor::tell_stopping() const { send("STOPPING=1\nSTATUS=sessions end at their next boundary"); }

void Supervisor::tell_status(std::string_view status) const { send("STATUS=" + one_line(status)); }

void Supervisor::tell_alive() const { send("WATCHDOG=1"); }

void Supervisor::tell_main_process(std::int64_t process_id) const { send("MAINPID=" + std::to_string(process_id)); }

}  // namespace proxy::lifecycle
