#include "tests/protocol/postgres/captured.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

// The server's replies are those of a PostgreSQL 15; the whole of the capture against a real one is
// tests/integration/mirror_test.py.
using namespace capture_test;

TEST_CASE("capture: reads → pass as they are, both ways, without waiting") {
  Captured it;
  const std::string read = text_of(query_message("SELECT 1"));
  CHECK(it.send(query_message("SELECT 1") + query_message("SELECT 1")) == read + read);
  const Bytes reply = description({"a"}) + row({"1"}) + complete("SELECT 1") + ready_message('I');
  CHECK(it.answer(reply + reply) == text_of(reply + reply));
}

TEST_CASE("capture: an autocommit write → BEGIN, rows told, and COMMIT only when its unit is recorded; the client sees none of it") {
  Captured it;
  it.know_table();
  const std::string sent = it.send(query_message("UPDATE t SET v = 'x' WHERE id = 1"));
  CHECK(sent.starts_with(begin_text));
  CHECK(sent.find("WHERE id = 1\nRETURNING pg_catalog.pg_current_xact_id()::pg_catalog.text AS \"_crossfade_transaction\", \"t\".*::pg_catalog.text AS") != std::string::npos);
  const Bytes replies = complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"77", "(1,x)"}) +
                        complete("UPDATE 1") + ready_message('T');
  CHECK(it.answer(replies).empty());
  CHECK(it.requests().empty());
  CHECK(it.send(query_message("SELECT 2")).empty());  // what follows waits

  const std::optional<MirrorUnit> unit = it.capture->take_unit();
  REQUIRE(unit);
  CHECK_FALSE(it.capture->take_unit());
  CHECK(unit->transaction_id == "77");
  CHECK(unit->last_write_done == first_tick + 1);
  CHECK(unit->database == "shop");
  CHECK(unit->settings == std::vector<std::pair<std::string, std::string>>{{"TimeZone", "UTC"}});
  REQUIRE(unit->items.size() == 1);
  const RowChange& change = *unit->items[0].rows;
  CHECK(change.schema == "public");
  CHECK(change.columns == std::vector<std::string>{"id", "v"});
  CHECK(change.key_columns == std::vector<std::string>{"id"});
  CHECK(change.rows == std::vector<std::vector<TextValue>>{{"1", "x"}});

  CHECK_FALSE(it.capture->is_commit_under_way());
  it.capture->admit(Capture::Admission::granted, {});
  CHECK(it.requests() == commit_text);
  CHECK(it.capture->is_commit_under_way());
  CHECK(it.answer(complete("COMMIT") + ready_message('I')).empty());
  CHECK(it.capture->take_end() == Capture::End::committed);
  it.capture->acknowledge();
  CHECK(Captured::taken(it.capture->replies()) == text_of(complete("UPDATE 1") + ready_message('I')));
  CHECK(it.requests() == text_of(query_message("SELECT 2")));
}

TEST_CASE("capture: a write in a transaction of the client's → its COMMIT waits; rolled back, nothing is recorded") {
  for (const bool commits : {true, false}) {
    CAPTURE(commits);
    Captured it;
    it.know_table();
    it.send(query_message("BEGIN"));
    CHECK(it.answer(complete("BEGIN") + ready_message('T')) == text_of(complete("BEGIN") + ready_message('T')));
    CHECK(it.send(query_message("DELETE FROM t WHERE id = 1 RETURNING v")).find("RETURNING v\n, pg_catalog.pg_current_xact_id()") != std::string::npos);
    CHECK(it.answer(description({"v", "_crossfade_transaction", "_crossfade_row"}) + row({"x", "78", "(1,x)"}) + complete("DELETE 1") + ready_message('T')) ==
          text_of(description({"v"}) + row({"x"}) + complete("DELETE 1") + ready_message('T')));
    const std::string ending = text_of(query_message(commits ? "COMMIT" : "ROLLBACK"));
    const std::string sent = it.send(query_message(commits ? "COMMIT" : "ROLLBACK"));
    const std::optional<MirrorUnit> unit = it.capture->take_unit();
    CHECK(unit.has_value() == commits);
    if (!commits) {
      CHECK(sent == ending);
      continue;
    }
    CHECK(sent.empty());
    CHECK(unit->items.at(0).rows->kind == RowChange::Kind::remove);
    it.capture->admit(Capture::Admission::granted, {});
    CHECK(it.requests() == ending);
    CHECK(it.answer(complete("COMMIT") + ready_message('I')).empty());
    it.capture->acknowledge();
    CHECK(Captured::taken(it.capture->replies()) == text_of(complete("COMMIT") + ready_message('I')));
  }
}

TEST_CASE("capture: a COMMIT that fails or turns out a rollback → the unit is rolled back, and the client told as the server said") {
  Captured it;
  it.know_table();
  it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
  it.answer(complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"79", "(1,x)"}) + complete("INSERT 0 1") +
            ready_message('T'));
  REQUIRE(it.capture->take_unit());
  it.capture->admit(Capture::Admission::granted, {});
  it.requests();
  CHECK(it.answer(error("ERROR", "23503") + ready_message('I')) == text_of(error("ERROR", "23503") + ready_message('I')));
  CHECK(it.capture->take_end() == Capture::End::rolled_back);
}

TEST_CASE("capture: a unit that cannot be recorded → the transaction is rolled back, and the client told with 53000") {
  Captured it;
  it.know_table();
  it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
  it.answer(complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"79", "(1,x)"}) + complete("INSERT 0 1") +
            ready_message('T'));
  REQUIRE(it.capture->take_unit());
  it.capture->admit(Capture::Admission::refused, {});
  CHECK(it.requests() == text_of(query_message("ROLLBACK")));
  const std::string told = it.answer(complete("ROLLBACK") + ready_message('I'));
  CHECK(told.find("C53000") != std::string::npos);
  CHECK(told.ends_with(text_of(ready_message('I'))));
  CHECK_FALSE(it.capture->take_end());
}

TEST_CASE("capture: a failed autocommit write → its BEGIN is rolled back unseen") {
  Captured it;
  it.know_table();
  it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
  CHECK(it.answer(complete("BEGIN") + ready_message('T') + error("ERROR", "23505") + ready_message('E')) == text_of(error("ERROR", "23505")));
  CHECK(it.requests() == text_of(query_message("ROLLBACK")));
  CHECK(it.answer(complete("ROLLBACK") + ready_message('I')) == text_of(ready_message('I')));
}

TEST_CASE("capture: the connection is lost before the COMMIT of an autocommit write is sent → the client is not told that the write was done") {
  const Bytes written = complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"79", "(1,x)"}) +
                        complete("INSERT 0 1");
  for (const bool is_recording : {false, true}) {
    Captured it;
    it.know_table();
    it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
    CHECK(it.answer(is_recording ? written + ready_message('T') : written).empty());
    CHECK(it.capture->take_unit().has_value() == is_recording);
    CHECK(it.answer(error("FATAL", "57P01")) == text_of(error("FATAL", "57P01")));
  }
}

TEST_CASE("capture: the connection is lost while COMMIT is under way → 08007, whatever the last words were") {
  Captured it;
  it.know_table();
  it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
  it.answer(complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"79", "(1,x)"}) + complete("INSERT 0 1") +
            ready_message('T'));
  REQUIRE(it.capture->take_unit());
  it.capture->admit(Capture::Admission::granted, {});
  CHECK(it.answer(error("FATAL", "57P01")).find("C08007") != std::string::npos);
  CHECK_FALSE(it.capture->take_end());
}

TEST_CASE("capture: what cannot be carried → runs, and is noted when it is committed; or is refused, as the policy says") {
  for (const UnsafePolicy policy : {UnsafePolicy::ledger, UnsafePolicy::reject}) {
    CaptureOptions options;
    options.unsafe_statements = policy;
    Captured it(options);
    const Bytes text = query_message("WITH gone AS (DELETE FROM t RETURNING 1) SELECT 1");
    const std::string sent = it.send(text);
    if (policy == UnsafePolicy::reject) {
      CHECK(sent.empty());
      CHECK(Captured::taken(it.capture->replies()).find("C0A000") != std::string::npos);
      continue;
    }
    CHECK(sent == text_of(text));
    CHECK(it.capture->take_unmirrored().empty());
    it.answer(description({"a"}) + complete("SELECT 1") + ready_message('I'));
    const std::vector<UnmirroredWrite> notes = it.capture->take_unmirrored();
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].tables == std::vector<std::string>{"t"});
  }
}

TEST_CASE("capture: by the extended protocol, unnamed → BEGIN before it, no row for the client, and ReadyForQuery last") {
  Captured it;
  it.know_table();
  const std::string sent = it.send(parse_message("", "UPDATE t SET v = $1") + bind_message("") + execute_message() + sync_message());
  CHECK(sent.starts_with(begin_text));
  const Bytes replies = complete("BEGIN") + ready_message('T') + message('1', "") + message('2', "") + description({"_crossfade_transaction", "_crossfade_row"}) +
                        row({"80", "(1,x)"}) + complete("UPDATE 1") + ready_message('T');
  CHECK(it.answer(replies) == text_of(message('1', "") + message('2', "") + complete("UPDATE 1")));
  REQUIRE(it.capture->take_unit());
  it.capture->admit(Capture::Admission::granted, {});
  CHECK(it.requests() == commit_text);
  it.answer(complete("COMMIT") + ready_message('I'));
  it.capture->acknowledge();
  CHECK(Captured::taken(it.capture->replies()) == text_of(ready_message('I')));
  // The unnamed statement went with our COMMIT: it is prepared again before it is bound, and nobody hears of it.
  const std::string again = it.send(bind_message("") + execute_message() + sync_message());
  CHECK(again.find("UPDATE t SET v = $1") != std::string::npos);
  const Bytes more = complete("BEGIN") + ready_message('T') + message('1', "") + message('2', "") + complete("UPDATE 0") + ready_message('T');
  CHECK(it.answer(more) == text_of(message('2', "") + complete("UPDATE 0")));
}

TEST_CASE("capture: replies that come byte by byte → the same as at once") {
  Captured it;
  it.know_table();
  it.send(query_message("UPDATE t SET v = 'x' RETURNING v"));
  const Bytes replies = complete("BEGIN") + ready_message('T') + description({"v", "_crossfade_transaction", "_crossfade_row"}) + row({"x", "81", "(1,x)"}) +
                        complete("UPDATE 1") + ready_message('T');
  std::string told;
  for (const std::byte each : replies) told += it.answer(Bytes{each});
  CHECK(told == text_of(description({"v"}) + row({"x"})));
  REQUIRE(it.capture->take_unit());
}

TEST_CASE("capture: numbers are told with fewer digits than they have → its rows are not carried, and noted; asked again when that changes") {
  Captured it;
  it.know_table();
  it.send(query_message("SET extra_float_digits = 0"));
  it.answer(complete("SET") + ready_message('I'));
  CHECK(it.send(query_message("UPDATE t SET v = 'x'")).find("extra_float_digits") != std::string::npos);
  it.answer(complete("BEGIN") + ready_message('T') + form_answer("t") + description({"_crossfade_transaction", "_crossfade_row"}) +
            row({"82", "(1,x)"}) + complete("UPDATE 1") + ready_message('T'));
  CHECK_FALSE(it.capture->take_unit());
  CHECK(it.requests() == commit_text);
  it.answer(complete("COMMIT") + ready_message('I'));
  CHECK(it.capture->take_unmirrored().size() == 1);
  it.send(query_message("SET extra_float_digits = 1"));
  it.answer(complete("SET") + ready_message('I'));
  CHECK(it.send(query_message("UPDATE t SET v = 'x'")).find("extra_float_digits") != std::string::npos);
}

TEST_CASE("capture: how values are written changes within a transaction → what was written before is carried, the rest noted") {
  Captured it;
  it.know_table();
  it.send(query_message("BEGIN"));
  it.answer(complete("BEGIN") + ready_message('T'));
  const Bytes written = description({"_crossfade_transaction", "_crossfade_row"}) + row({"83", "(1,x)"}) + complete("UPDATE 1") + ready_message('T');
  it.send(query_message("UPDATE t SET v = 'x'"));
  it.answer(written);
  it.send(query_message("SET LOCAL DateStyle = 'SQL'"));
  it.answer(parameter("DateStyle", "SQL, MDY") + complete("SET") + ready_message('T'));
  it.send(query_message("UPDATE t SET v = 'y'"));
  it.answer(written);
  it.send(query_message("COMMIT"));
  const std::optional<MirrorUnit> unit = it.capture->take_unit();
  REQUIRE(unit);
  CHECK(unit->items.size() == 1);
  it.capture->admit(Capture::Admission::granted, {});
  it.requests();
  it.answer(parameter("DateStyle", "ISO, MDY") + complete("COMMIT") + ready_message('I'));
  CHECK(it.capture->take_unmirrored().size() == 1);
}

TEST_CASE("capture: an encoding whose characters may hold a quote → nothing is read, and everything that is no read is noted") {
  Captured it;
  it.capture->take_replies(parameter("client_encoding", "SJIS"));
  const Bytes text = query_message("UPDATE t SET v = 'x'");
  CHECK(it.send(text) == text_of(text));
  it.answer(complete("UPDATE 1") + ready_message('I'));
  CHECK(it.capture->take_unmirrored().size() == 1);
}

TEST_CASE("capture: PREPARE TRANSACTION → recorded as a COMMIT is, and left to be decided; where it turns out a rollback, nothing is") {
  for (const std::string tag : {"PREPARE TRANSACTION", "ROLLBACK"}) {
    CAPTURE(tag);
    Captured it;
    it.know_table();
    it.send(query_message("BEGIN"));
    it.answer(complete("BEGIN") + ready_message('T'));
    it.send(query_message("INSERT INTO t VALUES (1, 'x')"));
    it.answer(description({"_crossfade_transaction", "_crossfade_row"}) + row({"79", "(1,x)"}) + complete("INSERT 0 1") + ready_message('T'));
    CHECK(it.send(query_message("PREPARE TRANSACTION 'a'")).empty());
    REQUIRE(it.capture->take_unit());
    it.capture->admit(Capture::Admission::granted, {});
    CHECK(it.requests() == text_of(query_message("PREPARE TRANSACTION 'a'")));
    const Bytes ending = complete(tag) + ready_message('I');
    const bool is_prepared = tag != "ROLLBACK";
    CHECK(it.answer(ending) == (is_prepared ? std::string() : text_of(ending)));
    CHECK(it.capture->take_end() == (is_prepared ? Capture::End::prepared : Capture::End::rolled_back));
    it.capture->acknowledge();
    CHECK(Captured::taken(it.capture->replies()) == (is_prepared ? text_of(ending) : std::string()));
    CHECK(it.capture->take_unmirrored().empty());
  }
}

TEST_CASE("capture: an UPDATE of the key → the old one is asked for; where it is not said, the table is noted") {
  Captured it;
  it.know_table();
  CHECK(it.send(query_message("UPDATE t SET id = 2 WHERE id = 1")).find("||) ROW((1)::pg_catalog.text)::pg_catalog.text AS") != std::string::npos);
  it.answer(complete("BEGIN") + ready_message('T') + description({"_crossfade_transaction", "_crossfade_row"}) + row({"77 (1)", "(2,x)"}) + complete("UPDATE 1") +
            ready_message('T'));
  const std::optional<MirrorUnit> unit = it.capture->take_unit();
  REQUIRE(unit);
  CHECK(unit->transaction_id == "77");
  CHECK(unit->items.at(0).rows->kind == RowChange::Kind::move);
  CHECK(unit->items.at(0).rows->old_keys == std::vector<std::vector<TextValue>>{{"1"}});
  it.capture->admit(Capture::Admission::granted, {});
  it.answer(complete("COMMIT") + ready_message('I'));
  it.requests();
  it.capture->acknowledge();
  CHECK(it.send(query_message("UPDATE t SET id = f(id)")).find("RETURNING") == std::string::npos);
  it.answer(complete("UPDATE 1") + ready_message('I'));
  const std::vector<UnmirroredWrite> notes = it.capture->take_unmirrored();
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].reason == "it changes a key in a way that does not tell the old one");
}
