#include "proxy/net/tcp_stream.hpp"

#include "tests/proxy/net/net_fixture.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

using namespace net_test;

TEST_CASE("stream: bytes arrive → one call, a short read ends the readiness without another receive") {
  EventLoop loop;
  SocketPair pair(loop);
  CountingListener listener;
  pair.stream->set_listener(&listener);
  turn_once(loop);
  CHECK_FALSE(pair.stream->is_readable());
  REQUIRE(write(pair.peer.get(), "hello", 5) == 5);
  turn_until(loop, [&] { return pair.stream->is_readable(); });
  CHECK(read_text(*pair.stream) == std::pair{IoState::done, std::string("hello")});
  CHECK_FALSE(pair.stream->is_readable());
  CHECK(read_text(*pair.stream).first == IoState::would_block);
}

TEST_CASE("stream: a read that fills its target → still readable, the rest follows") {
  EventLoop loop;
  SocketPair pair(loop);
  REQUIRE(write(pair.peer.get(), "hello", 5) == 5);
  turn_until(loop, [&] { return pair.stream->is_readable(); });
  CHECK(read_text(*pair.stream, 3).second == "hel");
  CHECK(pair.stream->is_readable());
  CHECK(read_text(*pair.stream, 3).second == "lo");
  CHECK_FALSE(pair.stream->is_readable());
}

TEST_CASE("stream: last bytes and the end in one event → still readable after the short read, then end") {
  EventLoop loop;
  TcpPair pair(loop);
  REQUIRE(pair.client->try_write(bytes_of("bye")).state == IoState::done);
  pair.client->close();
  turn_until(loop, [&] { return pair.server->is_readable(); });
  CHECK(read_text(*pair.server).second == "bye");
  turn_until(loop, [&] { return pair.server->is_readable(); });
  CHECK(read_text(*pair.server).first == IoState::end);
  CHECK_FALSE(pair.server->is_readable());
  CHECK(read_text(*pair.server).first == IoState::end);
  CHECK_FALSE(pair.server->is_broken());
}

TEST_CASE("stream: half-closed by the peer → end on reading, writing still works") {
  EventLoop loop;
  SocketPair pair(loop);
  REQUIRE(shutdown(pair.peer.get(), SHUT_WR) == 0);
  turn_until(loop, [&] { return pair.stream->is_readable(); });
  CHECK(read_text(*pair.stream).first == IoState::end);
  CHECK(pair.stream->try_write(bytes_of("still here")).state == IoState::done);
  char buffer[32];
  CHECK(read(pair.peer.get(), buffer, sizeof buffer) == 10);
}

TEST_CASE("stream: socket full → would_block, not writable until the peer has read, then one call") {
  EventLoop loop;
  SocketPair pair(loop);
  CountingListener listener;
  pair.stream->set_listener(&listener);
  turn_once(loop);
  const Bytes block(1 << 20, std::byte{'x'});
  std::size_t sent = 0;
  IoOutcome outcome{IoState::done, 0};
  while (outcome.state == IoState::done) {
    outcome = pair.stream->try_write(block);
    sent += outcome.bytes;
  }
  CHECK(outcome.state == IoState::would_block);
  CHECK_FALSE(pair.stream->is_writable());
  const int calls = listener.calls;
  turn_once(loop);
  CHECK(listener.calls == calls);

  std::size_t received = 0;
  Bytes buffer(1 << 20);
  while (received < sent) {
    const ssize_t count = read(pair.peer.get(), buffer.data(), buffer.size());
    REQUIRE(count > 0);
    received += static_cast<std::size_t>(count);
  }
  turn_until(loop, [&] { return pair.stream->is_writable(); });
  CHECK(listener.calls > calls);
  CHECK(pair.stream->try_write(bytes_of("more")).state == IoState::done);
}

TEST_CASE("stream: gather of many slices with a skip at every kind of place → the bytes in order, once") {
  EventLoop loop;
  SocketPair pair(loop);
  protocol::Gather gather;
  std::string wanted;
  std::vector<std::string> borrowed;
  for (int i = 0; i < 1500; ++i) borrowed.push_back("b" + std::to_string(i));
  for (int i = 0; i < 1500; ++i) {  // more slices than one call takes
    gather.borrow(protocol::as_bytes(borrowed[static_cast<std::size_t>(i)]));
    gather.own(protocol::as_bytes("-"));
    wanted += borrowed[static_cast<std::size_t>(i)] + "-";
  }
  REQUIRE(gather.slice_count() == 3000);
  for (const std::size_t skip : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{3}, wanted.size() - 1}) {
    CAPTURE(skip);
    const IoOutcome outcome = pair.stream->try_write(gather, skip);
    CHECK(outcome.state == IoState::done);
    CHECK(outcome.bytes == wanted.size() - skip);
    std::string got(wanted.size() - skip, '\0');
    REQUIRE(recv(pair.peer.get(), got.data(), got.size(), MSG_WAITALL) == static_cast<ssize_t>(got.size()));
    CHECK(got == wanted.substr(skip));
  }
  CHECK(pair.stream->try_write(gather, wanted.size()).state == IoState::done);
}

TEST_CASE("stream: gather larger than the socket takes → the count taken lets the caller go on") {
  EventLoop loop;
  SocketPair pair(loop);
  const Bytes block(1 << 20, std::byte{'x'});
  const Bytes other(1 << 20, std::byte{'y'});
  protocol::Gather gather;
  REQUIRE(block.data() != nullptr);  // GCC 12 would warn of a block that is none
  gather.borrow(block);
  gather.own(protocol::as_bytes("|"));
  gather.borrow(other);
  std::size_t sent = 0;
  std::string got;
  Bytes buffer(1 << 16);
  while (sent < gather.total_bytes()) {
    const IoOutcome outcome = pair.stream->try_write(gather, sent);
    REQUIRE(outcome.state != IoState::failed);
    sent += outcome.bytes;
    while (got.size() < sent) {
      const ssize_t count = read(pair.peer.get(), buffer.data(), buffer.size());
      REQUIRE(count > 0);
      got += protocol::as_text(ByteView(buffer).first(static_cast<std::size_t>(count)));
    }
  }
  CHECK(got == std::string(1 << 20, 'x') + "|" + std::string(1 << 20, 'y'));
}

TEST_CASE("stream: peer gone → write fails without a signal, words that had arrived can still be read") {
  EventLoop loop;
  SocketPair pair(loop);
  REQUIRE(write(pair.peer.get(), "last", 4) == 4);
  pair.peer.close();
  turn_until(loop, [&] { return pair.stream->is_readable(); });
  CHECK(pair.stream->try_write(bytes_of("x")).state == IoState::failed);
  CHECK(pair.stream->is_broken());
  CHECK_FALSE(pair.stream->failure().empty());
  CHECK(read_text(*pair.stream).second == "last");
}

TEST_CASE("stream: connection reset by the peer → announced, read fails, the reason is named") {
  EventLoop loop;
  TcpPair pair(loop);
  CountingListener listener;
  pair.server->set_listener(&listener);
  turn_once(loop);
  // Closing with unread bytes makes the kernel send a reset.
  REQUIRE(pair.server->try_write(bytes_of("unread")).state == IoState::done);
  turn_until(loop, [&] { return pair.client->is_readable(); });
  pair.client->close();
  turn_until(loop, [&] { return pair.server->is_readable(); });
  CHECK(read_text(*pair.server).first == IoState::failed);
  CHECK(pair.server->is_broken());
  CHECK(pair.server->failure() == "reset by peer");
}

TEST_CASE("stream: last bytes and a reset in one event → the bytes, then within two ticks the failure") {
  EventLoop loop(std::chrono::milliseconds(1));
  TcpPair pair(loop);
  CountingListener listener;
  pair.server->set_listener(&listener);
  turn_once(loop);
  REQUIRE(pair.server->try_write(bytes_of("unread")).state == IoState::done);
  turn_until(loop, [&] { return pair.client->is_readable(); });
  REQUIRE(pair.client->try_write(bytes_of("last words")).state == IoState::done);
  pair.client->close();
  turn_until(loop, [&] { return pair.server->is_readable(); });
  CHECK(read_text(*pair.server).second == "last words");
  const int calls = listener.calls;
  turn_until(loop, [&] { return pair.server->is_readable(); });
  CHECK(listener.calls > calls);
  CHECK(read_text(*pair.server).first == IoState::failed);
  CHECK(pair.server->failure() == "reset by peer");
  CHECK(read_text(*pair.server).first == IoState::failed);
}

TEST_CASE("stream: quiet but whole → the look after a tick changes nothing and is not repeated") {
  EventLoop loop(std::chrono::milliseconds(1));
  TcpPair pair(loop);
  CountingListener listener;
  REQUIRE(pair.client->try_write(bytes_of("hello")).state == IoState::done);
  turn_until(loop, [&] { return pair.server->is_readable(); });
  CHECK(read_text(*pair.server).second == "hello");
  pair.server->set_listener(&listener);
  bool is_over = false;
  const auto timer = loop.make_timer([&] { is_over = true; });
  timer->arm(loop.now() + std::chrono::milliseconds(20));
  turn_until(loop, [&] { return is_over; });
  CHECK(listener.calls == 0);
  REQUIRE(pair.client->try_write(bytes_of("again")).state == IoState::done);
  turn_until(loop, [&] { return pair.server->is_readable(); });
  CHECK(read_text(*pair.server).second == "again");
}

TEST_CASE("stream: destroyed by its listener, from its own call → safe") {
  EventLoop loop;
  SocketPair pair(loop);
  CountingListener listener;
  listener.on_ready = [&] { pair.stream.reset(); };
  pair.stream->set_listener(&listener);
  REQUIRE(write(pair.peer.get(), "x", 1) == 1);
  turn_until(loop, [&] { return pair.stream == nullptr; });
  CHECK(listener.calls == 1);
}

TEST_CASE("stream: closed → later calls fail, no more calls come") {
  EventLoop loop;
  SocketPair pair(loop);
  CountingListener listener;
  pair.stream->set_listener(&listener);
  REQUIRE(write(pair.peer.get(), "x", 1) == 1);
  pair.stream->close();
  turn_once(loop);
  CHECK(listener.calls == 0);
  CHECK(read_text(*pair.stream).first == IoState::failed);
  CHECK(pair.stream->try_write(bytes_of("x")).state == IoState::failed);
  CHECK(pair.stream->is_broken());
  CHECK(pair.stream->failure() == "closed");
}

TEST_CASE("stream: the peer has ended, and no event was handled yet → one look tells") {
  EventLoop loop;
  SocketPair pair(loop);
  turn_once(loop);
  CHECK_FALSE(pair.stream->has_news());
  pair.peer.close();
  CHECK_FALSE(pair.stream->is_readable());
  CHECK(pair.stream->has_news());
  CHECK(pair.stream->is_readable());
  CHECK(read_text(*pair.stream).first == IoState::end);
}

TEST_CASE("stream: taken out of one loop and put into another → goes on there, and what came in between is announced") {
  EventLoop loop;
  EventLoop other;
  SocketPair pair(loop);
  turn_once(loop);
  std::unique_ptr<Freight> freight = pair.stream->take_out();
  REQUIRE(freight != nullptr);
  CHECK(pair.stream->try_write(bytes_of("x")).state == IoState::failed);
  pair.stream.reset();
  REQUIRE(write(pair.peer.get(), "hello", 5) == 5);
  const std::unique_ptr<TcpStream> moved = TcpStream::put_in(other, std::move(freight));
  CountingListener listener;
  moved->set_listener(&listener);
  turn_until(other, [&] { return moved->is_readable(); });
  CHECK(listener.calls > 0);
  CHECK(read_text(*moved).second == "hello");
  CHECK(moved->try_write(bytes_of("back")).state == IoState::done);
  char buffer[8];
  CHECK(read(pair.peer.get(), buffer, sizeof buffer) == 4);
}

TEST_CASE("stream: bytes were announced and not read → cannot be moved, and loses nothing") {
  EventLoop loop;
  SocketPair pair(loop);
  REQUIRE(write(pair.peer.get(), "hello", 5) == 5);
  turn_until(loop, [&] { return pair.stream->is_readable(); });
  CHECK(pair.stream->take_out() == nullptr);
  CHECK(read_text(*pair.stream).second == "hello");
}
