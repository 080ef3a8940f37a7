#include "tests/protocol/postgres/client_half_conversation.hpp"

#include "protocol/postgres/catalogue.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace client_half_test;

namespace {

/// A query of the client and its success.
void run(Conversation& it, PostgresBackendHalf& side, const std::string& sql, const std::string& tag = "SELECT 1") {
  it.send(query_message(sql), side);
  CHECK_FALSE(it.answer(complete(tag) + ready_message('I'), side).empty());
}

/// What is asked of `side`; empty when there is no question.
std::string ask(Conversation& it, PostgresBackendHalf& side) {
  if (!it.client.has_question(side)) return "";
  Gather sent;
  it.client.ask(side, sent);
  return text_of(sent);
}

Bytes null_row(char kind) { return message('D', "\0\4\0\0\0\1"s + kind + "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s); }

Bytes text_row(const std::string& kind, const std::string& name, const std::string& value) {
  const auto column = [](const std::string& text) { return "\0\0\0"s + static_cast<char>(text.size()) + text; };
  return message('D', "\0\4"s + column(kind) + column(name) + column(value) + column("user"));
}

Bytes answered() { return complete("SELECT 1") + ready_message('I'); }

Bytes notification() { return message('A', "\0\0\0\7bell\0hello\0"s); }

bool is_pinned_by(const Conversation& it, PinReason reason) { return it.client.pins().has(reason); }

}  // namespace

TEST_CASE("questions: a lock given back → asked once at the boundary, the client sees nothing, the pin ends") {
  Conversation it;
  run(it, it.blue, "SELECT pg_advisory_lock(1)");
  CHECK(ask(it, it.blue).empty());  // nothing has happened that could have given it back
  run(it, it.blue, "SELECT pg_advisory_unlock(1)");
  CHECK(is_pinned_by(it, PinReason::advisory_lock));
  CHECK(ask(it, it.blue).find("pg_locks") != std::string::npos);
  CHECK_FALSE(it.client.has_question(it.blue));  // never two at a time
  CHECK(it.client.is_asking(it.blue));
  CHECK(it.answer(message('T', "\0\0"s) + answered(), it.blue).empty());
  CHECK(it.client.pins().empty());
  CHECK(it.client.pin() == PinReason::none);
  CHECK(ask(it, it.blue).empty());
}

TEST_CASE("questions: another lock is still held → the pin stays, with its first cause") {
  Conversation it;
  run(it, it.blue, "SELECT pg_advisory_lock(1)");
  const Pin before = *it.client.pins().begin();
  run(it, it.blue, "SELECT pg_advisory_unlock(1)");
  CHECK_FALSE(ask(it, it.blue).empty());
  CHECK(it.answer(null_row('l') + answered(), it.blue).empty());
  CHECK(*it.client.pins().begin() == before);
}

TEST_CASE("questions: answered with an error → the pin stays, the client hears nothing, the session goes on") {
  Conversation it;
  run(it, it.blue, "SELECT pg_advisory_lock(1)");
  run(it, it.blue, "SELECT pg_advisory_unlock(1)");
  CHECK_FALSE(ask(it, it.blue).empty());
  CHECK(it.answer(error("ERROR", "57014") + message('N', "SNOTICE\0\0"s) + ready_message('I'), it.blue).empty());
  CHECK(is_pinned_by(it, PinReason::advisory_lock));
  CHECK(ask(it, it.blue).empty());  // not again before something happens
  run(it, it.blue, "SELECT 1");
  run(it, it.blue, "SELECT pg_advisory_unlock(1)");
  CHECK_FALSE(ask(it, it.blue).empty());
}

TEST_CASE("questions: a request that comes while one is out → goes behind it and is answered") {
  Conversation it;
  run(it, it.blue, "CREATE TEMP TABLE scratch (a int)", "CREATE TABLE");
  run(it, it.blue, "DROP TABLE scratch", "DROP TABLE");
  CHECK(ask(it, it.blue).find("pg_depend") != std::string::npos);
  CHECK_FALSE(it.send(query_message("SELECT 2"), it.blue).empty());
  CHECK(it.answer(answered() + complete("SELECT 2") + ready_message('I'), it.blue) ==
        text_of(complete("SELECT 2") + ready_message('I')));
  CHECK(it.client.pins().empty());
}

TEST_CASE("questions: inside a transaction → none; after its end → one") {
  Conversation it;
  run(it, it.blue, "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "DECLARE CURSOR");
  it.send(query_message("BEGIN"), it.blue);
  it.answer(complete("BEGIN") + ready_message('T'), it.blue);
  it.send(query_message("CLOSE c"), it.blue);
  it.answer(complete("CLOSE CURSOR") + ready_message('T'), it.blue);
  CHECK(ask(it, it.blue).empty());
  run(it, it.blue, "COMMIT", "COMMIT");
  CHECK(ask(it, it.blue).find("pg_cursors") != std::string::npos);
  CHECK(it.answer(answered(), it.blue).empty());
  CHECK(it.client.pins().empty());
}

TEST_CASE("questions: an answer cut at every byte → read the same") {
  const Bytes answer = message('T', "\0\0"s) + text_row("r", "none", "x") + text_row("s", "work_mem", "64") + null_row('t') + answered();
  for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
    Conversation it;
    run(it, it.blue, "SELECT some_function()");
    CHECK_FALSE(ask(it, it.blue).empty());
    Bytes first(answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(cut));
    CHECK(it.answer(first, it.blue).empty());
    Bytes rest(answer.begin() + static_cast<std::ptrdiff_t>(it.progress.consumed), answer.end());
    CHECK(it.answer(rest, it.blue).empty());
    CHECK(is_pinned_by(it, PinReason::temporary_object));
    CHECK(it.client.state().settings()->count("work_mem") == 1);
    CHECK(it.blue.settings == it.client.state().settings());
  }
}

TEST_CASE("questions: a block of code that set something → carried as a setting, no pin is left") {
  Conversation it;
  run(it, it.blue, "DO $$BEGIN PERFORM set_config('work_mem', '64', false); END$$", "DO");
  CHECK(it.client.pin() == PinReason::untracked_state);
  CHECK_FALSE(ask(it, it.blue).empty());
  CHECK(it.answer(text_row("r", "none", "x") + text_row("s", "work_mem", "64") + answered(), it.blue).empty());
  CHECK(it.client.pins().empty());
  CHECK(restore(it, it.green).find("set_config('work_mem', '64', false)") != std::string::npos);
}

TEST_CASE("questions: a setting with a point, to a bound value or by a block of code → asked about by its name, and carried") {
  for (const char* sql : {"SELECT set_config('App.Tenant', $1, false)", "DO $$BEGIN PERFORM set_config('app.tenant', x, false); END$$",
                          "BEGIN; SET app.tenant TO 'x'; COMMIT"}) {
    CAPTURE(std::string(sql));
    Conversation it;
    run(it, it.blue, sql);
    CHECK(it.client.pin() == PinReason::untracked_state);
    CHECK(ask(it, it.blue).find("current_setting('app.tenant', true)") != std::string::npos);
    CHECK(it.answer(text_row("r", "none", "x") + text_row("s", "app.tenant", "ann") + answered(), it.blue).empty());
    CHECK(it.client.pin() == PinReason::none);
    CHECK(restore(it, it.green).find("set_config('app.tenant', 'ann', false)") != std::string::npos);
  }
  Conversation it;
  run(it, it.blue, "SELECT set_config($1, $2, false)");
  CHECK_FALSE(ask(it, it.blue).empty());
  CHECK(it.answer(text_row("r", "none", "x") + answered(), it.blue).empty());
  CHECK(it.client.pin() == PinReason::untracked_state);  // nobody knows what to ask for
}

TEST_CASE("questions: a setting with a point that only a function sets → asked about by the name in the function's source, and carried") {
  Conversation it;
  const std::vector<CatalogueRow> rows{{"function", "public", "some_function", "", false}, {"setting", "", "app.tenant", "", false},
                                       {"setting", "", "app.other", "", false}};
  it.analyser.set_catalogue(Catalogue::from_rows(rows));
  run(it, it.blue, "SELECT some_function()");
  const std::string asked = ask(it, it.blue);
  CHECK(asked.find("current_setting('app.tenant', true)") != std::string::npos);
  CHECK(asked.find("current_setting('app.other', true)") != std::string::npos);
  CHECK(it.answer(text_row("r", "none", "x") + text_row("s", "app.tenant", "ann") + text_row("s", "app.other", "") + answered(), it.blue).empty());
  CHECK(it.client.pins().empty());
  CHECK(restore(it, it.green) == "SELECT pg_catalog.set_config('app.tenant', 'ann', false);");
  run(it, it.blue, "SELECT some_function()");
  CHECK_FALSE(ask(it, it.blue).empty());
  CHECK(it.answer(text_row("r", "none", "x") + text_row("s", "app.tenant", "ben") + answered(), it.blue).empty());
  CHECK(restore(it, it.green).find("set_config('app.tenant', 'ben', false)") != std::string::npos);
}

TEST_CASE("questions: PREPARE inside a block of code → the statement is not known, the pin stays") {
  Conversation it;
  run(it, it.blue, "DO $$BEGIN EXECUTE 'PREPARE p AS SELECT 1'; END$$", "DO");
  CHECK_FALSE(ask(it, it.blue).empty());
  CHECK(it.answer(text_row("r", "none", "x") + text_row("p", "p", "x") + answered(), it.blue).empty());
  CHECK(it.client.pin() == PinReason::untracked_state);
}

TEST_CASE("questions: functions that leave nothing behind → soon asked about seldom; sessions without doubt → never") {
  Conversation it;
  int asked_count = 0;
  for (int i = 0; i < 40; ++i) {
    run(it, it.blue, "SELECT some_function()");
    if (ask(it, it.blue).empty()) continue;
    ++asked_count;
    CHECK(it.answer(text_row("r", "none", "x") + answered(), it.blue).empty());
  }
  CHECK(asked_count < 7);
  Conversation other;
  for (const char* sql : {"SELECT 1", "INSERT INTO t VALUES (1)", "SET work_mem TO '1MB'", "BEGIN", "COMMIT", "DROP TABLE t",
                          "SELECT pg_advisory_unlock(1)", "CLOSE c", "UNLISTEN bell"}) {
    run(other, other.blue, sql);
    CHECK_FALSE(other.client.is_doubtful());
  }
}

TEST_CASE("listen: a notification on the connection that listens → passed on while the session reads elsewhere") {
  Conversation it;
  run(it, it.blue, "LISTEN bell", "LISTEN");
  CHECK(it.client.pin() == PinReason::none);  // its reads may move
  CHECK(it.client.is_held(it.blue));
  CHECK_FALSE(it.client.is_held(it.green));
  CHECK(restore(it, it.green).empty());
  run(it, it.green, "SELECT 1");
  CHECK(it.answer(notification(), it.blue) == text_of(notification()));
  CHECK(it.answer(notification(), it.green) == text_of(notification()));  // as before: it is the client's current one
}

TEST_CASE("listen: the connection that listens is ended by its server → the client is told, and the session is over") {
  Conversation it;
  run(it, it.blue, "LISTEN bell", "LISTEN");
  run(it, it.green, "SELECT 1");
  CHECK(it.answer(error("FATAL", "57P01"), it.blue) == text_of(error("FATAL", "57P01")));
  CHECK(it.progress.is_session_over);
}

TEST_CASE("listen: UNLISTEN of one channel → asked whether there are others; none → the connection is free") {
  Conversation it;
  run(it, it.blue, "LISTEN bell", "LISTEN");
  run(it, it.blue, "UNLISTEN bell", "UNLISTEN");
  CHECK(ask(it, it.blue).find("pg_listening_channels") != std::string::npos);
  CHECK(it.answer(answered(), it.blue).empty());
  CHECK_FALSE(it.client.is_held(it.blue));
}

TEST_CASE("listen: UNLISTEN, of one channel or of all, on another connection than the one that listens → that one is held as before") {
  Conversation it;
  run(it, it.green, "LISTEN bell", "LISTEN");
  run(it, it.blue, "UNLISTEN *", "UNLISTEN");
  CHECK(it.client.is_held(it.green));
  run(it, it.blue, "UNLISTEN bell", "UNLISTEN");
  CHECK_FALSE(it.client.has_question(it.blue));
  CHECK(it.client.is_held(it.green));
  run(it, it.green, "UNLISTEN *", "UNLISTEN");
  CHECK_FALSE(it.client.is_held(it.green));
}

TEST_CASE("listen: another connection than the one that listens is asked about everything → its answer ends nothing that is held there") {
  Conversation it;
  run(it, it.green, "LISTEN bell", "LISTEN");
  run(it, it.blue, "DO $$ BEGIN PERFORM 1; END $$", "DO");
  CHECK(ask(it, it.blue).find("pg_listening_channels") != std::string::npos);
  CHECK(it.answer(answered(), it.blue).empty());
  CHECK(it.client.is_held(it.green));
}

TEST_CASE("sequence value: currval on a connection that others have used → their values are thrown away first") {
  Conversation it;
  CHECK(it.send(query_message("SELECT currval('s')"), it.blue) == text_of(query_message("SELECT currval('s')")));
  CHECK_FALSE(it.answer(complete("SELECT 1") + ready_message('I'), it.blue).empty());
  CHECK(it.client.is_held(it.blue));  // from now on the session keeps its connection
  Conversation other;
  other.blue.drawn_by = 4711;
  CHECK(other.send(query_message("SELECT lastval()"), other.blue) ==
        text_of(query_message("DISCARD SEQUENCES") + query_message("SELECT lastval()")));
  CHECK(other.answer(complete("DISCARD SEQUENCES") + ready_message('I') + error("ERROR", "55000") + ready_message('I'), other.blue) ==
        text_of(error("ERROR", "55000") + ready_message('I')));
  CHECK(other.client.is_held(other.blue));  // though it was in vain: it will ask again
  CHECK(other.send(query_message("SELECT lastval()"), other.blue) == text_of(query_message("SELECT lastval()")));
}

TEST_CASE("sequence value: another session has only read on the connection since → the value is there") {
  Conversation it;
  run(it, it.blue, "INSERT INTO t VALUES (1)", "INSERT 0 1");
  it.blue.last_session = 4711;
  CHECK(it.send(query_message("SELECT lastval()"), it.blue) == text_of(query_message("SELECT lastval()")));
}

TEST_CASE("sequence value: another has drawn there and this session only read, or began a transaction → its values are thrown away all the same") {
  const std::string asked = text_of(query_message("DISCARD SEQUENCES") + query_message("SELECT lastval()"));
  Conversation reading;
  reading.blue.drawn_by = 4711;
  run(reading, reading.blue, "SELECT 1");
  CHECK(reading.send(query_message("SELECT lastval()"), reading.blue) == asked);
  Conversation both;
  both.blue.drawn_by = 4711;
  run(both, both.blue, "INSERT INTO t VALUES (1)", "INSERT 0 1");
  CHECK(both.send(query_message("SELECT lastval()"), both.blue) == text_of(query_message("SELECT lastval()")));
  Conversation beginning;
  beginning.blue.drawn_by = 4711;
  beginning.send(query_message("BEGIN"), beginning.blue);
  beginning.answer(complete("BEGIN") + ready_message('T'), beginning.blue);
  CHECK(beginning.send(query_message("SELECT lastval()"), beginning.blue) == asked);
}

TEST_CASE("sequence value: once anybody has asked → another's values go before a session draws beside them, in front of its BEGIN too") {
  const Bytes insert = query_message("INSERT INTO t VALUES (1)");
  Conversation it;
  it.blue.drawn_by = 4711;
  CHECK(it.send(insert, it.blue) == text_of(insert));  // nobody has asked yet, so nobody pays
  it.answer(complete("INSERT 0 1") + ready_message('I'), it.blue);
  run(it, it.blue, "SELECT lastval()");
  for (const char* text : {"INSERT INTO t VALUES (1)", "BEGIN"}) {
    it.blue.drawn_by = 4711;
    CHECK(it.send(query_message(text), it.blue) == text_of(query_message("DISCARD SEQUENCES") + query_message(text)));
    it.answer(complete("DISCARD SEQUENCES") + ready_message('I') + complete("BEGIN") + ready_message('I'), it.blue);
  }
  it.blue.drawn_by = 4711;
  CHECK(it.send(query_message("SELECT 1"), it.blue) == text_of(query_message("SELECT 1")));  // draws nothing
}

TEST_CASE("sequence value: asked behind replies that are still owed → they are awaited first") {
  Conversation it;
  it.blue.drawn_by = 4711;
  it.send(query_message("BEGIN"), it.blue);
  const Bytes question = query_message("SELECT lastval()");
  CHECK(it.client.next_request(question, &it.blue).verdict == RequestVerdict::await_reply);
}

TEST_CASE("questions: more replies may come than are owed, behind a COPY that failed → nothing is asked, an answer could be another's") {
  Conversation it;
  run(it, it.blue, "SELECT pg_advisory_lock(1)");
  run(it, it.blue, "SELECT pg_advisory_unlock(1)");
  CHECK(it.client.has_question(it.blue));
  it.send(parse_message("", "COPY t FROM STDIN") + bind_message("") + execute_message(), it.blue);
  it.answer(message('1', "") + message('2', "") + message('G', "\0\0\0"s), it.blue);
  it.send(message('d', "x\n") + sync_message() + bind_message("none") + sync_message(), it.blue);
  it.answer(error("ERROR", "22P04") + ready_message('I'), it.blue);
  CHECK(it.blue.is_at_boundary());
  CHECK(it.blue.tracker.is_in_doubt());
  CHECK_FALSE(it.client.has_question(it.blue));
}
