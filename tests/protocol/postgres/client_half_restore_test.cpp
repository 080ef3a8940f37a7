#include "tests/protocol/postgres/client_half_conversation.hpp"

#include "protocol/postgres/restoration_text.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace client_half_test;

namespace {

/// Two sessions by turns on connections to one server, which remembers what has succeeded there.
struct Pooled {
  Pooled() {
    Bytes welcome;
    for (PostgresClientHalf* client : {&first, &second}) client->write_welcome(one, CancelKey{7, Bytes(4)}, welcome);
  }

  /// What `client` sends for `text` on `half`, restoration and all; sets `state`.
  std::string ask(PostgresClientHalf& client, PostgresBackendHalf& half, const std::string& text) {
    Gather sent;
    Gather told;
    state = client.begin_restore(half, sent, told);
    if (state == RestoreState::under_way) return text_of(sent);
    const Bytes bytes = query_message(text);
    client.forward(client.next_request(bytes, &half), bytes, half, sent);
    return text_of(sent);
  }
  /// What `client` is told of `bytes`.
  std::string answer(PostgresClientHalf& client, PostgresBackendHalf& half, const Bytes& bytes) {
    Gather told;
    const Result<ReplyProgress> result = client.relay(half, bytes, told, completed);
    if (!result) error = result.error();
    return text_of(told);
  }
  void run(PostgresClientHalf& client, PostgresBackendHalf& half, const std::string& text, const std::string& tag) {
    ask(client, half, text);
    if (state == RestoreState::under_way) {
      answer(client, half, ready_message('I'));
      ask(client, half, text);
    } else if (state == RestoreState::ahead) {
      answer(client, half, ready_message('I'));
    }
    answer(client, half, complete(tag) + ready_message('I'));
    client.let_go(half);
  }

  ClientHalfOptions options;
  Analyser analyser;
  std::shared_ptr<ProvenTexts> proven = std::make_shared<ProvenTexts>();
  ParameterPointer parameters = std::make_shared<const ParameterMap>(ParameterMap{{"TimeZone", "UTC"}});
  PostgresBackendHalf one{parameters, CancelKey{1, Bytes(4)}, proven};
  PostgresBackendHalf other{parameters, CancelKey{2, Bytes(4)}, proven};
  PostgresClientHalf first{{}, analyser, options};
  PostgresClientHalf second{{}, analyser, options};
  RestoreState state = RestoreState::not_needed;
  std::vector<Completion> completed;
  std::optional<Error> error;
};

}  // namespace

TEST_CASE("restoring: the texts have succeeded on this server → they go in the same write as the next request, unseen") {
  Pooled it;
  it.run(it.first, it.one, "SET work_mem TO '7MB'", "SET");
  const std::string sent = it.ask(it.first, it.other, "SELECT 1");
  CHECK(it.state == RestoreState::ahead);
  CHECK(sent == text_of(query_message("SET work_mem TO '7MB';") + query_message("SELECT 1")));
  CHECK(it.first.restore_state(it.other) == RestoreState::ahead);
  const Bytes own = complete("SET") + message('N', "") + ready_message('I');
  const Bytes reply = complete("SELECT 1") + ready_message('I');
  CHECK(it.answer(it.first, it.other, own + reply) == text_of(reply));
  CHECK(it.first.restore_state(it.other) == RestoreState::done);
  CHECK(it.first.is_in_line(it.other));
  CHECK(it.completed.size() == 2);
}

TEST_CASE("restoring: a text that never ran on this server → waited for once, then sent ahead") {
  Pooled it;
  it.run(it.first, it.one, "SET work_mem TO '7MB'", "SET");
  it.ask(it.second, it.one, "SELECT 1");
  CHECK(it.state == RestoreState::under_way);  // RESET work_mem
  it.answer(it.second, it.one, complete("RESET") + ready_message('I'));
  it.run(it.second, it.one, "SELECT 1", "SELECT 1");
  it.run(it.first, it.one, "SELECT 1", "SELECT 1");
  CHECK(it.state == RestoreState::ahead);
  CHECK(it.ask(it.second, it.one, "SELECT 1") == text_of(query_message("RESET work_mem;") + query_message("SELECT 1")));
}

TEST_CASE("restoring: what was sent ahead fails all the same → 08006 for the session; no reply of the request is passed on") {
  Pooled it;
  it.run(it.first, it.one, "SET work_mem TO '7MB'", "SET");
  it.ask(it.first, it.other, "SELECT 1");
  REQUIRE(it.state == RestoreState::ahead);
  const Bytes replies = error("ERROR", "57014") + ready_message('I') + complete("SELECT 1") + ready_message('I');
  CHECK(it.answer(it.first, it.other, replies).empty());
  REQUIRE(it.error.has_value());
  CHECK(it.error->code == ErrorCode::restore_failed);
}

TEST_CASE("restoring: the server dies before it has answered what was sent ahead → its last word is passed on, once") {
  Pooled it;
  it.run(it.first, it.one, "SET work_mem TO '7MB'", "SET");
  it.ask(it.first, it.other, "SELECT 1");
  const Bytes last = error("FATAL", "57P01");
  CHECK(it.answer(it.first, it.other, last) == text_of(last));
  CHECK_FALSE(it.error.has_value());
}

TEST_CASE("restoring: parameters that the server reports while it is brought in line → not told to a client that knows them") {
  Pooled it;
  const Bytes tokyo = parameter("TimeZone", "Asia/Tokyo");
  const Bytes reply = complete("SELECT 1") + ready_message('I');
  it.ask(it.first, it.one, "SET TimeZone TO 'Asia/Tokyo'");
  it.answer(it.first, it.one, complete("SET") + tokyo + ready_message('I'));
  it.first.let_go(it.one);
  CHECK(it.ask(it.first, it.other, "SELECT 1") ==
        text_of(query_message("SET TimeZone TO 'Asia/Tokyo';") + query_message("SELECT 1")));
  CHECK(it.state == RestoreState::ahead);
  CHECK(it.answer(it.first, it.other, complete("SET") + tokyo + ready_message('I') + reply) == text_of(reply));
}

TEST_CASE("restoring: roles, tablespaces and prepared statements depend on what others may drop → always waited for") {
  for (const char* text : {"SET ROLE clerk", "SET default_tablespace TO fast"}) {
    Pooled it;
    it.run(it.first, it.one, text, "SET");
    for (int round = 0; round < 2; ++round) {
      it.run(it.second, it.one, "SELECT 1", "SELECT 1");
      it.ask(it.first, it.one, "SELECT 1");
      CHECK(it.state == RestoreState::under_way);
      it.answer(it.first, it.one, ready_message('I'));
      it.run(it.first, it.one, "SELECT 1", "SELECT 1");
    }
  }
  Pooled it;
  it.run(it.first, it.one, "PREPARE p AS SELECT 1", "PREPARE");
  it.ask(it.first, it.other, "SELECT 1");
  CHECK(it.state == RestoreState::under_way);
}

TEST_CASE("proven texts: more than the bound → forgotten, not grown") {
  ProvenTexts proven;
  for (int i = 0; i < 5000; ++i) proven.insert("SET my.number TO " + std::to_string(i));
  CHECK_FALSE(proven.contains("SET my.number TO 0"));
  CHECK(proven.contains("SET my.number TO 4999"));
  proven.insert(std::string(100'000, 'x'));
  CHECK_FALSE(proven.contains(std::string(100'000, 'x')));
}

TEST_CASE("client half: a connection with another session's role and settings → the role goes first, then what it may not set") {
  Conversation it;
  auto found = std::make_shared<Settings>();
  found->emplace("lo_compat_privileges", "SET lo_compat_privileges TO on");
  found->emplace("role", "SET ROLE b");
  found->emplace("session_authorization", "SET SESSION AUTHORIZATION a");
  it.green.settings = found;
  CHECK(restore(it, it.green) == "RESET SESSION AUTHORIZATION;RESET role;RESET lo_compat_privileges;");
}

TEST_CASE("client half: the same role and other settings → set by the user of the login, not by the role") {
  Conversation it;
  for (const char* text : {"SET lo_compat_privileges TO on", "SET ROLE b"}) {
    it.send(query_message(text), it.blue);
    it.answer(complete("SET") + ready_message('I'), it.blue);
  }
  auto found = std::make_shared<Settings>();
  found->emplace("role", "SET ROLE b");
  it.green.settings = found;
  CHECK(restore(it, it.green) == "RESET role;SET lo_compat_privileges TO on;SET ROLE b;");
}
