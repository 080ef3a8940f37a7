#include "tests/protocol/postgres/client_half_conversation.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace client_half_test;

TEST_CASE("client half: a statement prepared on blue → prepared on green in front of its first Bind, unseen") {
  Conversation it;
  const Bytes prepared = parse_message("s", "SELECT 1");
  it.send(prepared + sync_message(), it.blue);
  it.answer(message('1', "") + ready_message('I'), it.blue);
  const Bytes use = bind_message("s") + execute_message() + sync_message();
  CHECK(it.judge(use).facts.statement_class == StatementClass::read);
  CHECK(restore(it, it.green).empty());
  CHECK(it.send(use, it.green) == text_of(prepared + use));
  CHECK(it.answer(message('1', "") + message('2', "") + complete("SELECT 1") + ready_message('I'), it.green) ==
        text_of(message('2', "") + complete("SELECT 1") + ready_message('I')));
  CHECK(it.send(use + use, it.green) == text_of(use + use));
}

namespace {

/// A session that has prepared s on blue and goes on on green, which fails a batch of it before s is prepared there.
struct FailedProvision : Conversation {
  const Bytes prepared = parse_message("s", "SELECT 1");
  const Bytes use = bind_message("s") + execute_message() + sync_message();
  const Bytes refusal = error("ERROR", "26000") + ready_message('I');

  FailedProvision() {
    send(prepared + sync_message(), blue);
    answer(message('1', "") + ready_message('I'), blue);
  }
  /// Sends `first`, then a use of s in the same breath, which must wait for what becomes of the first.
  void check_waits(const Bytes& first) {
    send(first, green);
    CHECK(judge(use, &green).verdict == RequestVerdict::await_reply);
    CHECK(send(use, green).empty());
    CHECK(answer(refusal, green) == text_of(refusal));
    CHECK(judge(use, &green).verdict == RequestVerdict::route);
    CHECK(send(use, green) == text_of(prepared + use));
  }
};

}  // namespace

TEST_CASE("client half: preparing on green may yet be skipped for an earlier error → the next batch's Bind waits and provides") {
  FailedProvision it;
  it.check_waits(bind_message("unknown") + it.use);
}

TEST_CASE("client half: the Close of a name that green lacks may yet be skipped → the next batch's Bind waits and provides") {
  FailedProvision it;
  it.check_waits(bind_message("unknown") + close_message('S', "s") + sync_message());
}

TEST_CASE("client half: a Bind that must wait stands behind messages that need not → those go, the Bind stays") {
  FailedProvision it;
  it.send(bind_message("unknown") + it.use, it.green);
  const Bytes free = parse_message("", "SELECT 2") + flush_message();
  it.send(free, it.green);
  CHECK(it.judge(bind_message("") + it.use, &it.green).bytes == bind_message("").size());
  CHECK(it.send(bind_message("") + it.use, it.green) == text_of(bind_message("")));
  it.answer(it.refusal, it.green);
  CHECK(it.send(it.use, it.green) == text_of(it.prepared + it.use));
}

TEST_CASE("client half: EXECUTE in an unfinished batch → the statement is provided without a Sync, which would end the batch") {
  FailedProvision it;
  it.send(parse_message("", "SELECT 2") + flush_message(), it.green);
  CHECK(it.send(query_message("EXECUTE s"), it.green) == text_of(it.prepared + query_message("EXECUTE s")));
}

TEST_CASE("client half: a statement cannot be prepared for EXECUTE → one error, and it says why") {
  FailedProvision it;
  it.send(query_message("EXECUTE s"), it.green);
  const Bytes reason = error("ERROR", "42P01");
  const Bytes consequence = error("ERROR", "26000") + ready_message('I');
  CHECK(it.answer(reason + ready_message('I') + consequence, it.green) == text_of(reason + ready_message('I')));
  REQUIRE(it.completed.size() == 2);
  CHECK(std::string_view(it.completed.back().error_code.data(), 5) == "42P01");
  it.send(query_message("SELECT 1"), it.green);
  CHECK(it.answer(consequence, it.green) == text_of(consequence));
}

TEST_CASE("client half: a name in use is prepared again on green → provided first, so that green refuses it as blue would") {
  Conversation it;
  const Bytes prepared = parse_message("s", "SELECT 1");
  it.send(prepared + sync_message(), it.blue);
  it.answer(message('1', "") + ready_message('I'), it.blue);
  const Bytes again = parse_message("s", "SELECT 2") + sync_message();
  CHECK(it.send(again, it.green) == text_of(prepared + again));
  const Bytes refusal = error("ERROR", "42P05") + ready_message('I');
  CHECK(it.answer(message('1', "") + refusal, it.green) == text_of(refusal));
}

TEST_CASE("client half: DEALLOCATE and PREPARE of a name that green lacks → it is provided first, with a Sync of its own") {
  for (const char* text : {"DEALLOCATE s", "PREPARE s AS SELECT 2", "EXECUTE s"}) {
    Conversation it;
    const Bytes prepared = parse_message("s", "SELECT 1");
    it.send(prepared + sync_message(), it.blue);
    it.answer(message('1', "") + ready_message('I'), it.blue);
    const Bytes provided = std::string(text) == "DEALLOCATE s" ? parse_message("s", "") : prepared;
    CHECK(it.send(query_message(text), it.green) == text_of(provided + sync_message() + query_message(text)));
    const Bytes reply = complete("DONE") + ready_message('I');
    CHECK(it.answer(message('1', "") + ready_message('I') + reply, it.green) == text_of(reply));
  }
}

TEST_CASE("client half: the unnamed statement was freed on blue → green must not answer with its old one") {
  Conversation it;
  it.send(parse_message("", "SELECT 1") + sync_message(), it.green);
  it.answer(message('1', "") + ready_message('I'), it.green);
  it.send(query_message("UPDATE t SET a = 1"), it.blue);
  it.answer(complete("UPDATE 1") + ready_message('I'), it.blue);
  CHECK(restore(it, it.green).empty());
  const Bytes use = bind_message("") + execute_message() + sync_message();
  CHECK(it.send(use, it.green) == text_of(close_message('S', "") + use));
  const Bytes refusal = error("ERROR", "26000") + ready_message('I');
  CHECK(it.answer(message('3', "") + refusal, it.green) == text_of(refusal));
  CHECK(it.send(use, it.green) == text_of(use));
}

TEST_CASE("client half: closing another's unnamed statement is skipped for an error → it is closed again before the next Bind") {
  Conversation it;
  it.send(parse_message("", "SELECT 1") + sync_message(), it.green);
  it.answer(message('1', "") + ready_message('I'), it.green);
  it.send(query_message("UPDATE t SET a = 1"), it.blue);
  it.answer(complete("UPDATE 1") + ready_message('I'), it.blue);
  const Bytes use = bind_message("") + sync_message();
  it.send(bind_message("unknown") + use, it.green);
  CHECK(it.judge(use, &it.green).verdict == RequestVerdict::await_reply);
  it.answer(error("ERROR", "26000") + ready_message('I'), it.green);
  CHECK(it.send(use, it.green) == text_of(close_message('S', "") + use));
}

TEST_CASE("client half: state is restored by a simple query, which frees the unnamed statement → provided again") {
  Conversation it;
  const Bytes prepared = parse_message("", "SELECT 1");
  it.send(prepared + sync_message(), it.green);
  it.answer(message('1', "") + ready_message('I'), it.green);
  it.send(parse_message("t", "SELECT 2") + bind_message("t") + execute_message() + sync_message(), it.blue);
  it.answer(message('1', "") + message('2', "") + complete("SELECT 1") + parameter("TimeZone", "CET") + ready_message('I'),
            it.blue);
  Gather to_backend;
  Gather to_client;
  CHECK(it.client.begin_restore(it.green, to_backend, to_client) == RestoreState::under_way);
  it.answer(parameter("TimeZone", "CET") + complete("SET") + ready_message('I'), it.green);
  const Bytes use = bind_message("") + execute_message() + sync_message();
  CHECK(it.send(use, it.green) == text_of(prepared + use));
}

TEST_CASE("client half: preparing on green fails → the client gets the error as the answer to its Bind") {
  Conversation it;
  it.send(parse_message("s", "SELECT 1") + sync_message(), it.blue);
  it.answer(message('1', "") + ready_message('I'), it.blue);
  const Bytes use = bind_message("s") + execute_message() + sync_message();
  it.send(use, it.green);
  const Bytes refusal = error("ERROR", "42P01") + ready_message('I');
  CHECK(it.answer(refusal, it.green) == text_of(refusal));
  CHECK(it.send(use, it.green) == text_of(parse_message("s", "SELECT 1") + use));  // tried again, not taken for held
}

TEST_CASE("client half: a Parse that fails → no statement of that name is carried") {
  Conversation it;
  it.send(parse_message("s", "SELECT nonsense") + sync_message(), it.blue);
  it.answer(error("ERROR", "42703") + ready_message('I'), it.blue);
  const Bytes use = bind_message("s") + execute_message() + sync_message();
  CHECK(it.send(use, it.green) == text_of(use));
}

TEST_CASE("client half: a statement closed on blue → freed on green when the session comes back") {
  Conversation it;
  it.send(parse_message("s", "SELECT 1") + sync_message(), it.blue);
  it.answer(message('1', "") + ready_message('I'), it.blue);
  it.send(bind_message("s") + execute_message() + sync_message(), it.green);
  it.answer(message('1', "") + message('2', "") + complete("SELECT 1") + ready_message('I'), it.green);
  it.send(message('C', "Ss\0"s) + sync_message(), it.blue);
  it.answer(message('3', "") + ready_message('I'), it.blue);
  Gather to_backend;
  Gather to_client;
  CHECK(it.client.begin_restore(it.green, to_backend, to_client) == RestoreState::ahead);
  CHECK(text_of(to_backend) == text_of(close_message('S', "s") + sync_message()));
  CHECK(it.answer(message('3', "") + ready_message('I'), it.green).empty());
  CHECK(it.client.restore_state(it.green) == RestoreState::done);
}

TEST_CASE("client half: PREPARE in SQL → repeated on green, EXECUTE is what the statement is") {
  Conversation it;
  it.send(query_message("PREPARE p AS SELECT 1"), it.blue);
  it.answer(complete("PREPARE") + ready_message('I'), it.blue);
  CHECK(it.judge(query_message("EXECUTE p")).facts.statement_class == StatementClass::read);
  CHECK(it.judge(query_message("EXECUTE q")).facts.statement_class == StatementClass::unknown);
  CHECK(restore(it, it.green) == "PREPARE p AS SELECT 1;");
}

TEST_CASE("client half: a name whose new meaning may yet be skipped → counts as all that it may mean") {
  Conversation it;
  it.send(parse_message("s", "INSERT INTO t VALUES (1)") + sync_message(), it.blue);
  it.answer(message('1', "") + ready_message('I'), it.blue);
  // The first batch may fail before its Close and Parse are reached; then the second runs the INSERT.
  it.send(bind_message("nobody") + message('C', "Ss\0"s) + parse_message("s", "SELECT 1") + sync_message(), it.blue);
  const Bytes use = bind_message("s") + execute_message() + sync_message();
  CHECK(it.judge(use).facts.statement_class >= StatementClass::write);
  it.answer(error("ERROR", "26000") + ready_message('I'), it.blue);
  CHECK(it.judge(use).facts.statement_class == StatementClass::write);
}

TEST_CASE("client half: a name that means nothing yet → a write, since a PREPARE may be under way") {
  Conversation it;
  const Bytes use = bind_message("p") + execute_message() + sync_message();
  CHECK(it.judge(use).facts.statement_class >= StatementClass::write);
  it.send(query_message("PREPARE p AS SELECT 1"), it.blue);
  CHECK(it.judge(use).facts.statement_class >= StatementClass::write);
  CHECK(it.judge(query_message("EXECUTE p")).facts.statement_class == StatementClass::unknown);
  it.answer(complete("PREPARE") + ready_message('I'), it.blue);
  CHECK(it.judge(use).facts.statement_class == StatementClass::read);
  it.send(query_message("DEALLOCATE p"), it.blue);
  CHECK(it.judge(query_message("EXECUTE p")).facts.statement_class == StatementClass::unknown);
}

TEST_CASE("client half: role and session authorization → made again behind all else, the role last") {
  Conversation it;
  for (const char* text : {"SET SESSION AUTHORIZATION a", "SET ROLE b", "SET work_mem TO '7MB'"}) {
    it.send(query_message(text), it.blue);
    it.answer(complete("SET") + ready_message('I'), it.blue);
  }
  CHECK(restore(it, it.green) == "SET work_mem TO '7MB';SET SESSION AUTHORIZATION a;SET ROLE b;");
}

TEST_CASE("client half: more prepared statements than the bound → refused; freed ones make room") {
  ClientHalfOptions options;
  options.session_state_bytes_max = 2000;
  Conversation it(options);
  int prepared = 0;
  while (prepared < 100) {
    const Bytes batch = parse_message("s" + std::to_string(prepared), "SELECT 1") + sync_message();
    if (it.judge(batch).verdict == RequestVerdict::violation) break;
    it.send(batch, it.blue);
    it.answer(message('1', "") + ready_message('I'), it.blue);
    ++prepared;
  }
  CHECK(prepared > 2);
  CHECK(prepared < 10);
  CHECK(it.client.error().code == ErrorCode::memory_limit_reached);
  it.send(query_message("DEALLOCATE ALL"), it.blue);
  it.answer(complete("DEALLOCATE ALL") + ready_message('I'), it.blue);
  CHECK(it.judge(parse_message("s", "SELECT 1") + sync_message()).verdict == RequestVerdict::route);
}

TEST_CASE("client half: a text fails behind its DEALLOCATE ALL → the statements are gone all the same, on the other side too") {
  for (const bool is_reached : {true, false}) {
    Conversation it;
    it.send(parse_message("s", "SELECT 1") + sync_message(), it.blue);
    it.answer(message('1', "") + ready_message('I'), it.blue);
    it.send(query_message("SET work_mem TO 99; DEALLOCATE ALL; SELECT 1/0"), it.blue);
    const Bytes failure = error("ERROR", "22012") + ready_message('I');
    it.answer(complete("SET") + (is_reached ? complete("DEALLOCATE ALL") : Bytes{}) + failure, it.blue);
    const Bytes use = bind_message("s") + sync_message();
    CHECK(it.send(use, it.green) == (is_reached ? text_of(use) : text_of(parse_message("s", "SELECT 1") + use)));
    CHECK(it.client.state().settings()->empty());
  }
}

TEST_CASE("client half: a text fails behind its pg_advisory_lock → the session is pinned, for the lock is held") {
  Conversation it;
  it.send(query_message("SELECT pg_advisory_lock(1); SELECT 1/0"), it.blue);
  it.answer(error("ERROR", "22012") + ready_message('I'), it.blue);
  CHECK(it.client.pin() == PinReason::advisory_lock);
}

TEST_CASE("client half: a Parse of the unnamed statement fails → there is none, on the other side neither") {
  Conversation it;
  it.send(parse_message("", "SELECT 1") + sync_message(), it.green);
  it.answer(message('1', "") + ready_message('I'), it.green);
  it.send(parse_message("", "SELEC") + sync_message(), it.blue);
  it.answer(error("ERROR", "42601") + ready_message('I'), it.blue);
  CHECK(it.client.state().find_statement("") == nullptr);
  CHECK(it.send(bind_message("") + sync_message(), it.green) == text_of(close_message('S', "") + bind_message("") + sync_message()));
}

TEST_CASE("client half: DEALLOCATE ALL is on its way and green lacks the statement → its Bind waits for the reply") {
  FailedProvision it;
  it.send(query_message("DEALLOCATE ALL"), it.green);
  CHECK(it.judge(it.use, &it.green).verdict == RequestVerdict::await_reply);
  it.answer(complete("DEALLOCATE ALL") + ready_message('I'), it.green);
  CHECK(it.send(it.use, it.green) == text_of(it.use));
}

TEST_CASE("client half: a setting of the client's own is taken back → it is there on the other side too, empty") {
  struct Row {
    std::string text;
    Bytes reply;
    bool is_left;
  };
  const Bytes failure = error("ERROR", "22012") + ready_message('I');
  const std::vector<Row> rows{
      {"SET my.flag TO 1; SELECT 1/0", complete("SET") + failure, true},
      {"SELECT 1/0; SET my.flag TO 1", failure, false},
      {"BEGIN; SET my.flag TO 1; ROLLBACK", complete("BEGIN") + complete("SET") + complete("ROLLBACK") + ready_message('I'), true},
      {"SET LOCAL my.flag TO 1", complete("SET") + ready_message('I'), true},
      {"SET LOCAL work_mem TO 99", complete("SET") + ready_message('I'), false},
  };
  for (const Row& row : rows) {
    Conversation it;
    it.send(query_message(row.text), it.blue);
    it.answer(row.reply, it.blue);
    CAPTURE(row.text);
    CHECK(it.client.state().settings()->count("my.flag") == (row.is_left ? 1 : 0));
  }
}

TEST_CASE("client half: RESET beside EXECUTE in one text → the setting is reset for the session too") {
  Conversation it;
  it.send(query_message("PREPARE q AS SELECT 1"), it.blue);
  it.answer(complete("PREPARE") + ready_message('I'), it.blue);
  it.send(query_message("SET work_mem TO 99"), it.blue);
  it.answer(complete("SET") + ready_message('I'), it.blue);
  REQUIRE(it.client.state().settings()->count("work_mem") == 1);
  it.send(query_message("RESET work_mem; EXECUTE q"), it.blue);
  it.answer(complete("RESET") + complete("SELECT 1") + ready_message('I'), it.blue);
  CHECK(it.client.state().settings()->empty());
}

TEST_CASE("client half: a text with a COMMIT in it fails → nobody knows what was kept, so the session is pinned") {
  Conversation it;
  it.send(query_message("RESET ALL; COMMIT; SELECT 1/0"), it.blue);
  it.answer(complete("RESET") + complete("COMMIT") + error("ERROR", "22012") + ready_message('I'), it.blue);
  CHECK(it.client.pin() == PinReason::untracked_state);
}

TEST_CASE("client half: a function of the user's ran for another session → settings begin anew; for the same one they stay") {
  Conversation it;
  it.send(query_message("SET work_mem TO 99"), it.blue);
  it.answer(complete("SET") + ready_message('I'), it.blue);
  it.send(query_message("SELECT change_something()"), it.blue);
  it.answer(complete("SELECT 1") + ready_message('I'), it.blue);
  it.client.let_go(it.blue);
  CHECK(it.client.is_in_line(it.blue));
  PostgresClientHalf other({}, it.analyser, it.options);
  Bytes welcome;
  other.write_welcome(it.blue, CancelKey{8, Bytes(4)}, welcome);
  CHECK_FALSE(other.is_in_line(it.blue));
  Gather to_backend;
  Gather to_client;
  CHECK(other.begin_restore(it.blue, to_backend, to_client) == RestoreState::under_way);
  CHECK(text_of(to_backend).find("RESET ALL;") != std::string::npos);
  CHECK(text_of(to_backend).find("work_mem") == std::string::npos);
}

TEST_CASE("client half: the system's own functions ran → nothing unseen was set") {
  for (const char* text : {"SELECT pg_catalog.txid_current()", "SELECT lower('A')"}) {
    Conversation it;
    it.send(query_message(text), it.blue);
    it.answer(complete("SELECT 1") + ready_message('I'), it.blue);
    CHECK_FALSE(it.blue.has_unseen_settings);
  }
}

TEST_CASE("client half: the session's unnamed statement may be skipped and green holds an old one → its Bind waits, then closes that") {
  Conversation it;
  it.send(parse_message("", "SELECT 1") + sync_message(), it.green);
  it.answer(message('1', "") + ready_message('I'), it.green);
  it.send(query_message("UPDATE t SET a = 1"), it.blue);
  it.answer(complete("UPDATE 1") + ready_message('I'), it.blue);
  it.send(bind_message("unknown") + parse_message("", "SELECT 2") + sync_message(), it.green);
  const Bytes use = bind_message("") + sync_message();
  CHECK(it.judge(use, &it.green).verdict == RequestVerdict::await_reply);
  it.answer(error("ERROR", "26000") + ready_message('I'), it.green);
  CHECK(it.send(use, it.green) == text_of(close_message('S', "") + use));
}
