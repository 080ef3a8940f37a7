"""The state of a session, kind by kind: what a client is told is what one server would have told it.

Each script runs twice, straight to blue and through Crossfade. There, before every statement, the reads move to the other
side, and another client of the same user takes hold of whatever connections it can and changes their state.
"""

import struct

from clusters import house
from through import Through
from wire import SYNC, Wire, bind, describe, execute, parse, query

SCRIPTS = {
    "open transaction, failed transaction": (
        "BEGIN", "INSERT INTO log VALUES ('open')", "SELECT count(*) > 0 FROM log", "SELECT 1/0", "SELECT 1", "COMMIT", "SELECT 2",
        "BEGIN READ ONLY", "SELECT count(*) FROM items", "INSERT INTO log VALUES ('x')", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK"),
    "settings that are reported": (
        "SET DateStyle = 'German'", "SELECT '2024-01-02'::date", "BEGIN", "SET DateStyle = 'SQL'", "SELECT '2024-01-02'::date", "ROLLBACK",
        "SELECT '2024-01-02'::date", "SET TimeZone = 'Asia/Tokyo'", "SELECT current_setting('TimeZone')", "SET IntervalStyle = 'iso_8601'",
        "SELECT '1 day 2 hours'::interval", "RESET IntervalStyle", "SELECT '1 day 2 hours'::interval", "SET application_name = 'it''s'",
        "SELECT current_setting('application_name')", "SET client_encoding = 'LATIN1'", "SELECT chr(233)", "RESET client_encoding",
        "SELECT chr(233)", "SET standard_conforming_strings = off", "SELECT length('a\\\\b')", "RESET ALL", "SELECT current_setting('DateStyle')"),
    "settings that are not reported": (
        "SET work_mem = '9MB'", "SELECT current_setting('work_mem')", "SET statement_timeout TO 70000", "SET row_security = off",
        "SET app.tenant = 'a''b'", "SELECT current_setting('statement_timeout'), current_setting('row_security'), current_setting('app.tenant')",
        "SELECT set_config('work_mem', '10MB', false)", "SELECT current_setting('work_mem')", "SET work_mem TO DEFAULT",
        "SELECT current_setting('work_mem')", "SET search_path TO pg_catalog, public", "SELECT current_schemas(false)",
        "SET work_mem = 'nonsense'", "SELECT set_twice('11MB', '12MB')", "SELECT current_setting('work_mem')", "RESET work_mem",
        "SELECT current_setting('work_mem'), current_setting('statement_timeout')"),
    "a routine with a SET clause, a DO block that sets": (
        "SELECT with_clause()", "SELECT current_setting('work_mem')", "DO $$BEGIN SET work_mem = '13MB'; END$$",
        "SELECT current_setting('work_mem')", "CALL set_in_procedure('14MB')", "SELECT current_setting('work_mem')"),
    "SET LOCAL, transaction characteristics": (
        "BEGIN", "SET LOCAL work_mem = '11MB'", "SELECT current_setting('work_mem')", "COMMIT", "SELECT current_setting('work_mem')",
        "SET LOCAL work_mem = '11MB'", "SELECT current_setting('work_mem')", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
        "SELECT current_setting('transaction_isolation'), current_setting('transaction_deferrable')", "COMMIT",
        "SELECT current_setting('transaction_isolation')", "BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SELECT current_setting('transaction_isolation')", "COMMIT", "SET TRANSACTION READ ONLY", "SELECT current_setting('transaction_read_only')"),
    "SET SESSION CHARACTERISTICS": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, DEFERRABLE", "SELECT current_setting('transaction_isolation')",
        "SELECT current_setting('default_transaction_isolation'), current_setting('default_transaction_deferrable')",
        "BEGIN", "SELECT current_setting('transaction_isolation')", "ROLLBACK", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "INSERT INTO log VALUES ('x')", "SELECT current_setting('transaction_read_only')", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "INSERT INTO log VALUES ('x')", "RESET default_transaction_isolation", "SELECT current_setting('transaction_isolation')"),
    "savepoints": (
        "BEGIN", "SET work_mem = '9MB'", "SAVEPOINT a", "SET work_mem = '10MB'", "SAVEPOINT b", "SET TimeZone = 'Asia/Tokyo'", "RELEASE b",
        "ROLLBACK TO a", "SELECT current_setting('work_mem'), current_setting('TimeZone')", "SELECT 1/0", "ROLLBACK TO a", "COMMIT",
        "SELECT current_setting('work_mem'), current_setting('TimeZone')"),
    "SET ROLE, SET SESSION AUTHORIZATION": (
        "SET ROLE app_trust", "SELECT current_user, session_user", "SET ROLE NONE", "SELECT current_user", "SET SESSION AUTHORIZATION app_md5",
        "SELECT current_user, session_user", "SET ROLE app_trust", "SET SESSION AUTHORIZATION DEFAULT", "SELECT current_user, session_user",
        "BEGIN", "SET LOCAL ROLE app_trust", "SELECT current_user", "COMMIT", "SELECT current_user", "SET ROLE app_trust", "RESET ALL",
        "SELECT current_user", "RESET ROLE", "SELECT current_user", "SET ROLE nobody_of_that_name"),
    "PREPARE, EXECUTE, DEALLOCATE": (
        "PREPARE pick (int) AS SELECT name FROM items WHERE id = $1", "EXECUTE pick (3)", "PREPARE pick AS SELECT 1", "BEGIN", "PREPARE more AS SELECT 5",
        "ROLLBACK", "EXECUTE more", "DEALLOCATE more", "EXECUTE more", "DEALLOCATE ALL", "EXECUTE pick (3)"),
    "cursor in a transaction": (
        "BEGIN", "DECLARE c SCROLL CURSOR FOR SELECT id FROM items ORDER BY id", "FETCH 2 FROM c", "MOVE 3 IN c", "FETCH BACKWARD 1 FROM c", "CLOSE c",
        "FETCH 1 FROM c", "ROLLBACK", "DECLARE d CURSOR FOR SELECT 1"),
    "cursor WITH HOLD": (
        "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY id", "FETCH 2 FROM c", "SELECT 1", "FETCH 2 FROM c", "CLOSE c", "FETCH 1 FROM c",
        "BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT 7", "COMMIT", "SELECT 1", "FETCH 1 FROM c", "CLOSE ALL", "SELECT name FROM pg_cursors"),
    "LISTEN and UNLISTEN": (
        "LISTEN bell", "SELECT 1", "SELECT * FROM pg_listening_channels()", "NOTIFY bell, 'x'", "UNLISTEN bell", "SELECT count(*) FROM pg_listening_channels()",
        "NOTIFY bell, 'y'", "BEGIN", "LISTEN gong", "ROLLBACK", "NOTIFY gong", "LISTEN gong", "BEGIN", "UNLISTEN *", "ROLLBACK", "NOTIFY gong, 'z'"),
    "session advisory lock": (
        "SELECT pg_advisory_lock(61)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        "SELECT pg_try_advisory_lock(61)", "SELECT pg_advisory_unlock(61)", "SELECT 1", "SELECT pg_advisory_unlock(61)", "SELECT 1",
        "SELECT pg_advisory_unlock(61)", "BEGIN", "SELECT pg_advisory_lock(62)", "ROLLBACK", "SELECT 1",
        "SELECT pg_advisory_unlock(62)", "SELECT 1", "SELECT pg_advisory_unlock_all()"),
    "temporary objects": (
        "CREATE TEMP TABLE t (a int)", "INSERT INTO t VALUES (1), (2)", "SELECT sum(a) FROM t", "CREATE TEMP VIEW v AS SELECT a * 2 AS b FROM t",
        "SELECT sum(b) FROM v", "DROP TABLE t CASCADE", "SELECT sum(a) FROM t", "BEGIN", "CREATE TEMP TABLE t (a int) ON COMMIT DROP", "SELECT count(*) FROM t",
        "COMMIT", "SELECT count(*) FROM t", "CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS", "INSERT INTO t VALUES (1)", "SELECT count(*) FROM t",
        "CREATE TEMP SEQUENCE s", "SELECT nextval('s')", "DISCARD TEMP", "SELECT count(*) FROM t", "BEGIN", "CREATE TEMP TABLE t (a int)", "ROLLBACK",
        "SELECT count(*) FROM t", "SELECT 3 AS a INTO TEMP t", "SELECT a FROM t", "DROP TABLE t", "SELECT 1"),
    "currval and lastval": (
        "SELECT currval('state_seq')", "SELECT setval('state_seq', 100)", "SELECT nextval('state_seq')", "SELECT 1", "SELECT currval('state_seq')",
        "SELECT lastval()", "DISCARD SEQUENCES", "SELECT lastval()", "SELECT nextval('state_seq')", "SELECT lastval()"),
    "setseed": ("SELECT setseed(0.25)", "SELECT 1", "SELECT random()", "SELECT 1", "SELECT random()", "SET seed TO 0.5", "SELECT random()"),
    "LOAD of a library": ("LOAD 'auto_explain'", "SELECT current_setting('auto_explain.log_min_duration')", "SELECT 1",
                          "SELECT current_setting('auto_explain.log_min_duration')", "LOAD 'no_such_library'"),
    "large object descriptors": (
        "BEGIN", "SELECT lo_create(4711)", "SELECT lo_open(4711, 131072)", "SELECT lowrite(0, 'abc')", "SELECT lo_close(0)", "SELECT lo_get(4711)",
        "ROLLBACK", "SELECT lo_close(0)"),
    "exported snapshot": ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT pg_export_snapshot() IS NOT NULL", "SELECT count(*) FROM items", "COMMIT",
                          "BEGIN ISOLATION LEVEL REPEATABLE READ", "SET TRANSACTION SNAPSHOT '00000000-00000000-1'", "ROLLBACK"),
    "PREPARE TRANSACTION": (
        "BEGIN", "INSERT INTO log VALUES ('two-phase')", "SET work_mem = '15MB'", "PREPARE TRANSACTION 'state'", "SELECT current_setting('work_mem')",
        "SELECT gid FROM pg_prepared_xacts WHERE gid = 'state'", "COMMIT PREPARED 'state'", "SELECT count(*) FROM pg_prepared_xacts WHERE gid = 'state'",
        "COMMIT PREPARED 'state'", "BEGIN", "CREATE TEMP TABLE t (a int)", "PREPARE TRANSACTION 'state'", "SELECT 1"),
    "SET CONSTRAINTS": (
        "BEGIN", "SET CONSTRAINTS ALL DEFERRED", "INSERT INTO state_child VALUES (99)", "SELECT count(*) FROM state_child", "COMMIT",
        "INSERT INTO state_child VALUES (99)", "SET CONSTRAINTS ALL DEFERRED", "INSERT INTO state_child VALUES (99)"),
    "client_min_messages": (
        "DO $$BEGIN RAISE NOTICE 'heard'; END$$", "SET client_min_messages = 'error'", "SELECT 1", "DO $$BEGIN RAISE NOTICE 'not heard'; END$$",
        "RESET client_min_messages", "DO $$BEGIN RAISE NOTICE 'heard again'; END$$"),
    "DISCARD": (
        "SET work_mem = '9MB'", "SET TimeZone = 'Asia/Tokyo'", "PREPARE p AS SELECT 1", "CREATE TEMP TABLE t (a int)", "SELECT pg_advisory_lock(63)",
        "LISTEN bell", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SET ROLE app_trust", "DISCARD PLANS", "EXECUTE p", "DISCARD ALL",
        "SELECT current_setting('work_mem'), current_setting('TimeZone'), current_user", "EXECUTE p", "SELECT * FROM t", "FETCH 1 FROM c",
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "SELECT count(*) FROM pg_listening_channels()",
        "BEGIN", "DISCARD ALL", "ROLLBACK"),
    "settings of a role and a database": (
        "SELECT current_setting('work_mem'), current_setting('app.kind', true)", "SET work_mem = '9MB'", "SELECT current_setting('work_mem')", "RESET work_mem",
        "SELECT current_setting('work_mem')", "DISCARD ALL", "SELECT current_setting('work_mem')"),
}
SCHEMA = """
CREATE SEQUENCE IF NOT EXISTS state_seq;
CREATE TABLE IF NOT EXISTS state_parent (id int PRIMARY KEY);
CREATE TABLE IF NOT EXISTS state_child (id int REFERENCES state_parent DEFERRABLE);
CREATE OR REPLACE FUNCTION set_twice(text, text) RETURNS void LANGUAGE plpgsql AS
  $$BEGIN PERFORM set_config('work_mem', $1, false); PERFORM set_config('work_mem', $2, false); END$$;
CREATE OR REPLACE FUNCTION with_clause() RETURNS text LANGUAGE plpgsql SET work_mem = '1MB' AS $$BEGIN RETURN current_setting('work_mem'); END$$;
CREATE OR REPLACE PROCEDURE set_in_procedure(text) LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('work_mem', $1, false); END$$;
ALTER ROLE app_trust IN DATABASE shop SET work_mem = '3MB';
ALTER ROLE app_trust IN DATABASE shop SET app.kind = 'role''s';
"""


def columns(body):
    """Names and types; the numbers of tables are each cluster's own. Source: PostgreSQL 15 manual 55.7, RowDescription."""
    found, offset = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        end = body.index(b"\0", offset)
        found.append((body[offset:end], body[end + 7 : end + 19]))
        offset = end + 19
    return found


def told(messages):
    """What a client makes of replies: kinds, rows, tags, codes, settings, notifications."""
    heard = []
    for each in messages:
        if each.kind in "EN":
            heard.append((each.kind, each.fields["C"], each.fields["M"]))
        elif each.kind == "A":
            heard.append((each.kind, each.body[4:]))
        elif each.kind == "T":
            heard.append((each.kind, columns(each.body)))
        else:
            heard.append((each.kind, each.body))
    return heard


def run_simple(wire, text):
    wire.send(query(text))
    return wire.read_until("Z")


def run_extended(wire, text):
    wire.send(parse("", text), bind(), describe("P"), execute(), SYNC)
    return wire.read_until("Z")


class State(Through):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for cluster in cls.house.both:
            cluster.query(SCHEMA)
            cls.addClassCleanup(cluster.query, "ALTER ROLE app_trust IN DATABASE shop RESET ALL")

    def log_in(self, address, **parameters):
        wire = Wire(address)
        self.addCleanup(wire.close)
        wire.log_in(**parameters)
        return wire

    def disturb(self, wire):
        """Takes hold of connections of the same pool and leaves something behind."""
        for text in ("SET work_mem = '64kB'", "SET TimeZone = 'America/New_York'", "SELECT nextval('notes_id_seq')", "SELECT name FROM side"):
            wire.ask(text)

    def compare(self, name, script, run):
        user = "app_trust" if "role and a database" in name else "postgres"
        direct = self.log_in(("127.0.0.1", house().blue.port), user=user)
        through, other = self.log_in(self.proxy.address(), user=user), self.log_in(self.proxy.address(), user=user)
        wanted = [told(run(direct, text)) for text in script]
        direct.close()
        for i, text in enumerate(script):
            self.proxy.shift(100 - i % 2 * 100)
            self.disturb(other)
            self.assertEqual(told(run(through, text)), wanted[i], f"{text} (statement {i + 1})")
        through.close()
        other.close()

    def test_options_of_the_startup_message(self):
        """start-up parameters, options, user and database → in force on both sides, and what RESET returns to"""
        options = {"options": "-c work_mem=7MB --statement_timeout=70s -c app.x=a\\ b\\\\c", "DateStyle": "German", "application_name": "é"}
        text = ("SELECT current_setting('work_mem'), current_setting('statement_timeout'), current_setting('app.x'), "
                "current_setting('DateStyle'), current_setting('application_name'), current_user, current_database()")
        direct = self.log_in(("127.0.0.1", house().blue.port), **options)
        through = self.log_in(self.proxy.address(), **options)
        wanted = direct.rows(text)
        for i, change in enumerate(("SELECT 1", "SET work_mem = '8MB'", "RESET work_mem", "SET DateStyle = 'SQL'", "RESET ALL", "DISCARD ALL")):
            for wire in (direct, through):
                wire.ask(change)
            wanted = direct.rows(text)
            for green in (0, 100):
                self.proxy.shift(green)
                self.assertEqual(through.rows(text), wanted, (i, change))
        for name in ("DateStyle", "application_name", "server_version", "session_authorization"):
            self.assertEqual(through.parameters[name], direct.parameters[name])


def add_cases():
    for name, script in SCRIPTS.items():
        for way, run in (("simple", run_simple), ("extended", run_extended)):
            def case(self, name=name, script=script, run=run):
                self.compare(name, script, run)
            case.__doc__ = f"{name}, {way} query → the client is told what the server alone would tell"
            setattr(State, "test_" + "".join(c if c.isalnum() else "_" for c in name) + "_" + way, case)


add_cases()
