#include "proxy/lifecycle/inherited_sockets.hpp"

#include "proxy/net/listener.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

namespace proxy::lifecycle {

namespace {

constexpr int first_passed_descriptor = 3;  // SD_LISTEN_FDS_START
constexpr int passed_descriptors_max = 1024;

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  int number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return number;
}

bool is_listening_stream(int fd) {
  int type = 0;
  int is_listening = 0;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) return false;
  length = sizeof is_listening;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) == 0 && is_listening != 0;
}

}  // namespace

InheritedSockets InheritedSockets::from_environment() {
  InheritedSockets sockets;
  const auto process = number_in("LISTEN_PID");
  const auto count = number_in("LISTEN_FDS");
  if (!process || *process != ::getpid() || !count || *count < 1 || *count > passed_descriptors_max) return sockets;
  const char* given = std::getenv("LISTEN_FDNAMES");
  std::string_view names(given == nullptr ? "" : given);
  for (int fd = first_passed_descriptor; fd < first_passed_descriptor + *count; ++fd) {
    const std::size_t colon = names.find(':');
    std::string name(names.substr(0, colon));
    names.remove_prefix(colon == std::string_view::npos ? names.size() : colon + 1);
    net::FileDescriptor socket(fd);
    (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || !is_listening_stream(fd)) continue;
    (void)::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    sockets.add(std::move(name), std::move(socket));
  }
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  return sockets;
}

net::FileDescriptor InheritedSockets::take(const std::string& name, const std::string& host, std::uint16_t port) {
  if (host.starts_with('/')) return take_if([&](const Entry& entry) { return net::Listener::local_path_of(entry.socket) == host; });
  const std::optional<net::Address> wanted = net::Address::parse(host == "localhost" ? "127.0.0.1" : host, port);
  if (!wanted) return {};
  return take_if([&](const Entry& entry) {
    const net::Address address = net::Listener::address_of(entry.socket);
    if (port != 0) return address == *wanted;
    return entry.name == name && address.with_port(0) == *wanted;
  });
}

net::FileDescriptor InheritedSockets::take_if(const std::function<bool(const Entry&)>& is_it) {
  const auto place = std::find_if(entries_.begin(), entries_.end(), is_it);
  if (place == entries_.end()) return {};
  net::FileDescriptor socket = std::move(place->socket);
  entries_.erase(place);
  return socket;
}

std::vector<std::string> InheritedSockets::drop_rest() {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.name);
  entries_.clear();
  return names;
}

}  // namespace proxy::lifecycle
