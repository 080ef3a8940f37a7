#include "protocol/postgres/result_shape.hpp"
#include "tests/protocol/postgres/client_half_sharing.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace client_half_test;

namespace {

Bytes described(const std::vector<std::pair<std::string, std::uint32_t>>& columns, std::uint32_t table = 0) {
  Bytes payload;
  ByteWriter writer(payload);
  writer.write_u16_be(static_cast<std::uint16_t>(columns.size()));
  for (const auto& [name, type] : columns) {
    writer.write_text_z(name);
    writer.write_u32_be(table);
    writer.write_u16_be(0);
    writer.write_u32_be(type);
    writer.write_u16_be(4);
    writer.write_u32_be(0xFFFFFFFF);
    writer.write_u16_be(0);
  }
  return message('T', as_text(payload));
}

const Bytes parameters_described = message('t', "\0\0"s);
const Bytes narrow = described({{"a", 23}});
const Bytes wide = described({{"a", 23}, {"b", 23}});
const Bytes use = bind_message("a") + execute_message() + sync_message();

/// What is asked of `half` before the bytes can go there; nothing where they can.
std::string asked_before(Sharing& it, PostgresClientHalf& client, const Bytes& bytes, PostgresBackendHalf& half) {
  const NextRequest request = client.next_request(bytes, &half);
  if (request.verdict == RequestVerdict::await_reply) return "waits";
  Gather sent;
  const bool has_asked = client.look_ahead(request, bytes, half, sent);
  CHECK(has_asked == (sent.total_bytes() != 0));
  static_cast<void>(it);
  return text_of(sent);
}

/// `client` has prepared `a` on one connection and was told what it returns.
PostgresClientHalf& told(Sharing& it, const Bytes& description) {
  PostgresClientHalf& client = it.session();
  it.prepare(client, "a", "SELECT * FROM t", it.one);
  it.send(client, message('D', "Sa\0"s) + sync_message(), it.one);
  CHECK(it.answer(client, parameters_described + description + idle, it.one) == text_of(parameters_described + description + idle));
  return client;
}

std::string look_of(const std::string& name) {
  return text_of(parse_message(name, "SELECT * FROM t") + message('D', "S"s + name + '\0') + sync_message());
}

}  // namespace

TEST_CASE("shapes: a statement that its client has described → on another connection described first, unseen; the same: it runs") {
  Sharing it;
  PostgresClientHalf& client = told(it, narrow);
  CHECK(asked_before(it, client, use, it.one).empty());
  CHECK(asked_before(it, client, use, it.other) == look_of(name_of(1)));
  CHECK(asked_before(it, client, use, it.other) == "waits");
  CHECK(it.answer(client, parsed + parameters_described + narrow + idle, it.other).empty());
  CHECK(asked_before(it, client, use, it.other).empty());
  CHECK(it.send(client, use, it.other) == text_of(bind_message(name_of(1)) + execute_message() + sync_message()));
  CHECK(it.answer(client, bound + complete("SELECT 1") + idle, it.other) == text_of(bound + complete("SELECT 1") + idle));
}

TEST_CASE("shapes: another one by now → 0A000 in the server's words, nothing is run; prepared under another name it runs") {
  Sharing it;
  PostgresClientHalf& client = told(it, narrow);
  asked_before(it, client, use, it.other);
  it.answer(client, parsed + parameters_described + wide + idle, it.other);
  const std::string sent = it.send(client, use, it.other);
  CHECK(sent.find("crossfade refuses") != std::string::npos);
  CHECK(sent.find(text_of(bind_message(name_of(1)))) == std::string::npos);
  const std::string answer = it.answer(client, error("ERROR", "42601") + idle, it.other);
  CHECK(answer == text_of(message('E', "SERROR\0VERROR\0C0A000\0Mcached plan must not change result type\0Fplancache.c\0RRevalidateCachedQuery\0\0"s) + idle));
  CHECK(it.completed.back().error_code == std::array<char, 5>{'0', 'A', '0', '0', '0'});
  CHECK(it.prepare(client, "b", "SELECT * FROM t", it.other) == text_of(stand_in + sync_message()));
  CHECK(asked_before(it, client, bind_message("b") + execute_message() + sync_message(), it.other).empty());
}

TEST_CASE("shapes: the server itself refuses what its client was told → the client hears so, as often as it tries") {
  Sharing it;
  PostgresClientHalf& client = told(it, narrow);
  for (int i = 0; i < 2; ++i) {
    CHECK(it.send(client, use, it.one) == text_of(bind_message(name_of(1)) + execute_message() + sync_message()));
    const Bytes failed = error("ERROR", "0A000") + idle;
    CHECK(it.answer(client, failed, it.one) == text_of(failed));
    CHECK(it.progress.retry_bytes == 0);
  }
}

TEST_CASE("shapes: told anew under the same name → what was told before is forgotten; a look that fails is not repeated") {
  Sharing it;
  PostgresClientHalf& client = told(it, narrow);
  it.send(client, close_message('S', "a") + sync_message(), it.one);
  it.answer(client, closed + idle, it.one);
  it.prepare(client, "a", "SELECT * FROM t", it.one);
  CHECK(asked_before(it, client, use, it.other).empty());
  PostgresClientHalf& second = told(it, narrow);
  CHECK(asked_before(it, second, use, it.other) == look_of(name_of(1)));
  CHECK(it.answer(second, error("ERROR", "42P01") + idle, it.other).empty());
  CHECK(asked_before(it, second, use, it.other).empty());
  CHECK(it.send(second, use, it.other).starts_with(text_of(parse_message(name_of(1), "SELECT * FROM t") + bind_message(name_of(1)))));
}

TEST_CASE("shapes: names, types and their number count; a table, and the numbers of the database's own types, do not") {
  const auto shape = [](const Bytes& frame) { return shape_of(BackendMessage::row_description, ByteView(frame).subspan(frame_header_bytes)); };
  CHECK(shape(narrow) == shape(described({{"a", 23}}, 16500)));
  CHECK(shape(described({{"a", 16500}})) == shape(described({{"a", 16501}})));
  for (const Bytes& other : {wide, described({{"b", 23}}), described({{"a", 25}}), described({})}) CHECK(shape(narrow) != shape(other));
  CHECK(shape_of(BackendMessage::no_data, {}) != shape(described({})));
}
