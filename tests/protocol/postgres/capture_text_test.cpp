#include "protocol/postgres/capture_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace protocol;
using namespace protocol::postgres;
using Kind = CaptureStatement::Kind;

struct Read {
  Analyser analyser;
  CaptureReader reader{analyser};
  CaptureReader::Reading operator()(const std::string& text) { return reader.read(text); }
};

struct Row {
  std::string text;
  Kind kind;
};

}  // namespace

TEST_CASE("capture text: each kind of statement → what it means to the mirror") {
  const std::vector<Row> rows = {
      {"INSERT INTO t VALUES (1)", Kind::rows},
      {"UPDATE t SET a = 1", Kind::rows},
      {"DELETE FROM ONLY s.t WHERE a = 1", Kind::rows},
      {"INSERT INTO t SELECT * FROM u ON CONFLICT DO NOTHING", Kind::rows},
      {"WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", Kind::rows},
      {"WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", Kind::unsafe},
      {"WITH x AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM x", Kind::unsafe},
      {"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", Kind::unsafe},
      {"UPDATE s.t SET a = 1 FROM u.t WHERE true", Kind::unsafe},
      {"SELECT lo_unlink(1)", Kind::unsafe},
      {"SELECT mystery()", Kind::unsafe},
      {"SELECT nextval('s')", Kind::plain},
      {"SELECT pg_advisory_xact_lock(1), clock_timestamp()", Kind::plain},
      {"SELECT * FROM t FOR UPDATE", Kind::plain},
      {"SELECT * INTO u FROM t", Kind::unsafe},
      {"SELECT * INTO TEMP u FROM t", Kind::plain},
      {"CREATE TABLE u AS SELECT 1", Kind::unsafe},
      {"CREATE TEMP TABLE u (a int)", Kind::plain},
      {"CREATE TABLE u (a int)", Kind::text},
      {"ALTER TABLE u ADD b int", Kind::text},
      {"TRUNCATE u", Kind::text},
      {"CREATE INDEX ON u (a)", Kind::text},
      {"CREATE DATABASE d", Kind::text},
      {"VACUUM u", Kind::plain},
      {"LOCK TABLE u", Kind::plain},
      {"NOTIFY n", Kind::plain},
      {"CALL p()", Kind::unsafe},
      {"DO 'BEGIN END'", Kind::unsafe},
      {"COPY t (a) FROM STDIN", Kind::copy_in},
      {"COPY t FROM '/tmp/f'", Kind::unsafe},
      {"COPY t FROM STDIN WHERE a > 1", Kind::unsafe},
      {"EXPLAIN ANALYZE DELETE FROM t", Kind::unsafe},
      {"PREPARE p AS INSERT INTO t VALUES ($1)", Kind::rows},
      {"EXECUTE p(1)", Kind::execute},
      {"BEGIN", Kind::begin},
      {"START TRANSACTION READ ONLY", Kind::begin},
      {"COMMIT", Kind::commit},
      {"END AND CHAIN", Kind::commit},
      {"ABORT", Kind::rollback},
      {"SAVEPOINT a", Kind::savepoint},
      {"RELEASE a", Kind::release},
      {"ROLLBACK TO a", Kind::rollback_to},
      {"PREPARE TRANSACTION 'x'", Kind::prepare_transaction},
      {"INSERT INTO", Kind::unsafe},
  };
  Read read;
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const CaptureReader::Reading reading = read(row.text);
    REQUIRE(reading.text->statements.size() == 1);
    CHECK(static_cast<int>(reading.text->statements.front().kind) == static_cast<int>(row.kind));
  }
}

TEST_CASE("capture text: what is read or concerns the session only → nothing to look at") {
  Read read;
  for (const char* text : {"SELECT 1", "SET work_mem TO '1MB'", "SHOW all", "DISCARD ALL", "LISTEN a", "", ";"}) {
    CAPTURE(std::string(text));
    CHECK(read(text).text->is_plain);
  }
}

TEST_CASE("capture text: comments, semicolons and spaces behind a statement → its end is behind its last token") {
  Read read;
  for (const char* tail : {"", ";", " ;", " -- comment", " /* a */ ; -- b", "\n;\n"}) {
    const std::string statement = "UPDATE t SET a = '--x' /* in it */ WHERE b = 1";
    CAPTURE(std::string(tail));
    CHECK(read(statement + tail).end_of(0) == statement.size());
  }
}

TEST_CASE("capture text: texts that differ in literals only → one reading, each with its own end") {
  Read read;
  const CaptureReader::Reading one = read("UPDATE t SET a = 1 WHERE b = 1");
  const CaptureReader::Reading other = read("UPDATE t SET a = 1234 WHERE b = 98765;");
  CHECK(one.text == other.text);
  CHECK(other.end_of(0) == std::string("UPDATE t SET a = 1234 WHERE b = 98765").size());
}

TEST_CASE("capture text: several statements → each with its place") {
  Read read;
  const std::string text = "INSERT INTO t VALUES (1) ; UPDATE u AS v SET a = 1 ;SELECT 1";
  const CaptureReader::Reading reading = read(text);
  REQUIRE(reading.text->statements.size() == 3);
  CHECK(text.substr(0, reading.end_of(0)) == "INSERT INTO t VALUES (1)");
  CHECK(text.substr(0, reading.end_of(1)).ends_with("SET a = 1"));
  CHECK(reading.text->statements[1].reference == "\"v\"");
  CHECK(reading.text->statements[2].kind == Kind::plain);
}

TEST_CASE("capture text: the target, the columns and the options of a COPY") {
  Read read;
  const CaptureStatement insert = read("INSERT INTO \"S\".\"T\"\"x\" (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2, c = 3").text->statements[0];
  CHECK(insert.schema == "S");
  CHECK(insert.table == "T\"x");
  CHECK(insert.reference == "\"T\"\"x\"");
  CHECK(insert.columns == std::vector<std::string>{"b", "c"});
  CHECK(insert.is_insert);
  const CaptureStatement copy = read("COPY s . \"T\" (a, b) FROM STDIN WITH (FORMAT csv)").text->statements[0];
  CHECK(copy.columns == std::vector<std::string>{"a", "b"});
  CHECK(copy.copy_tail == "  (a, b) FROM STDIN WITH (FORMAT csv)");
}

TEST_CASE("capture text: an INSERT too long to be parsed → its rows are carried; one that calls what may write is not") {
  const auto insert = [](const std::string& row, const std::string& tail) {
    std::string text = "INSERT INTO s.t (a, b) VALUES (0, 'x')";
    while (text.size() < 300'000) text += ", " + row;
    return text + tail;
  };
  Read read;
  const std::string text = insert("(1, 'it''s; (a')", " ON CONFLICT (a) DO UPDATE SET b = 1 RETURNING a -- end");
  const CaptureReader::Reading reading = read(text);
  REQUIRE(reading.text->statements.size() == 1);
  const CaptureStatement& statement = reading.text->statements.front();
  CHECK(static_cast<int>(statement.kind) == static_cast<int>(Kind::rows));
  CHECK(statement.table == "t");
  CHECK(statement.has_returning);
  CHECK(statement.columns == std::vector<std::string>{"b"});
  CHECK(text.substr(0, reading.end_of(0)).ends_with("RETURNING a"));
  CHECK(static_cast<int>(read(insert("(lower('A'), now())", "")).text->statements.front().kind) == static_cast<int>(Kind::rows));
  CHECK(static_cast<int>(read(insert("(mystery(1), 2)", "")).text->statements.front().kind) == static_cast<int>(Kind::unsafe));
  CHECK(static_cast<int>(read(insert("(1, 2)", "; DELETE FROM t")).text->statements.front().kind) == static_cast<int>(Kind::unsafe));
}

TEST_CASE("capture text: a change of a table that computes values for rows which are there → carried, and noted") {
  Read read;
  for (const char* text :
       {"ALTER TABLE t ADD a timestamptz DEFAULT now()", "ALTER TABLE t ADD a timestamptz DEFAULT CURRENT_TIMESTAMP",
        "ALTER TABLE t ADD a serial", "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS IDENTITY", "ALTER TABLE t ADD a uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE t ADD a date DEFAULT 'today'::date", "ALTER TABLE t ALTER a TYPE text USING a || random()", "ALTER TABLE t DROP b, ADD a bigserial"}) {
    CAPTURE(std::string(text));
    const CaptureStatement& statement = read(text).text->statements.front();
    CHECK(static_cast<int>(statement.kind) == static_cast<int>(Kind::text));
    CHECK_FALSE(statement.reason.empty());
  }
  for (const char* text : {"ALTER TABLE t ADD a int DEFAULT 1", "ALTER TABLE t ADD a text[] DEFAULT ARRAY['x']::text[]", "ALTER TABLE t ADD a int DEFAULT -1",
                           "ALTER TABLE t ADD a text DEFAULT 'nowhere'", "ALTER TABLE t ALTER a SET DEFAULT now()", "ALTER TABLE t ALTER a TYPE text USING a::text",
                           "ALTER TABLE t ADD a int NOT NULL", "CREATE TABLE t (a timestamptz DEFAULT now(), b serial)"}) {
    CAPTURE(std::string(text));
    const CaptureStatement& statement = read(text).text->statements.front();
    CHECK(static_cast<int>(statement.kind) == static_cast<int>(Kind::text));
    CHECK(statement.reason.empty());
  }
}
