#include "tests/protocol/postgres/client_half_conversation.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace client_half_test;

namespace {

/// A session that is tied to `blue` by a lock, and whose writes belong elsewhere.
struct Tied : Conversation {
  Tied() {
    send(query_message("SELECT pg_advisory_lock(1)"), blue);
    answer(complete("SELECT 1") + ready_message('I'), blue);
  }
  /// As the session sends what is routed to the side that the lock is on.
  std::string send_refused(const Bytes& bytes) {
    Gather sent;
    ByteView rest = bytes;
    while (!rest.empty()) {
      NextRequest request = client.next_request(rest, &blue);
      if (request.verdict != RequestVerdict::route && request.verdict != RequestVerdict::follow) break;
      if (request.verdict == RequestVerdict::route) request.writes = WritePermission::refused;
      client.forward(request, rest, blue, sent);
      rest = rest.subspan(request.bytes);
    }
    return text_of(sent);
  }
};

const Bytes refused_query = query_message("crossfade refuses a write of a session that is tied to the other side");
const Bytes refused_parse = parse_message("_crossfade_0", "crossfade refuses a write of a session that is tied to the other side");

bool names_the_lock(const std::string& told) {
  return told.starts_with("E") && told.find("C25006") != std::string::npos && told.find("advisory_lock") != std::string::npos &&
         told.find("pg_advisory_unlock") != std::string::npos && told.find("42601") == std::string::npos;
}

}  // namespace

TEST_CASE("refusals: a write by simple query → the server is sent what fails, the client told what ties it, once") {
  Tied it;
  CHECK(it.send_refused(query_message("INSERT INTO t VALUES (1)")) == text_of(refused_query));
  const std::string told = it.answer(error("ERROR", "42601") + ready_message('I'), it.blue);
  CHECK(names_the_lock(told));
  CHECK(told.ends_with(text_of(ready_message('I'))));
  CHECK(it.completed.back().has_error);
  CHECK(std::string_view(it.completed.back().error_code.data(), 5) == "25006");
  CHECK(it.send(query_message("INSERT INTO t VALUES (1)"), it.blue) == text_of(query_message("INSERT INTO t VALUES (1)")));  // granted
}

TEST_CASE("refusals: what reads, concerns the session, or gives back what ties it → runs") {
  for (const char* sql : {"SELECT 1", "BEGIN", "SET work_mem TO '1MB'", "DISCARD ALL", "CLOSE c", "SELECT pg_advisory_unlock(1)",
                          "SELECT pg_catalog.pg_advisory_unlock_all()"}) {
    CAPTURE(std::string(sql));
    Tied it;
    CHECK(it.send_refused(query_message(sql)) == text_of(query_message(sql)));
  }
  for (const char* sql : {"SELECT nextval('s')", "CREATE TABLE t (a int)", "SELECT pg_advisory_lock(2)", "LISTEN bell",
                          "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "what is this", "DELETE FROM t RETURNING pg_advisory_unlock(1)",
                          "SELECT pg_advisory_unlock(1), nextval('s')", "BEGIN; DELETE FROM t; COMMIT"}) {
    CAPTURE(std::string(sql));
    Tied it;
    CHECK(it.send_refused(query_message(sql)) == text_of(refused_query));
  }
}

TEST_CASE("refusals: a Bind of a write → a Parse that fails in its place, and the rest of the batch is skipped") {
  Tied it;
  const Bytes read = parse_message("", "SELECT 1") + bind_message("") + execute_message();
  const Bytes prepare = parse_message("w", "DELETE FROM t");
  const std::string sent = it.send_refused(read + prepare + bind_message("w") + execute_message() + sync_message());
  CHECK(sent == text_of(read + prepare + refused_parse + execute_message() + sync_message()));
  const Bytes done = message('1', "") + message('2', "") + complete("SELECT 1") + message('1', "");
  const std::string told = it.answer(done + error("ERROR", "42601") + ready_message('I'), it.blue);
  CHECK(told.starts_with(text_of(done)));
  CHECK(names_the_lock(told.substr(text_of(done).size())));
  CHECK(it.client.state().find_statement("w") != nullptr);  // prepared it is
  CHECK(it.send_refused(bind_message("w") + sync_message()) == text_of(refused_parse + sync_message()));
  CHECK(it.send_refused(message('F', std::string(10, '\0'))) == text_of(refused_query));
}

TEST_CASE("refusals: a Bind that comes in pieces → none of it reaches the server") {
  Tied it;
  it.send_refused(parse_message("w", "DELETE FROM t") + sync_message());
  it.answer(message('1', "") + ready_message('I'), it.blue);
  const Bytes whole = message('B', "\0w\0"s + std::string(50'000, 'x'));
  Gather sent;
  NextRequest request = it.client.next_request(ByteView(whole).first(40'000), &it.blue);
  request.writes = WritePermission::refused;
  it.client.forward(request, ByteView(whole).first(40'000), it.blue, sent);
  request = it.client.next_request(ByteView(whole).subspan(40'000), &it.blue);
  REQUIRE(request.verdict == RequestVerdict::follow);
  it.client.forward(request, ByteView(whole).subspan(40'000), it.blue, sent);
  CHECK(text_of(sent) == text_of(refused_parse));
  CHECK(it.send_refused(sync_message()) == text_of(sync_message()));
}

TEST_CASE("refusals: inside a transaction that has failed → the server says so itself; a FATAL → told as it is") {
  Tied it;
  it.send_refused(query_message("BEGIN"));
  it.answer(complete("BEGIN") + ready_message('T'), it.blue);
  CHECK(it.send_refused(query_message("DELETE FROM t")) == text_of(refused_query));
  CHECK(names_the_lock(it.answer(error("ERROR", "42601") + ready_message('E'), it.blue)));
  CHECK(it.send_refused(query_message("DELETE FROM t")) == text_of(query_message("DELETE FROM t")));
  const Bytes failed = error("ERROR", "25P02") + ready_message('E');
  CHECK(it.answer(failed, it.blue) == text_of(failed));
  Tied other;
  other.send_refused(query_message("DELETE FROM t"));
  CHECK(other.answer(error("FATAL", "57P01"), other.blue) == text_of(error("FATAL", "57P01")));
}
