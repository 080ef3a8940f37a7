#pragma once

#include "protocol/base/bytes.hpp"
#include "proxy/net/listener.hpp"
#include "proxy/net/name_table.hpp"
#include "proxy/net/tcp_connector.hpp"
#include "proxy/net/tcp_stream.hpp"
#include "proxy/runtime/event_loop.hpp"

#include <doctest/doctest.h>
#include <event2/event.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace net_test {

using namespace proxy::net;
using protocol::Bytes;
using protocol::ByteView;
using proxy::runtime::EventLoop;

/// Turns the loop until `is_reached`; a test that waits for what never comes fails instead of hanging.
inline void turn_until(EventLoop& loop, const std::function<bool()>& is_reached) {
  bool is_late = false;
  const auto guard = loop.make_timer([&] { is_late = true; });
  guard->arm(loop.now() + std::chrono::seconds(20));
  while (!is_reached() && !is_late) event_base_loop(loop.base(), EVLOOP_ONCE);
  REQUIRE_FALSE(is_late);
}

/// Handles what is there already.
inline void turn_once(EventLoop& loop) { event_base_loop(loop.base(), EVLOOP_ONCE | EVLOOP_NONBLOCK); }

class CountingListener final : public StreamListener {
 public:
  void on_stream_ready() override {
    ++calls;
    if (on_ready) on_ready();
  }
  int calls = 0;
  std::function<void()> on_ready;
};

/// A stream on one end, a plain blocking socket in the test's hand on the other.
struct SocketPair {
  explicit SocketPair(EventLoop& loop) {
    int fds[2] = {-1, -1};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    peer = FileDescriptor(fds[1]);
    FileDescriptor own(fds[0]);
    evutil_make_socket_nonblocking(own.get());
    stream = TcpStream::adopt(loop, std::move(own));
  }
  std::unique_ptr<TcpStream> stream;
  FileDescriptor peer;
};

/// Two streams joined by TCP over the loopback.
struct TcpPair {
  explicit TcpPair(EventLoop& loop) : names([](const std::string&) { return std::vector<Address>{}; }) {
    ListenerOptions options;
    options.endpoint = {"127.0.0.1", 0};
    auto listener = Listener::open(loop, options, [this](std::unique_ptr<Stream> stream, const Address& from) {
      server = std::move(stream);
      client_address = from;
    });
    REQUIRE(listener.has_value());
    TcpConnector connector(loop, names, TcpOptions{});
    client = connector.connect({"127.0.0.1", (*listener)->port()});
    turn_until(loop, [this] { return server != nullptr && !client->is_connecting(); });
    REQUIRE_FALSE(client->is_broken());
  }
  NameTable names;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
  Address client_address;
};

inline Bytes bytes_of(std::string_view text) {
  Bytes result;
  protocol::append(result, protocol::as_bytes(text));
  return result;
}

/// One receive as text.
inline std::pair<IoState, std::string> read_text(Stream& stream, std::size_t bytes_max = 4096) {
  Bytes buffer(bytes_max);
  const IoOutcome outcome = stream.try_read(buffer);
  return {outcome.state, std::string(protocol::as_text(ByteView(buffer).first(outcome.bytes)))};
}

}  // namespace net_test
