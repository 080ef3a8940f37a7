#include "tests/support/memory_stream.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace test_support;
using protocol::as_bytes;
using proxy::net::IoState;

namespace {

struct Reader final : proxy::net::StreamListener {
  explicit Reader(proxy::net::Stream& source) : stream(source) { stream.set_listener(this); }
  void on_stream_ready() override {
    ++calls;
    while (stream.is_readable()) {
      protocol::Bytes buffer(8);
      const auto outcome = stream.try_read(buffer);
      if (outcome.state == IoState::done) {
        const std::string piece(protocol::as_text(protocol::ByteView(buffer).first(outcome.bytes)));
        text += piece;
        pieces.push_back(piece);
      }
      if (outcome.state == IoState::end) is_at_end = true;
      if (outcome.state == IoState::failed) is_failed = true;
    }
  }
  proxy::net::Stream& stream;
  std::string text;
  std::vector<std::string> pieces;
  int calls = 0;
  bool is_at_end = false;
  bool is_failed = false;
};

}  // namespace

TEST_CASE("memory stream: written at one end → read at the other, called from the loop only") {
  SimLoop loop;
  MemoryPair pair(loop);
  Reader reader(*pair.b);
  CHECK(pair.a->try_write(as_bytes("hello")).state == IoState::done);
  CHECK(reader.calls == 0);
  loop.run_ready();
  CHECK(reader.text == "hello");
  CHECK(reader.calls == 1);
  pair.a->close();
  loop.run_ready();
  CHECK(reader.is_at_end);
  CHECK(pair.b->try_write(as_bytes("x")).state == IoState::failed);
}

TEST_CASE("memory stream: same seed → the same pieces; every seed → the same bytes in order") {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  std::vector<std::string> first;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (int turn = 0; turn < 2; ++turn) {
      SimLoop loop;
      StreamFaults faults;
      faults.seed = seed;
      faults.piece_bytes_max = 5;
      faults.delay = 1ms;
      faults.jitter = 3ms;
      MemoryPair pair(loop, faults);
      Reader reader(*pair.b);
      CHECK(pair.a->try_write(as_bytes(text)).state == IoState::done);
      loop.run_until_quiet(1s);
      CHECK(reader.text == text);
      CHECK(reader.calls > 1);
      if (turn == 0) first = reader.pieces;
      CHECK(reader.pieces == first);
    }
  }
}

TEST_CASE("memory stream: reader slow → the writer blocks at the capacity and is called when there is room") {
  SimLoop loop;
  StreamFaults faults;
  faults.capacity_bytes = 10;
  MemoryPair pair(loop, faults);
  Reader writer(*pair.a);
  const auto outcome = pair.a->try_write(as_bytes("0123456789abc"));
  CHECK(outcome.state == IoState::would_block);
  CHECK(outcome.bytes == 10);
  CHECK_FALSE(pair.a->is_writable());
  loop.run_ready();
  CHECK(writer.calls == 0);
  CHECK(pair.b->read_all_text() == "0123456789");
  loop.run_ready();
  CHECK(pair.a->is_writable());
  CHECK(writer.calls == 1);
}

TEST_CASE("memory stream: clogged after some bytes → nothing more until unclogged") {
  SimLoop loop;
  StreamFaults faults;
  faults.clog_after_bytes = 4;
  MemoryPair pair(loop, faults);
  CHECK(pair.a->try_write(as_bytes("abcdef")).bytes == 4);
  loop.run_ready();
  CHECK(pair.b->read_all_text() == "abcd");
  loop.run_ready();
  CHECK_FALSE(pair.a->is_writable());
  pair.a->unclog();
  CHECK(pair.a->is_writable());
  CHECK(pair.a->try_write(as_bytes("ef")).state == IoState::done);
}

TEST_CASE("memory stream: cut after some bytes → the reader gets exactly those, then the end or a reset") {
  for (const CutKind kind : {CutKind::end, CutKind::reset}) {
    SimLoop loop;
    StreamFaults faults;
    faults.cut_after_bytes = 7;
    faults.cut_kind = kind;
    MemoryPair pair(loop, faults);
    Reader reader(*pair.b);
    CHECK(pair.a->try_write(as_bytes("12345")).state == IoState::done);
    CHECK(pair.a->try_write(as_bytes("67890")).state == IoState::done);
    loop.run_ready();
    CHECK(reader.text == "1234567");
    CHECK(reader.is_at_end == (kind == CutKind::end));
    CHECK(reader.is_failed == (kind == CutKind::reset));
    CHECK(pair.b->is_broken() == (kind == CutKind::reset));
  }
}

TEST_CASE("memory stream: last bytes and the end together → a short read stays readable until the end is seen") {
  SimLoop loop;
  MemoryPair pair(loop);
  CHECK(pair.a->try_write(as_bytes("bye")).state == IoState::done);
  pair.a->close();
  loop.run_ready();
  CHECK(pair.b->read_all_text() == "bye");
  protocol::Bytes buffer(8);
  CHECK(pair.b->is_readable());
  CHECK(pair.b->try_read(buffer).state == IoState::end);
}

TEST_CASE("memory stream: closed with unread bytes → the peer sees a reset") {
  SimLoop loop;
  MemoryPair pair(loop);
  Reader reader(*pair.a);
  CHECK(pair.a->try_write(as_bytes("unread")).state == IoState::done);
  loop.run_ready();
  pair.b.reset();
  loop.run_ready();
  CHECK(reader.is_failed);
}

TEST_CASE("sim connector: accepts late, refuses, ignores → as a real one would show it") {
  SimLoop loop;
  std::unique_ptr<MemoryStream> server;
  SimConnector connector(
      loop,
      [](const proxy::net::Endpoint& endpoint, std::size_t) {
        SimConnector::Behaviour behaviour;
        behaviour.delay = 5ms;
        if (endpoint.host == "refused") behaviour.answer = ConnectAnswer::refuse;
        if (endpoint.host == "silent") behaviour.answer = ConnectAnswer::ignore;
        return behaviour;
      },
      [&](const proxy::net::Endpoint&, std::unique_ptr<MemoryStream> end) { server = std::move(end); });
  const auto good = connector.connect({"good", 1});
  const auto refused = connector.connect({"refused", 1});
  const auto silent = connector.connect({"silent", 1});
  Reader good_reader(*good);
  Reader refused_reader(*refused);
  CHECK(good->is_connecting());
  CHECK(good->try_write(as_bytes("early")).bytes == 0);
  loop.advance(1h);
  CHECK_FALSE(good->is_connecting());
  CHECK_FALSE(good->is_broken());
  CHECK(good_reader.calls == 1);
  CHECK(refused->is_broken());
  CHECK(refused->failure() == "connection refused");
  CHECK(refused_reader.calls == 1);
  CHECK(silent->is_connecting());
  REQUIRE(server != nullptr);
  CHECK(good->try_write(as_bytes("hi")).state == IoState::done);
  loop.run_ready();
  CHECK(server->read_all_text() == "hi");
  CHECK(connector.attempts_count() == 3);
}
