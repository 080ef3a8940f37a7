#include "proxy/net/tls_stream.hpp"

#include "tests/proxy/net/tls_fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace net_test;
using protocol::as_bytes;
using protocol::ByteView;
using test_support::CutKind;
using test_support::MemoryPair;
using test_support::SimLoop;
using test_support::StreamFaults;

namespace {

/// The lengths of the TLS records in `bytes`. A record's header: type, version, length.
std::vector<std::size_t> records_of(ByteView bytes) {
  std::vector<std::size_t> lengths;
  while (bytes.size() >= 5) {
    const std::size_t length = std::to_integer<std::size_t>(bytes[3]) * 256 + std::to_integer<std::size_t>(bytes[4]);
    lengths.push_back(length);
    bytes = bytes.subspan(std::min(bytes.size(), 5 + length));
  }
  return lengths;
}

/// Writes all of `text`, waiting for room where there is none.
void write_all(TlsPair& pair, Stream& stream, std::string_view text) {
  for (int turns = 0; !text.empty() && turns < 100'000; ++turns) {
    const IoOutcome outcome = stream.try_write(as_bytes(text));
    REQUIRE(outcome.state != IoState::failed);
    text.remove_prefix(outcome.bytes);
    if (outcome.state == IoState::would_block) pair.run();
  }
  REQUIRE(text.empty());
}

std::string long_text(std::size_t bytes) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * i / 7) % 26);
  return text;
}

}  // namespace

TEST_CASE("tls stream: a handshake → both ends open, ALPN agreed, and the same channel binding") {
  TlsPair pair(server_options(), client_options());
  CHECK(pair.server->is_connecting());
  CHECK_FALSE(pair.server->tls_facts());
  pair.run();
  REQUIRE_FALSE(pair.server->is_connecting());
  REQUIRE_FALSE(pair.client->is_connecting());
  CHECK_FALSE(pair.server->is_broken());
  const auto server = pair.server->tls_facts();
  const auto client = pair.client->tls_facts();
  REQUIRE(server);
  REQUIRE(client);
  CHECK(server->version == "TLSv1.3");
  CHECK(server->application_protocol == "postgresql");
  CHECK_FALSE(server->peer);
  REQUIRE(client->peer);
  CHECK(client->peer->common_name == "localhost");
  CHECK(server->server_end_point == client->server_end_point);
  std::string hexadecimal = certificates().run("openssl x509 -in server.crt -noout -fingerprint -sha256 | sed 's/.*=//' | tr -d ':\\n'");
  std::string ours;
  for (const std::byte byte : server->server_end_point) {
    ours += "0123456789ABCDEF"[std::to_integer<int>(byte) / 16];
    ours += "0123456789ABCDEF"[std::to_integer<int>(byte) % 16];
  }
  CHECK(ours == hexadecimal);
}

TEST_CASE("tls stream: in pieces, late and through small buffers → every byte in order, both ways") {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{300}, std::size_t{70'000}}) {
    CAPTURE(piece);
    StreamFaults faults;
    faults.piece_bytes_max = piece;
    faults.capacity_bytes = 5000;
    TlsPair pair(server_options(), client_options(), faults);
    pair.server_reader->target_bytes = 1000;
    pair.run();
    const std::string question = long_text(piece == 1 ? 20'000 : 300'000);
    const std::string answer = long_text(50'001);
    write_all(pair, *pair.client, question);
    write_all(pair, *pair.server, answer);
    pair.run();
    CHECK(pair.server_reader->text == question);
    CHECK(pair.client_reader->text == answer);
  }
}

TEST_CASE("tls stream: slices of a gather → small ones make one record, and skip is obeyed") {
  TlsPair pair(server_options(), client_options());
  pair.run();
  const std::size_t before = pair.plain_client->written().size();
  const std::string large = long_text(40'000);
  protocol::Gather gather;
  gather.own(as_bytes(std::string_view("skipped")));
  gather.borrow(as_bytes(std::string_view("one ")));
  gather.own(as_bytes(std::string_view("two ")));
  gather.borrow(as_bytes(std::string_view(large)));
  CHECK(pair.client->try_write(gather, 7).bytes == 8 + large.size());
  pair.run();
  CHECK(pair.server_reader->text == "one two " + large);
  // Header, padding byte and tag: 5 + 1 + 16.
  const std::vector<std::size_t> records = records_of(ByteView(pair.plain_client->written()).subspan(before));
  CHECK(records == std::vector<std::size_t>{8 + 17, 16'384 + 17, 16'384 + 17, 40'000 - 2 * 16'384 + 17});
}

TEST_CASE("tls stream: a plain stream that takes nothing → unsent is told, writing blocks, and it leaves by itself") {
  TlsPair pair(server_options(), client_options());
  pair.run();
  pair.plain_client->clog();
  CHECK(pair.client->try_write(as_bytes(std::string_view("last words"))).state == IoState::done);
  CHECK(pair.client->has_unsent());
  CHECK_FALSE(pair.client->is_writable());
  CHECK(pair.client->try_write(as_bytes(std::string_view("more"))).state == IoState::would_block);
  pair.run();
  CHECK(pair.server_reader->text.empty());
  pair.plain_client->unclog();
  pair.run();
  CHECK_FALSE(pair.client->has_unsent());
  CHECK(pair.client->is_writable());
  CHECK(pair.server_reader->text == "last words");
}

TEST_CASE("tls stream: closed in order → the end behind the last bytes, not a failure") {
  TlsPair pair(server_options(), client_options());
  pair.run();
  CHECK(pair.client->try_write(as_bytes(std::string_view("bye"))).state == IoState::done);
  pair.client->close();
  CHECK(pair.client->try_write(as_bytes(std::string_view("x"))).state == IoState::failed);
  pair.run();
  CHECK(pair.server_reader->text == "bye");
  CHECK(pair.server_reader->last == IoState::end);
  CHECK_FALSE(pair.server->is_readable());
}

TEST_CASE("tls stream: the peer goes without a goodbye, or is reset → end, or failed") {
  for (const CutKind kind : {CutKind::end, CutKind::reset}) {
    TlsPair pair(server_options(), client_options());
    pair.run();
    pair.plain_server->cut(kind);
    pair.run();
    CHECK(pair.server_reader->last == (kind == CutKind::end ? IoState::end : IoState::failed));
  }
}

TEST_CASE("tls stream: a record is tampered with → what came before is read, then failed, and the peer gets an alert") {
  TlsPair pair(server_options(), client_options());
  pair.run();
  CHECK(pair.client->try_write(as_bytes(std::string_view("good"))).state == IoState::done);
  const std::size_t sent = pair.plain_server->written().size();
  CHECK(pair.plain_client->try_write(as_bytes(std::string_view("\x17\x03\x03\x00\x20" "forged, forged, forged, forged!!", 37))).state ==
        IoState::done);
  pair.run();
  CHECK(pair.server_reader->text == "good");
  CHECK(pair.server_reader->last == IoState::failed);
  CHECK(pair.server->is_broken());
  CHECK(pair.server->failure().starts_with("TLS: "));
  CHECK(pair.plain_server->written().size() > sent);
}

TEST_CASE("tls stream: half a handshake → connecting for as long as the peer lives, then broken") {
  SimLoop loop;
  MemoryPair plain(loop);
  const auto source = open(server_options());
  TlsScratch scratch;
  const auto server = TlsStreamMaker(*source, scratch).encrypt(std::move(plain.a), {}, {});
  Reader reader(*server);
  CHECK(plain.b->try_write(as_bytes(std::string_view("\x16\x03\x01\x02", 4))).state == IoState::done);
  loop.run_until_quiet(std::chrono::hours(1));
  CHECK(server->is_connecting());
  CHECK(server->try_write(as_bytes(std::string_view("x"))).state == IoState::would_block);
  CHECK(reader.calls == 0);
  plain.b->close();
  loop.run_until_quiet(std::chrono::hours(1));
  CHECK_FALSE(server->is_connecting());
  CHECK(server->is_broken());
  CHECK(reader.calls == 1);
  CHECK(server->failure() == "closed during the TLS handshake");
}

TEST_CASE("tls stream: no TLS at all → broken at once, with an alert; a peer that begins early is served") {
  for (const std::string_view words : {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\xff\xff too long", "Q: is this TLS?"}) {
    SimLoop loop;
    MemoryPair plain(loop);
    const auto source = open(server_options());
    TlsScratch scratch;
    const auto server = TlsStreamMaker(*source, scratch).encrypt(std::move(plain.a), as_bytes(words), {});
    CHECK_FALSE(server->is_connecting());
    CHECK(server->is_broken());
    CHECK(server->failure().starts_with("TLS handshake: "));
  }
  SimLoop loop;
  MemoryPair plain(loop);
  const auto server_source = open(server_options());
  const auto client_source = open(client_options());
  TlsScratch scratch;
  const auto client = TlsStreamMaker(*client_source, scratch).encrypt(std::move(plain.b), {}, {});
  loop.run_ready();
  std::vector<std::byte> early(4096);
  const IoOutcome hello = plain.a->try_read(early);
  REQUIRE(hello.bytes > 100);
  const auto server = TlsStreamMaker(*server_source, scratch)
                          .encrypt(std::move(plain.a), ByteView(early).first(hello.bytes), protocol::Bytes{});
  loop.run_until_quiet(std::chrono::seconds(1));
  CHECK(server->tls_facts());
  CHECK(client->tls_facts());
}

TEST_CASE("tls stream: plain text that had not left yet → goes first") {
  SimLoop loop;
  MemoryPair plain(loop);
  const auto source = open(server_options());
  TlsScratch scratch;
  const std::string_view answer = "S";
  protocol::Bytes unsent(as_bytes(answer).begin(), as_bytes(answer).end());
  test_support::MemoryStream* const below = plain.a.get();
  below->clog();
  CHECK(below->try_write(as_bytes(answer)).state == IoState::would_block);
  const auto server = TlsStreamMaker(*source, scratch).encrypt(std::move(plain.a), {}, std::move(unsent));
  CHECK(server->has_unsent());
  below->unclog();
  loop.run_until_quiet(std::chrono::seconds(1));
  CHECK_FALSE(server->has_unsent());
  CHECK(plain.b->read_all_text() == "S");
}
