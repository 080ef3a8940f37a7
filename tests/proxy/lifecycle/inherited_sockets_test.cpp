#include "proxy/lifecycle/inherited_sockets.hpp"

#include "proxy/net/listener.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <string>

using proxy::lifecycle::InheritedSockets;
using proxy::net::FileDescriptor;
using proxy::net::Listener;
using proxy::net::ListenerOptions;

namespace {

FileDescriptor listening_socket() {
  ListenerOptions options;
  options.endpoint.host = "127.0.0.1";
  auto socket = Listener::bind(options);
  REQUIRE(socket);
  return *std::move(socket);
}

}  // namespace

TEST_CASE("inherited sockets: by address, whatever the name; each once") {
  InheritedSockets sockets;
  FileDescriptor first = listening_socket();
  const int fd = first.get();
  const std::uint16_t port = Listener::address_of(first).port();
  sockets.add("another", std::move(first));
  CHECK_FALSE(sockets.take("shop", "127.0.0.2", port).is_open());
  CHECK_FALSE(sockets.take("shop", "127.0.0.1", static_cast<std::uint16_t>(port ^ 1)).is_open());
  const FileDescriptor taken = sockets.take("shop", "127.0.0.1", port);
  CHECK(taken.get() == fd);
  CHECK_FALSE(sockets.take("shop", "127.0.0.1", port).is_open());
}

TEST_CASE("inherited sockets: a path → the local socket that listens there") {
  const std::string path = "/tmp/crossfade-inherited-" + std::to_string(::getpid());
  ListenerOptions options;
  options.endpoint.host = path;
  auto socket = Listener::bind(options);
  REQUIRE(socket);
  InheritedSockets sockets;
  sockets.add("shop", listening_socket());
  sockets.add("shop", *std::move(socket));
  CHECK_FALSE(sockets.take("shop", path + "x", 0).is_open());
  CHECK(Listener::local_path_of(sockets.take("shop", path, 0)) == path);
  CHECK_FALSE(sockets.take("shop", path, 0).is_open());
  CHECK(::unlink(path.c_str()) == 0);
}

TEST_CASE("inherited sockets: port 0 → by name, on that host; the rest is named and closed") {
  InheritedSockets sockets;
  sockets.add("one", listening_socket());
  sockets.add("two", listening_socket());
  CHECK_FALSE(sockets.take("three", "127.0.0.1", 0).is_open());
  CHECK_FALSE(sockets.take("two", "::1", 0).is_open());
  CHECK(sockets.take("two", "127.0.0.1", 0).is_open());
  CHECK(sockets.drop_rest() == std::vector<std::string>{"one"});
  CHECK(sockets.drop_rest().empty());
}

TEST_CASE("inherited sockets: an environment meant for another process → nothing is touched") {
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_PID", std::to_string(::getpid() + 1).c_str(), 1);
  CHECK(InheritedSockets::from_environment().drop_rest().empty());
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_PID");
}
