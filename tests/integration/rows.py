"""Conversations for rows_test: by row of the lists in tests/protocol/postgres/README.md, steps of (what is sent, up to what is read).

Up to: so many ReadyForQuery, or a message of that kind, or the end of the connection (None)."""

import struct

from wire import FLUSH, SYNC, TERMINATE, bind, close, describe, execute, message, parse, query

TABLES = "CREATE TABLE row_test (a int, b text); CREATE TABLE row_plan (a int); CREATE SEQUENCE row_sequence"
TABLE = (query("TRUNCATE row_test"), 1)
COUNT = (query("SELECT count(*) FROM row_test"), 1)
COPY = "COPY row_test FROM STDIN"
DONE = message("c")


def data(words):
    return message("d", words)


def run(words):
    return parse("", words) + bind() + describe("P") + execute()


def asked(*texts):
    return [(query(each), 1) for each in texts]


def formatted(statement, value, parameters, results):
    counts = [struct.pack(f"!h{len(each)}h", len(each), *each) for each in (parameters, results)]
    return message("B", b"\0" + statement.encode() + b"\0" + counts[0] + struct.pack("!hi", 1, len(value)) + value + counts[1])


def call(function, *values):
    packed = b"".join(struct.pack("!i", len(each)) + each for each in values)
    return message("F", struct.pack("!ihh", function, 0, len(values)) + packed + b"\0\0")


ROWS = {
    "A1 error inside a pipeline": [
        (run("SELECT 1") + run("SELECT 1/0") + query("SELECT 5") + run("SELECT 6") + FLUSH + SYNC + run("SELECT 7") + SYNC, 2),
        (parse("x", "SELECT $1::int") + bind("", "x", [b"z"]) + describe("S", "x") + close("S", "x") + SYNC, 1),
        (bind("", "x", [b"3"]) + execute() + SYNC, 1)],
    "A2 several Syncs in flight": [
        (b"".join(run(f"SELECT {i}") + SYNC for i in range(40)) + SYNC * 5 + query("SELECT 9") + SYNC, 47)],
    "A3 Flush without Sync": [
        (parse("s", "SELECT $1::int") + describe("S", "s") + FLUSH, "T"), (bind("", "s", [b"4"]) + FLUSH, "2"),
        (describe("P") + execute() + FLUSH, "C"), (SYNC, 1), (run("SELECT 1/0") + FLUSH, "E"), (run("SELECT 3") + FLUSH + SYNC, 1)],
    "A4 one implicit transaction": [
        TABLE, (run("INSERT INTO row_test VALUES (1)") + run("SELECT 1/0") + SYNC, 1), COUNT,
        *asked("INSERT INTO row_test VALUES (2); SELECT 1/0"), COUNT,
        *asked("INSERT INTO row_test VALUES (3); BEGIN; INSERT INTO row_test VALUES (4); COMMIT; INSERT INTO row_test VALUES (5); SELECT 1/0"),
        COUNT, (run("INSERT INTO row_test VALUES (2)") + query("SELECT 1/0") + run("SELECT 4") + SYNC, 2), COUNT,
        (run("BEGIN") + run("SELECT 1") + SYNC, 1), (run("SELECT 2") + SYNC + run("COMMIT") + SYNC, 2),
        (run("BEGIN") + run("COMMIT") + run("BEGIN") + SYNC + query("ROLLBACK"), 2)],
    "A5 COPY: Sync and Flush inside, pieces": [
        TABLE, (query(COPY), "G"), (data(b"1\ta\n") + SYNC + FLUSH + data(b"2") + data(b"") + data(b"\tb\n") + DONE, 1), COUNT],
    "A5 COPY: refused, failed by the client": [
        TABLE, (query(COPY) + data(b"x\ta\n") + data(b"2\tb\n") + DONE, 1), COUNT, (query(COPY), "G"),
        (data(b"1\ta\n") + message("f", b"no more\0"), 1), COUNT,
        *asked("BEGIN"), (query(COPY), "G"), (message("f", b"x\0"), 1), *asked("SELECT 1", "COMMIT")],
    "A5 COPY: by messages": [
        TABLE, (run(COPY) + SYNC, "G"), (data(b"1\ta\n") + DONE + SYNC, 1),
        (run(COPY) + data(b"1\ta\n") + DONE + SYNC + query("SELECT * FROM row_test"), 2),
        (run(COPY) + SYNC + SYNC, "G"), (data(b"1\ta\n") + SYNC + DONE + SYNC, 1), COUNT],
    "A5 COPY: by messages, bad data, late data": [
        TABLE, (run(COPY) + FLUSH, "G"), (data(b"x\n") * 10, "E"), (data(b"y\n") + DONE + SYNC, 1), COUNT,
        (run(COPY) + FLUSH, "G"), (message("f", b"stop\0") + SYNC, 1), COUNT],
    "A5 COPY: several in one text": [
        TABLE, (query(f"SELECT 1; {COPY}; SELECT 2; {COPY}; SELECT 3"), "G"), (data(b"1\ta\n") + DONE, "G"), (data(b"2\ta\n") + DONE, 1), COUNT],
    "A5 COPY: another message inside": [TABLE, (query(COPY), "G"), (query("SELECT 1"), None)],
    "A5 COPY TO STDOUT": [
        *asked("COPY (SELECT i, 'v' || i FROM generate_series(1, 5) i) TO STDOUT"), (run("COPY (SELECT 1) TO STDOUT") + SYNC, 1),
        *asked("COPY (SELECT 10 / (3 - i) FROM generate_series(1, 5) i) TO STDOUT",
               "COPY (SELECT 1) TO STDOUT; COPY (SELECT 2) TO STDOUT (FORMAT binary); SELECT 3")],
    "A5 data outside COPY": [
        (data(b"x") + DONE + message("f", b"a\0") + query("SELECT 1"), 1), (data(b"x") + run("SELECT 2") + data(b"y") + SYNC + DONE, 1), *asked("SELECT 3")],
    "A6 what ends an Execute": [
        *asked("", ";", "SELECT 1;;SELECT 2"), (run("") + SYNC, 1),
        (parse("p", "SELECT generate_series(1, 7)") + bind("c", "p") + execute("c", 3) + SYNC, 1), (execute("c", 3) + SYNC, 1),
        *asked("BEGIN"), (bind("c", "p") + execute("c", 3) + SYNC, 1), (execute("c", 3) + FLUSH, "s"), (execute("c", 3) * 2 + SYNC, 1),
        (close("P", "c") + execute("c") + SYNC, 1), *asked("ROLLBACK"), (execute("c") + SYNC, 1)],
    "A7 notices": asked("DO $$ BEGIN RAISE NOTICE 'n %', 1; RAISE WARNING 'w'; END $$", "SET client_min_messages = error",
                        "DO $$ BEGIN RAISE NOTICE 'n'; END $$"),
    "A8 FATAL inside a transaction": [*asked("SET idle_in_transaction_session_timeout = 100", "BEGIN"), (b"", None)],
    "A8 statement timeout": [
        *asked("SET statement_timeout = 100", "SELECT pg_sleep(5)"), (run("SELECT pg_sleep(5)") + run("SELECT 2") + SYNC, 1), *asked("SHOW statement_timeout")],
    "A9 SET and ROLLBACK": [
        *asked("BEGIN; SET application_name = 'x'; SET DateStyle = 'German'; ROLLBACK", "SHOW application_name; SHOW DateStyle", "BEGIN",
               "SET timezone = 'Asia/Tokyo'", "SAVEPOINT a", "SET timezone = 'Europe/Rome'; SET work_mem = '9MB'", "ROLLBACK TO a",
               "SHOW timezone; SHOW work_mem", "SET LOCAL intervalstyle = 'iso_8601'", "COMMIT", "SHOW timezone; SHOW intervalstyle"),
        (run("SET timezone = 'UTC'") + run("SELECT 1/0") + SYNC, 1),
        *asked("SHOW timezone", "SET timezone = 'UTC'; SELECT 1/0", "SHOW timezone", "RESET ALL", "SHOW timezone; SHOW application_name")],
    "A9 savepoints, COMMIT of what has failed, chains": asked(
        "BEGIN; SAVEPOINT a; SET work_mem = '7MB'; RELEASE a; SAVEPOINT b; SET work_mem = '8MB'; ROLLBACK TO b; COMMIT", "SHOW work_mem",
        "BEGIN; SET work_mem = '6MB'; PREPARE q AS SELECT 1; SELECT 1/0", "COMMIT", "EXECUTE q", "SHOW work_mem",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL work_mem = '5MB'", "COMMIT AND CHAIN", "SHOW transaction_isolation; SHOW work_mem", "ROLLBACK"),
    "A10 functions that change state": asked(
        "SELECT set_config('work_mem', '5MB', false), set_config('timezone', 'Asia/Tokyo', true)", "SHOW work_mem; SHOW timezone",
        "DO $$ BEGIN PERFORM set_config('application_name', 'dodo', false); EXECUTE 'SET enable_seqscan = off'; END $$",
        "SHOW application_name; SHOW enable_seqscan", "SET my.var = '1'", "SELECT current_setting('my.var'), current_setting('my.none', true)"),
    "A14 prepared names": [
        (parse("", "SELECT 41") + SYNC + bind() + execute() + SYNC, 2), *asked("SELECT 1"), (bind() + execute() + SYNC, 1),
        (parse("", "SELECT 42") + SYNC + parse("", "SELEC") + SYNC + bind() + execute() + SYNC, 3),
        (close("S", "nothing") + close("P", "nope") + SYNC, 1), (parse("n", "SELECT 1") + SYNC + parse("n", "SELECT 2") + SYNC, 2),
        (bind("", "n") + execute() + SYNC, 1), *asked("EXECUTE n", "DEALLOCATE n"), (bind("", "n") + execute() + SYNC, 1),
        (parse("n", "SELECT 3") + close("S", "n") + parse("n", "SELECT 4") + bind("", "n") + execute() + SYNC, 1), *asked("DISCARD ALL"),
        (bind("", "n") + execute() + SYNC, 1), *asked("PREPARE sq (int) AS SELECT $1 + 1"),
        (describe("S", "sq") + bind("", "sq", [b"7"]) + execute() + SYNC, 1), (parse("sq", "SELECT 1") + SYNC, 1)],
    "A14 names and transactions": [
        (parse("f", "SELECT nowhere") + bind("", "f") + SYNC, 1), (bind("", "f") + SYNC, 1), *asked("BEGIN"), (parse("t", "SELECT 1") + SYNC, 1), *asked("ROLLBACK"),
        (bind("", "t") + execute() + SYNC, 1), (run("SELECT 1/0") + parse("t2", "SELECT 2") + SYNC, 1), (bind("", "t2") + SYNC, 1),
        (parse("t3", "SELECT 3") + run("SELECT 1/0") + SYNC, 1), (bind("", "t3") + execute() + SYNC, 1), *asked("BEGIN", "SELECT 1/0"),
        (parse("u", "SELECT 2") + SYNC, 1), (parse("u", "ROLLBACK") + bind("", "u") + execute() + SYNC, 1), (bind("", "u") + execute() + SYNC, 1)],
    "A15 plan invalidation": [
        *asked("DROP TABLE row_plan; CREATE TABLE row_plan (a int); INSERT INTO row_plan VALUES (1)"),
        (parse("d", "SELECT * FROM row_plan") + describe("S", "d") + SYNC, 1), (bind("", "d") + execute() + SYNC, 1),
        *asked("ALTER TABLE row_plan ADD COLUMN b int DEFAULT 5"), (bind("", "d") + execute() + SYNC, 1), *asked("BEGIN"),
        (bind("", "d") + execute() + SYNC, 1), *asked("ROLLBACK"), (close("S", "d") + parse("d", "SELECT * FROM row_plan") + bind("", "d") + execute() + SYNC, 1)],
    "A17 format codes": [
        (parse("b", "SELECT 1::int, 'x'::text, $1::int") + describe("S", "b") + formatted("b", b"\0\0\0\x09", [1], [1]) + describe("P") + execute() + SYNC, 1),
        (formatted("b", b"9", [0], [0, 1, 1]) + describe("P") + execute() + SYNC, 1), (formatted("b", b"9", [0], [0, 1]) + SYNC, 1),
        (formatted("b", b"9", [0, 0], []) + SYNC, 1), (formatted("b", b"9", [7], []) + SYNC, 1)],
    "A19 malformed, and the session goes on": [
        (message("B", b"\0\0\0\5") + SYNC, 1), (message("D", b"X\0") + SYNC, 1), (message("C", b"X\0") + SYNC, 1), (message("E", b"\0\0") + SYNC, 1),
        (message("S", b"xx"), 1), (parse("", "SELECT $1::text") + bind("", "", [b"a\0b"]) + execute() + SYNC, 1), (message("Q", b"SELECT '\xff'\0"), 1),
        (message("B", b"\0\0" + struct.pack("!hhi", 0, 1, -5) + b"\0\0") + SYNC, 1), (message("F", b"\0\0\0\1"), 1), *asked("SELECT 2")],
    "A19 texts without their end, or with something behind it": [
        *[(message("Q", each), 1) for each in (b"SELECT 1", b"", b"SELECT 1\0x", b"\0\0", b"INSERT INTO row_test VALUES (1)\0\0")], COUNT,
        *[(message("P", each) + bind() + execute() + SYNC, 1)
          for each in (b"", b"s", b"s\0", b"s\0SELECT 1", b"\0SELECT 1\0", b"s\0SELECT 1\0\0", b"s\0SELECT 1\0\0\1", b"s\0SELECT 1\0\0\0x",
                       b"s\0SELECT 1\0\0\1\0\0\0\x17x", b"\0SELECT 1\0\xff\xff")],
        (message("P", b"s\0SELECT 1") + FLUSH, "E"), (query("SELECT 1") + SYNC, 1), (parse("s", "SELECT 3") + bind("", "s") + execute() + SYNC, 1),
        (message("P", b"s\0SELECT") + SYNC + bind("", "s") + execute() + SYNC, 2),
        *asked("BEGIN"), (message("Q", b"COMMIT"), 1), *asked("SELECT 1"), (message("Q", b"ROLLBACK"), 1), *asked("ROLLBACK", "BEGIN"),
        (message("P", b"\0COMMIT\0") + SYNC, 1), *asked("COMMIT", "SELECT 2")],
    "B1 FunctionCall": [
        (call(177, b"1", b"2"), 1), (call(999999), 1), (call(177, b"1"), 1), *asked("BEGIN"), (call(177, b"1", b"x"), 1), (call(177, b"1", b"1"), 1),
        *asked("ROLLBACK"), (run("SELECT 1") + call(177, b"1", b"2") + SYNC, 2)],
    "B1 Terminate": [(query("SELECT 1") + run("SELECT 2") + SYNC + TERMINATE, None)],
    "C1 cursors": [
        *asked("DECLARE c CURSOR FOR SELECT 1", "BEGIN", "DECLARE c SCROLL CURSOR FOR SELECT generate_series(1, 5)", "FETCH 2 FROM c", "MOVE BACKWARD 1 FROM c"),
        (describe("P", "c") + execute("c", 1) + SYNC, 1), *asked("COMMIT", "FETCH c", "DECLARE h CURSOR WITH HOLD FOR SELECT generate_series(1, 5)",
                                                                 "FETCH 2 FROM h", "SELECT 1", "FETCH 2 FROM h", "CLOSE h", "FETCH h")],
    "C1 temporary objects": asked(
        "CREATE TEMP TABLE tt (a int)", "INSERT INTO tt VALUES (1)", "SELECT a + 0 FROM tt", "DROP TABLE tt", "SELECT * FROM tt",
        "CREATE TEMP TABLE tt (a int) ON COMMIT DROP", "SELECT * FROM tt", "SELECT 1 AS z INTO TEMP t5", "SELECT z + 0 FROM t5", "DISCARD TEMP", "SELECT * FROM t5"),
    "C1 role and session authorization": asked(
        "SET ROLE app_trust", "SELECT current_user, session_user", "RESET ROLE", "SET SESSION AUTHORIZATION app_md5", "SELECT current_user, session_user",
        "SHOW is_superuser", "RESET SESSION AUTHORIZATION", "SELECT current_user", "SET ROLE nobody_there", "BEGIN; SET LOCAL ROLE app_trust; SELECT current_user; COMMIT",
        "SELECT current_user", "BEGIN; SET SESSION AUTHORIZATION app_md5; ROLLBACK; SELECT current_user"),
    "C1 SESSION CHARACTERISTICS": asked(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL REPEATABLE READ", "SHOW transaction_isolation", "CREATE TABLE refused (a int)",
        "BEGIN READ WRITE", "SHOW transaction_read_only", "ROLLBACK"),
    "C1 advisory locks": asked("SELECT pg_advisory_lock(77)", "SELECT pg_try_advisory_lock(77)", *["SELECT pg_advisory_unlock(77)"] * 3),
    "C1 sequences, seed": asked(
        "ALTER SEQUENCE row_sequence RESTART", "SELECT currval('row_sequence')", "SELECT nextval('row_sequence')",
        "SELECT currval('row_sequence'), lastval()", "DISCARD SEQUENCES", "SELECT lastval()", "SELECT setseed(0.5)", "SELECT random()", "SELECT random()"),
    "C1 LISTEN": asked("LISTEN bell", "SELECT pg_listening_channels()", "BEGIN; LISTEN other; ROLLBACK", "SELECT pg_listening_channels()", "UNLISTEN *",
                       "SELECT pg_listening_channels()"),
    "C1 two phases, constraints, large objects": asked(
        "BEGIN", "PREPARE TRANSACTION 'row'", "SELECT 1", "ROLLBACK PREPARED 'row'", "COMMIT PREPARED 'row'", "SET CONSTRAINTS ALL DEFERRED",
        "BEGIN; SET CONSTRAINTS ALL DEFERRED; COMMIT", "BEGIN", "SELECT lo_creat(-1) > 0", "ROLLBACK"),
    "C1 encodings": [
        *asked("SET client_encoding = 'LATIN1'"), (message("Q", b"SELECT '\xe4'\0"), 1), *asked("SET client_encoding = 'SJIS'", "SELECT 1", "RESET client_encoding")],
    "C1 search_path, row_security, DISCARD ALL": asked(
        "SET search_path = pg_catalog, public", "SELECT current_schemas(true)", "SET search_path TO DEFAULT", "SHOW search_path", "SET row_security = off",
        "BEGIN", "DISCARD ALL", "ROLLBACK", "SELECT 1; DISCARD ALL", "DISCARD PLANS", "DISCARD ALL", "SHOW row_security"),
}
