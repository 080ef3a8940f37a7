#include "proxy/net/tcp_connector.hpp"

#include "tests/proxy/net/net_fixture.hpp"

#include <doctest/doctest.h>

#include <future>

using namespace net_test;

namespace {

/// A port that nobody listens on: bound, not listening, so nobody else gets it either.
struct DeafPort {
  DeafPort() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage{};
    socklen_t length = Address::parse("127.0.0.1", 0)->to_sockaddr(storage);
    REQUIRE(bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0);
    REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &length) == 0);
    port = Address::from_sockaddr(storage).port();
  }
  FileDescriptor socket;
  std::uint16_t port = 0;
};

}  // namespace

TEST_CASE("connector: nobody listens → broken after the connect, told from the loop, no address in the reason") {
  EventLoop loop;
  NameTable names([](const std::string&) { return std::vector<Address>{}; });
  TcpConnector connector(loop, names, TcpOptions{});
  const DeafPort deaf;
  const auto stream = connector.connect({"127.0.0.1", deaf.port});
  CountingListener listener;
  stream->set_listener(&listener);
  CHECK(stream->try_write(bytes_of("early")).bytes == 0);
  turn_until(loop, [&] { return listener.calls > 0; });
  CHECK_FALSE(stream->is_connecting());
  CHECK(stream->is_broken());
  CHECK(stream->failure() == "connection refused");
  CHECK(read_text(*stream).first == IoState::failed);
}

TEST_CASE("connector: no such local socket, path too long, name unknown → broken at once, and told") {
  EventLoop loop;
  NameTable names([](const std::string&) { return std::vector<Address>{}; });
  TcpConnector connector(loop, names, TcpOptions{});
  const Endpoint endpoints[] = {{"/nonexistent/socket", 0}, {"/" + std::string(200, 'x'), 0}, {"unknown.example", 1}};
  const char* reasons[] = {"local socket does not exist", "the local socket's path is too long",
                           "the host's name is not resolved"};
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    const auto stream = connector.connect(endpoints[i]);
    CHECK(stream->is_broken());
    CHECK_FALSE(stream->is_connecting());
    CHECK(stream->failure() == reasons[i]);
    CountingListener listener;
    stream->set_listener(&listener);
    turn_until(loop, [&] { return listener.calls == 1; });
  }
}

TEST_CASE("connector: first address of a name refuses → the next one is tried") {
  EventLoop loop;
  // 127.0.0.2 has nobody on the listener's port.
  NameTable names([](const std::string&) {
    return std::vector<Address>{*Address::parse("127.0.0.2", 0), *Address::parse("127.0.0.1", 0)};
  });
  REQUIRE(names.add("two.example"));
  ListenerOptions options;
  options.endpoint = {"127.0.0.1", 0};
  std::unique_ptr<Stream> accepted;
  auto listener = Listener::open(loop, options,
                                 [&](std::unique_ptr<Stream> stream, const Address&) { accepted = std::move(stream); });
  REQUIRE(listener.has_value());
  TcpConnector connector(loop, names, TcpOptions{});
  const auto stream = connector.connect({"two.example", (*listener)->port()});
  turn_until(loop, [&] { return !stream->is_connecting() && accepted != nullptr; });
  CHECK_FALSE(stream->is_broken());
  CHECK(stream->failure().empty());
  CHECK(stream->try_write(bytes_of("x")).state == IoState::done);
}

TEST_CASE("connector: every address refuses → broken with the last reason") {
  EventLoop loop;
  const DeafPort deaf;
  NameTable names([](const std::string&) {
    return std::vector<Address>{*Address::parse("127.0.0.1", 0), *Address::parse("127.0.0.1", 0)};
  });
  REQUIRE(names.add("none.example"));
  TcpConnector connector(loop, names, TcpOptions{});
  const auto stream = connector.connect({"none.example", deaf.port});
  turn_until(loop, [&] { return !stream->is_connecting(); });
  CHECK(stream->is_broken());
  CHECK(stream->failure() == "connection refused");
}

TEST_CASE("connector: destroyed while connecting → no call, no leak") {
  EventLoop loop;
  NameTable names([](const std::string&) { return std::vector<Address>{}; });
  TcpConnector connector(loop, names, TcpOptions{});
  const DeafPort deaf;
  (void)connector.connect({"127.0.0.1", deaf.port});
  turn_once(loop);
}

TEST_CASE("name table: name not seen before → null first, resolved in the background, kept when a refresh fails") {
  std::promise<void> has_failed;
  std::atomic<int> asked = 0;
  NameTable names(
      [&](const std::string&) {
        const int turn = ++asked;
        if (turn == 3) has_failed.set_value();
        return turn == 1 ? std::vector<Address>{*Address::parse("127.0.0.1", 0)} : std::vector<Address>{};
      },
      std::chrono::milliseconds(1));
  CHECK(names.find("late.example") == nullptr);
  has_failed.get_future().wait();  // the second, failing answer is in the table now
  const NameTable::Addresses known = names.find("late.example");
  REQUIRE(known != nullptr);
  CHECK(known->front().host_text() == "127.0.0.1");
}

TEST_CASE("name table: localhost by the system → at least one address") {
  CHECK_FALSE(NameTable::resolve_by_system("localhost").empty());
}
