#include "protocol/postgres/analyser.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <ostream>
#include <string>

// One row per claim: what a text does to transaction and session, and what it names.
namespace protocol::postgres {
namespace {

std::string join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined.append(joined.empty() ? "" : " ").append(name);
  return joined;
}

std::string spell(const SessionChange& change) {
  using enum SessionChange::Kind;
  constexpr const char* names[] = {"set",
                                   "set_local",
                                   "reset",
                                   "reset_all",
                                   "prepare",
                                   "deallocate",
                                   "deallocate_all",
                                   "discard_all",
                                   "unlisten_all",
                                   "close_all_cursors",
                                   "discard_temporary",
                                   "savepoint",
                                   "release",
                                   "rollback_to",
                                   "unlock_all",
                                   "discard_sequences",
                                   "set_unseen"};
  static_assert(std::size(names) == static_cast<std::size_t>(set_unseen) + 1);
  std::string spelt = names[static_cast<std::size_t>(change.kind)];
  if (!change.name.empty()) spelt += " " + change.name;
  if (!change.text.empty()) spelt += " [" + change.text + "]";
  return spelt;
}

std::string spell(const std::vector<SessionChange>& changes) {
  std::string spelt;
  for (const SessionChange& change : changes) spelt.append(spelt.empty() ? "" : "; ").append(spell(change));
  return spelt;
}

struct EffectRow {
  const char* text;
  TransactionEffect effect;
  bool may_leave_read_only = false;
};

constexpr EffectRow effect_rows[] = {
    {"SELECT 1", TransactionEffect::none},
    {"BEGIN", TransactionEffect::begin_read_write},
    {"BEGIN WORK", TransactionEffect::begin_read_write},
    {"BEGIN READ WRITE", TransactionEffect::begin_read_write},
    {"BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", TransactionEffect::begin_read_only},
    {"START TRANSACTION READ ONLY", TransactionEffect::begin_read_only},
    {"BEGIN READ ONLY, READ WRITE", TransactionEffect::begin_read_write},
    {"COMMIT", TransactionEffect::end},
    {"END", TransactionEffect::end},
    {"ROLLBACK", TransactionEffect::end},
    {"ABORT", TransactionEffect::end},
    {"PREPARE TRANSACTION 'x'", TransactionEffect::end},
    {"COMMIT AND CHAIN", TransactionEffect::unclear},
    {"COMMIT AND NO CHAIN", TransactionEffect::end},
    {"ROLLBACK AND CHAIN", TransactionEffect::unclear},
    {"COMMIT PREPARED 'x'", TransactionEffect::none},
    {"SAVEPOINT a", TransactionEffect::inside},
    {"RELEASE SAVEPOINT a", TransactionEffect::inside},
    {"ROLLBACK TO SAVEPOINT a", TransactionEffect::inside},
    {"SET LOCAL a.b = 1", TransactionEffect::inside},
    {"SET a.b = 1", TransactionEffect::none},
    {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", TransactionEffect::inside},
    {"SET TRANSACTION READ WRITE", TransactionEffect::inside, true},
    {"SET transaction_read_only = off", TransactionEffect::inside, true},
    {"SET LOCAL transaction_read_only = off", TransactionEffect::inside, true},
    {"RESET transaction_read_only", TransactionEffect::inside, true},
    {"SET TRANSACTION SNAPSHOT 'x'", TransactionEffect::inside},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", TransactionEffect::none, true},
    {"SET DEFAULT_TRANSACTION_READ_ONLY = on", TransactionEffect::none, true},
    {"RESET ALL", TransactionEffect::none, true},
    {"SELECT set_config('transaction_read_only', 'off', true)", TransactionEffect::none, true},
    {"SELECT set_config($1, $2, true)", TransactionEffect::none, true},
    {"SELECT set_config('work_mem', '1', true)", TransactionEffect::none},
    {"UPDATE pg_settings SET setting = 'off'", TransactionEffect::none, true},
    {"SET CONSTRAINTS ALL DEFERRED", TransactionEffect::inside},
    {"CALL p()", TransactionEffect::unclear},
    {"DO 'BEGIN END'", TransactionEffect::unclear, true},
    {"BEGIN; COMMIT", TransactionEffect::unclear},
    {"SELECT 1; COMMIT; SELECT 2", TransactionEffect::unclear},
    {"SELECT 1; SELECT 2", TransactionEffect::none},
    {"BEGIN;", TransactionEffect::begin_read_write},
    {"not sql", TransactionEffect::none, true},
};

TEST_CASE("analyser: text → effect on the transaction") {
  Analyser analyser;
  for (const EffectRow& row : effect_rows) {
    CAPTURE(std::string(row.text));
    const auto facts = analyser.analyse(row.text).facts;
    CHECK(static_cast<int>(facts->transaction_effect) == static_cast<int>(row.effect));
    CHECK(facts->may_leave_read_only == row.may_leave_read_only);
  }
}

struct PinRow {
  const char* text;
  PinReason pin;
};

constexpr PinRow pin_rows[] = {
    {"SELECT 1", PinReason::none},
    {"CREATE TABLE t (a int)", PinReason::none},
    {"CREATE TEMP TABLE t (a int)", PinReason::temporary_object},
    {"CREATE TEMPORARY  TABLE t AS SELECT 1", PinReason::temporary_object},
    {"CREATE LOCAL TEMP TABLE t (a int)", PinReason::temporary_object},
    {"CREATE TABLE pg_temp.t (a int)", PinReason::temporary_object},
    {"CREATE TABLE \"pg_temp\".t (a int)", PinReason::temporary_object},
    {"CREATE TABLE pg_temp.t AS SELECT 1", PinReason::temporary_object},
    {"SELECT 1 INTO pg_temp.t", PinReason::temporary_object},
    {"CREATE TEMP TABLE t (a int) ON COMMIT DROP", PinReason::none},
    {"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1", PinReason::none},
    {"CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS", PinReason::temporary_object},
    {"CREATE TEMP VIEW v AS SELECT 1", PinReason::temporary_object},
    {"CREATE OR REPLACE TEMP VIEW v AS SELECT 1", PinReason::temporary_object},
    {"CREATE TEMP SEQUENCE s", PinReason::temporary_object},
    {"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", PinReason::temporary_object},
    {"CREATE TYPE pg_temp.t AS (a int)", PinReason::temporary_object},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a, pg_temp AS 'SELECT 1'",
     PinReason::none},
    {"SELECT 1 INTO TEMP t", PinReason::temporary_object},
    {"SELECT 1 INTO t", PinReason::none},
    {"SELECT 1 INTO TEMP t; SELECT 2", PinReason::temporary_object},
    {"SET search_path = pg_temp, public", PinReason::temporary_object},
    {"SET search_path = public, pg_temp", PinReason::none},
    {"SELECT set_config('search_path', 'pg_temp', false)", PinReason::temporary_object},
    {"SELECT pg_advisory_lock(1)", PinReason::advisory_lock},
    {"SELECT pg_advisory_lock_shared(1, 2)", PinReason::advisory_lock},
    {"SELECT pg_try_advisory_lock(1)", PinReason::advisory_lock},
    {"SELECT pg_catalog.pg_try_advisory_lock_shared(1)", PinReason::advisory_lock},
    {"INSERT INTO t SELECT pg_advisory_lock(a) FROM u", PinReason::advisory_lock},
    {"SELECT pg_advisory_xact_lock(1)", PinReason::none},
    {"SELECT pg_advisory_unlock(1)", PinReason::none},
    {"LISTEN a", PinReason::listen},
    {"UNLISTEN a", PinReason::none},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", PinReason::hold_cursor},
    {"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1", PinReason::none},
    {"DECLARE c SCROLL CURSOR FOR SELECT 1", PinReason::none},
    {"DECLARE c CURSOR FOR SELECT set_config('a.b', 'c', false)", PinReason::untracked_state},
    {"LOAD 'x'", PinReason::loaded_library},
    {"SELECT dblink_connect('x')", PinReason::external_link},
    {"SELECT set_config('a.b', 'c', false)", PinReason::none},
    {"SELECT set_config('a.b', 'c', true)", PinReason::none},
    {"SELECT set_config('a.b', $1, true)", PinReason::none},
    {"SELECT set_config('a.b', $1, false)", PinReason::untracked_state},
    {"SELECT set_config('a.b', 'c', $1)", PinReason::untracked_state},
    {"SELECT set_config($1, 'c', false)", PinReason::untracked_state},
    {"SELECT set_config('a.b', 'c', false) FROM t", PinReason::untracked_state},
    {"SELECT set_config('a.b', 'c', false) WHERE a", PinReason::untracked_state},
    {"SELECT lower(set_config('a.b', 'c', false))", PinReason::untracked_state},
    {"SELECT set_config('a.b', 'c', false), (SELECT set_config('d.e', 'f', false))",
     PinReason::untracked_state},
    {"INSERT INTO t VALUES (set_config('a.b', 'c', false))", PinReason::untracked_state},
    {"UPDATE pg_settings SET setting = '1' WHERE name = 'work_mem'", PinReason::untracked_state},
    {"DO $$ BEGIN CREATE TEMP TABLE t (a int); END $$", PinReason::untracked_state},
    {"DO $$ BEGIN PERFORM 1; END $$", PinReason::none},
    {"not sql", PinReason::untracked_state},
    {"SELECT 'C:\\'", PinReason::none},
};

TEST_CASE("analyser: text → what pins the session") {
  Analyser analyser;
  for (const PinRow& row : pin_rows) {
    CAPTURE(std::string(row.text));
    CHECK(name_of(analyser.analyse(row.text).facts->pin) == name_of(row.pin));
  }
}

struct ChangeRow {
  const char* text;
  const char* changes;
};

constexpr ChangeRow change_rows[] = {
    {"SELECT 1", ""},
    {"SET Work_Mem = '1MB'", "set work_mem [SET Work_Mem = '1MB']"},
    {" /* x */ SET a.b TO c, d -- end", "set a.b [SET a.b TO c, d]"},
    {"SET a.b = 1;SET c.d = 'x;y' ;", "set a.b [SET a.b = 1]; set c.d [SET c.d = 'x;y']"},
    {"SET SESSION a.b = 1", "set a.b [SET SESSION a.b = 1]"},
    {"SET TIME ZONE 'UTC'", "set timezone [SET TIME ZONE 'UTC']"},
    {"SET TIME ZONE LOCAL", "reset timezone"},
    {"SET NAMES 'utf8'", "set client_encoding [SET NAMES 'utf8']"},
    {"SET SCHEMA 'x'", "set search_path [SET SCHEMA 'x']"},
    {"SET ROLE x", "set role [SET ROLE x]"},
    {"RESET ROLE", "reset role"},
    {"SET SESSION AUTHORIZATION x", "set session_authorization [SET SESSION AUTHORIZATION x]"},
    {"SET SESSION AUTHORIZATION DEFAULT", "reset session_authorization"},
    {"SET LOCAL a.b = 1", "set_local a.b"},
    {"SET transaction_isolation = 'serializable'", "set_local transaction_isolation"},
    {"SET TRANSACTION READ ONLY", "set_local transaction"},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ",
     "set default_transaction_read_only [SET default_transaction_read_only TO on]; "
     "set default_transaction_isolation [SET default_transaction_isolation TO 'repeatable read']"},
    {"SET a.b TO DEFAULT", "reset a.b"},
    {"RESET a.b", "reset a.b"},
    {"RESET ALL", "reset_all"},
    {"SELECT set_config('Search_Path', 'a, b', false)",
     "set search_path [SELECT pg_catalog.set_config('search_path', 'a, b', false)]"},
    {"SELECT set_config('a.b', 'it''s', false), 1",
     "set a.b [SELECT pg_catalog.set_config('a.b', 'it''s', false)]"},
    {"SELECT set_config('a.b', E'c\\\\d', false)",
     "set a.b [SELECT pg_catalog.set_config('a.b', E'c\\\\d', false)]"},
    {"SELECT set_config(is_local => false, setting_name => 'a.b', new_value => 'c')",
     "set a.b [SELECT pg_catalog.set_config('a.b', 'c', false)]"},
    {"SELECT set_config('a.b', 'c', true)", "set_local a.b"},
    {"SELECT set_config('A.b', $1, false)", "set_unseen a.b"},
    {"INSERT INTO t VALUES (set_config($1, 'c', false))", "set_unseen"},
    {"DO $$BEGIN PERFORM set_config('App.user', x.y, false); END$$", "set_unseen app.user; set_unseen x.y"},
    {"DISCARD SEQUENCES", "discard_sequences"},
    {"PREPARE P AS SELECT 1", "prepare p [PREPARE P AS SELECT 1]"},
    {"SELECT 1; PREPARE \"P\" (int) AS SELECT $1 ; SELECT 2", "prepare P [PREPARE \"P\" (int) AS SELECT $1]"},
    {"DEALLOCATE PREPARE p", "deallocate p"},
    {"DEALLOCATE ALL", "deallocate_all"},
    {"DISCARD ALL", "discard_all"},
    {"DISCARD PLANS", ""},
    {"DISCARD TEMP", "discard_temporary"},
    {"UNLISTEN *", "unlisten_all"},
    {"UNLISTEN a", ""},
    {"CLOSE ALL", "close_all_cursors"},
    {"CLOSE c", ""},
    {"SAVEPOINT A", "savepoint a"},
    {"SAVEPOINT \"A\"", "savepoint A"},
    {"RELEASE a", "release a"},
    {"ROLLBACK TO a", "rollback_to a"},
    {"SELECT pg_advisory_unlock_all()", "unlock_all"},
    {"EXPLAIN SELECT set_config('a.b', 'c', false)", ""},
    {"EXPLAIN ANALYZE SELECT set_config('a.b', 'c', false)",
     "set a.b [SELECT pg_catalog.set_config('a.b', 'c', false)]"},
    {"SAVEPOINT a123456789b123456789c123456789d123456789e123456789f123456789g123456789",
     "savepoint a123456789b123456789c123456789d123456789e123456789f123456789g12"},
};

TEST_CASE("analyser: text → changes of the session, in order") {
  Analyser analyser;
  for (int round = 0; round < 2; ++round) {
    for (const ChangeRow& row : change_rows) {
      CAPTURE(std::string(row.text));
      CHECK(spell(analyser.analyse(row.text).facts->changes) == row.changes);
    }
  }
}

TEST_CASE("analyser: texts that differ in a literal that matters → each its own facts") {
  Analyser analyser;
  const std::pair<const char*, const char*> pairs[] = {
      {"SET a.b = 1", "SET a.b = 2"},
      {"SELECT set_config('a.b', 'c', false)", "SELECT set_config('a.b', 'd', false)"},
      {"PREPARE p AS SELECT 1", "PREPARE p AS SELECT 2"},
  };
  for (const auto& [one, other] : pairs) {
    const auto first = analyser.analyse(one).facts;
    const auto second = analyser.analyse(other).facts;
    CHECK(first->fingerprint == second->fingerprint);
    CHECK(spell(first->changes) != spell(second->changes));
  }
}

struct NameRow {
  const char* text;
  const char* tables;
  const char* functions;
};

constexpr NameRow name_rows[] = {
    {"SELECT 1", "", ""},
    {"SELECT * FROM B, a.C, \"D\", b", "D a.c b", ""},
    {"SELECT * FROM a JOIN b USING (x) WHERE EXISTS (SELECT FROM c) AND y IN (SELECT z FROM d)", "a b c d",
     ""},
    {"WITH x AS (SELECT * FROM a) SELECT * FROM x, b", "a b", ""},
    {"WITH x AS (SELECT * FROM x) SELECT * FROM x", "x", ""},
    {"WITH RECURSIVE x AS (SELECT 1 UNION SELECT * FROM x, y) SELECT * FROM x", "y", ""},
    {"SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) y, x", "x", ""},
    {"SELECT * FROM public.x, (WITH x AS (SELECT 1) SELECT * FROM x) y", "public.x", ""},
    {"WITH x AS (SELECT 1), y AS (SELECT * FROM x) SELECT * FROM y", "", ""},
    {"WITH y AS (SELECT * FROM x), x AS (SELECT 1) SELECT * FROM y, x", "x", ""},
    {"WITH t AS (SELECT 1) INSERT INTO t SELECT * FROM t", "t", ""},
    {"INSERT INTO a SELECT * FROM b ON CONFLICT DO NOTHING", "a b", ""},
    {"UPDATE a SET x = 1 FROM b", "a b", ""},
    {"DELETE FROM a USING b", "a b", ""},
    {"MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "a b", ""},
    {"SELECT * FROM a x FOR UPDATE OF x", "a", ""},
    {"COPY a TO STDOUT", "a", ""},
    {"COPY (SELECT * FROM a) TO STDOUT", "a", ""},
    {"COPY a FROM STDIN", "a", ""},
    {"TRUNCATE a, b.c", "a b.c", ""},
    {"LOCK TABLE a", "a", ""},
    {"CREATE TABLE a (x int REFERENCES b)", "a b", ""},
    {"DROP TABLE a, b.c", "a b.c", ""},
    {"EXPLAIN SELECT * FROM a", "a", ""},
    {"EXPLAIN ANALYZE SELECT * FROM a", "a", ""},
    {"DECLARE c CURSOR FOR SELECT * FROM a", "a", ""},
    {"SELECT * FROM a; SELECT * FROM b; SELECT * FROM a", "a b", ""},
    {"PREPARE p AS SELECT * FROM a", "", ""},
    {"SELECT lower(x), count(*), my.f(y), now() FROM a", "a", "count lower my.f now"},
    {"SELECT extract(year FROM x), trim(y) FROM g(1)", "", "btrim extract g"},
    {"SELECT max(a) OVER (ORDER BY f(b)) FROM generate_series(1, h()) x", "", "f generate_series h max"},
};

TEST_CASE("analyser: text → tables and functions") {
  Analyser analyser;
  for (const NameRow& row : name_rows) {
    CAPTURE(std::string(row.text));
    const auto facts = analyser.analyse(row.text).facts;
    CHECK(join(facts->tables) == row.tables);
    CHECK(join(facts->functions) == row.functions);
  }
}

TEST_CASE("analyser: PREPARE and EXECUTE → the inner facts, the name") {
  Analyser analyser;
  const auto prepare = analyser.analyse("PREPARE p AS DELETE FROM a").facts;
  REQUIRE(prepare->changes.size() == 1);
  REQUIRE(prepare->changes[0].prepared != nullptr);
  CHECK(prepare->changes[0].prepared->statement_class == StatementClass::write);
  CHECK(join(prepare->changes[0].prepared->tables) == "a");
  CHECK(analyser.analyse("EXECUTE P (1)").facts->executes == "p");
  CHECK(analyser.analyse("EXPLAIN ANALYZE EXECUTE p").facts->executes == "p");
  const auto create = analyser.analyse("CREATE TABLE t AS EXECUTE p").facts;
  CHECK(create->executes == "p");
  CHECK(create->statement_class == StatementClass::schema_change);
}

TEST_CASE("analyser: what is refused while others are connected to a database → told") {
  Analyser analyser;
  for (const char* text : {"CREATE DATABASE a", "DROP DATABASE IF EXISTS a", "ALTER DATABASE a RENAME TO b",
                           "ALTER DATABASE a SET TABLESPACE c", "SELECT 1; DROP DATABASE a"}) {
    CHECK(analyser.analyse(text).facts->wants_empty_database);
  }
  for (const char* text : {"DROP TABLE a", "ALTER TABLE a RENAME TO b", "ALTER DATABASE a OWNER TO b", "SELECT 1"}) {
    CHECK_FALSE(analyser.analyse(text).facts->wants_empty_database);
  }
}

TEST_CASE("analyser: what changes for later logins → whose") {
  Analyser analyser;
  const auto told = [&](const char* text) {
    std::string result;
    for (const LoginChange& each : analyser.analyse(text).facts->login_changes) result += each.role + "@" + each.database + " ";
    return result;
  };
  CHECK(told("CREATE ROLE A") == "a@ ");
  CHECK(told("CREATE USER \"B\" IN ROLE a") == "B@ ");
  CHECK(told("ALTER ROLE a NOLOGIN") == "a@ ");
  CHECK(told("ALTER USER a IN DATABASE d SET work_mem = '1MB'") == "a@d ");
  CHECK(told("ALTER ROLE ALL RESET ALL") == "@ ");
  CHECK(told("ALTER ROLE CURRENT_USER SET work_mem = '1MB'") == "@ ");
  CHECK(told("ALTER DATABASE d SET search_path = x") == "@d ");
  CHECK(told("DROP ROLE IF EXISTS a, b; DROP USER c") == "a@ b@ c@ ");
  CHECK(told("ALTER ROLE a RENAME TO b") == "a@ b@ ");
  CHECK(told("REVOKE CONNECT ON DATABASE d, e FROM a") == "@d @e ");
  for (const char* text : {"GRANT CONNECT ON DATABASE d TO a", "REVOKE ALL ON t FROM a", "ALTER TABLE a RENAME TO b", "GRANT a TO b", "SELECT 1"}) {
    CHECK(told(text).empty());
  }
}

TEST_CASE("analyser: statements in a text → counted") {
  Analyser analyser;
  CHECK(analyser.analyse("").facts->statement_count == 0);
  CHECK(analyser.analyse(" ; ;").facts->statement_count == 0);
  CHECK(analyser.analyse("SELECT 1;").facts->statement_count == 1);
  CHECK(analyser.analyse("SELECT 1; ; SELECT 2").facts->statement_count == 2);
}

}  // namespace
}  // namespace protocol::postgres
