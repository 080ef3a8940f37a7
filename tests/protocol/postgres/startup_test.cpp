#include "protocol/postgres/startup.hpp"

#include "protocol/wire/byte_writer.hpp"
#include "tests/support/postgres_transcript.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace protocol;
using namespace protocol::postgres;
using tests::support::bytes_of;

namespace {

/// A length field and what follows it.
Bytes packet(std::string_view body) {
  Bytes bytes;
  bytes.reserve(body.size() + 4);  // also spares GCC 12 at -O3 a path on which it fears for the copy
  ByteWriter writer(bytes);
  writer.write_u32_be(static_cast<std::uint32_t>(body.size() + 4));
  writer.write_text(body);
  return bytes;
}

std::string version_3(std::string_view rest) { return std::string("\0\3\0\0", 4) + std::string(rest); }

Bytes length_only(std::uint32_t length) {
  Bytes bytes;
  ByteWriter(bytes).write_u32_be(length);
  return bytes;
}

}  // namespace

TEST_CASE("startup: parameters, one of them twice → the last value counts") {
  const Bytes bytes = bytes_of("> StartupMessage major=3 minor=0 parameters=[\"user\"=\"a\",\"options\"=\"-c x=1\",\"user\"=\"b\",\"empty\"=\"\"]");
  const auto request = decode_startup_packet(bytes);
  REQUIRE(request);
  const auto& message = std::get<StartupMessage>(*request);
  CHECK(message.version == ProtocolVersion{3, 0});
  CHECK(message.parameters == std::map<std::string, std::string>{{"user", "b"}, {"options", "-c x=1"}, {"empty", ""}});
  CHECK(message.protocol_options.empty());
}

TEST_CASE("startup: protocol options → kept apart, in their order") {
  const auto request = decode_startup_packet(
      bytes_of("> StartupMessage major=3 minor=9999 parameters=[\"_pq_.z\"=\"1\",\"user\"=\"a\",\"_pq_.a\"=\"\"]"));
  REQUIRE(request);
  const auto& message = std::get<StartupMessage>(*request);
  CHECK(message.version == ProtocolVersion{3, 9999});
  CHECK(message.parameters.size() == 1);
  CHECK(message.protocol_options == std::vector<std::string>{"_pq_.z", "_pq_.a"});
}

TEST_CASE("startup: lengths at and beyond the bounds → judged from four bytes, before any allocation") {
  for (const std::uint32_t length : {0U, 3U, 4U, 7U, 10'005U, 0x7FFFFFFFU, 0x80000000U, 0xFFFFFFFFU, 0x16030102U}) {
    CAPTURE(length);
    const auto scanned = scan_startup_packet(length_only(length));
    REQUIRE(!scanned);
    CHECK(scanned.error().code == ErrorCode::frame_length_invalid);
    CHECK(scanned.error().blame == Blame::client);
  }
  for (const std::uint32_t length : {8U, 10'004U}) CHECK(scan_startup_packet(length_only(length)).value() == length);
  CHECK(scan_startup_packet(Bytes(3)).value() == std::nullopt);
}

TEST_CASE("startup: layouts that do not end in one terminator → message_malformed") {
  using namespace std::string_literals;
  for (const std::string& body : {""s, "user\0a\0"s, "user\0a"s, "user\0"s, "user"s, "user\0a\0\0\0"s, "\0user\0a\0\0"s}) {
    CAPTURE(body.size());
    const auto request = decode_startup_packet(packet(version_3(body)));
    REQUIRE(!request);
    CHECK(request.error().code == ErrorCode::message_malformed);
    CHECK(request.error().blame == Blame::client);
  }
  CHECK(decode_startup_packet(packet(version_3("\0"s))));
}

TEST_CASE("startup: other major versions → version_unsupported in the server's words") {
  const auto request = decode_startup_packet(packet(std::string("\0\2\0\1", 4)));
  REQUIRE(!request);
  CHECK(request.error().code == ErrorCode::version_unsupported);
  CHECK(request.error().detail == "unsupported frontend protocol 2.1: server supports 3.0 to 3.2");
}

TEST_CASE("cancel request: keys of 4 to 256 bytes → read and written; others refused") {
  for (const std::size_t secret_bytes : {std::size_t{4}, std::size_t{32}, std::size_t{256}}) {
    const CancelKey key{4711, Bytes(secret_bytes, std::byte{0xAB})};
    Bytes bytes;
    REQUIRE(encode_startup_packet(key, bytes));
    const auto request = decode_startup_packet(bytes);
    REQUIRE(request);
    CHECK(std::get<CancelKey>(*request) == key);
  }
  for (const std::size_t secret_bytes : {std::size_t{0}, std::size_t{3}, std::size_t{257}}) {
    Bytes bytes{std::byte{7}};
    CHECK(!encode_startup_packet(CancelKey{1, Bytes(secret_bytes)}, bytes));
    CHECK(bytes.size() == 1);
    const auto request = decode_startup_packet(packet(std::string("\x04\xd2\x16\x2e", 4) + std::string(4 + secret_bytes, 'x')));
    REQUIRE(!request);
    CHECK(request.error().code == ErrorCode::frame_length_invalid);
  }
}

TEST_CASE("startup: what cannot be a startup message → not encoded, and nothing left behind") {
  StartupMessage message;
  SUBCASE("a name without letters") { message.parameters[""] = "x"; }
  SUBCASE("a NUL in a value") { message.parameters["user"] = std::string("a\0b", 3); }
  SUBCASE("longer than a server accepts") { message.parameters["options"] = std::string(startup_payload_bytes_max, 'x'); }
  Bytes bytes;
  const Status encoded = encode_startup_packet(message, bytes);
  REQUIRE(!encoded);
  CHECK(encoded.error().code == ErrorCode::startup_parameter_invalid);
  CHECK(bytes.empty());
}

TEST_CASE("replication: the server's spellings → its reading") {
  for (const char* value : {"true", "TRUE", "t", "yes", "y", "on", "1"}) CHECK(parse_replication_mode(value) == ReplicationMode::physical);
  for (const char* value : {"false", "f", "no", "N", "off", "of", "0"}) CHECK(parse_replication_mode(value) == ReplicationMode::none);
  CHECK(parse_replication_mode("database") == ReplicationMode::database);
  for (const char* value : {"", "o", "Database", "truely", "2", "10", "perhaps"}) CHECK(parse_replication_mode(value) == std::nullopt);
}
