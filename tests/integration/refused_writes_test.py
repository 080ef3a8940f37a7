"""A session that is tied to the side which its writes do not belong to: it reads there, and no write of its ever runs there."""

import psycopg2

import proxy
from through import Through, side_of
from waiting import until
from wire import SYNC, Wire, bind, execute, parse, query

MODES = ("by_session", "by_transaction")
# What ties a session to green, inside a transaction declared READ ONLY: (the statement, the pin, what ends it).
TIES = {
    "a lock": ("SELECT pg_advisory_lock(61)", "advisory_lock", "SELECT pg_advisory_unlock(61)"),
    "a lock, all": ("SELECT pg_advisory_lock_shared(62)", "advisory_lock", "SELECT pg_catalog.pg_advisory_unlock_all()"),
    "a cursor": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "hold_cursor", "CLOSE held"),
    "a cursor, DISCARD ALL": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "hold_cursor", "DISCARD ALL"),
}
WRITES = ("INSERT INTO log VALUES ('refused')", "CREATE TABLE refused (a int)", "SELECT touch()", "TRUNCATE log", "SELECT nextval('notes_id_seq')",
          "SELECT * FROM items WHERE id = 1 FOR UPDATE", "CREATE TEMP TABLE refused (a int)", "SELECT pg_advisory_lock(64)",
          "BEGIN; INSERT INTO log VALUES ('refused'); COMMIT", "DO $$BEGIN INSERT INTO log VALUES ('refused'); END$$", "COPY log FROM STDIN",
          "WITH gone AS (DELETE FROM log RETURNING 1) SELECT count(*) FROM gone")


class RefusedWrites(Through):
    @classmethod
    def settings(cls):
        pools = {"by_session": {"mode": "session"}, "by_transaction": {"mode": "transaction", "size": 4}}
        pairs = {mode: proxy.pair(pool=pool) for mode, pool in pools.items()}
        return {**proxy.configuration(), "workers": 1, "pairs": pairs}

    def setUp(self):
        super().setUp()
        for cluster in self.house.both:
            cluster.query("TRUNCATE log")

    def tie(self, mode, name):
        """A session that is tied to green while writes belong to blue."""
        making, reason, _ = TIES[name]
        self.proxy.shift(100, pair_name=mode)
        connection = self.connect(pair_name=mode)
        self.assert_side(connection, "green")
        self.query(connection, "BEGIN READ ONLY")
        self.assert_side(connection, "green")
        self.query(connection, making)
        self.query(connection, "COMMIT")
        until(lambda: self.proxy.status(mode)["pinned"].get(reason) == 1, f"pinned by {reason}")
        return connection

    def tied_wire(self, mode, key):
        """The same by a lock, for what no driver sends."""
        self.proxy.shift(100, pair_name=mode)
        wire = Wire(self.proxy.address(mode))
        wire.log_in()
        for text in ("BEGIN READ ONLY", "SELECT name FROM side", f"SELECT pg_advisory_lock({key})", "COMMIT"):
            wire.ask(text)
        return wire

    def lines(self):
        return [[line for line, in cluster.query("SELECT line FROM log")] for cluster in self.house.both]

    def assert_refused(self, connection, text, reason):
        with self.assertRaises(psycopg2.Error, msg=text) as refused:
            self.query(connection, text)
        self.assertEqual(refused.exception.pgcode, "25006", f"{text}: {refused.exception}")
        self.assertIn(reason, refused.exception.diag.message_primary)
        self.assertIn("tied until", refused.exception.diag.message_hint)

    def test_each(self):
        """each tie and each kind of write → 25006 that names the pin, nothing runs; reads stay; what ends it ends it, and writes go to blue"""
        for mode in MODES:
            for name, (_, reason, ending) in TIES.items():
                with self.subTest(mode=mode, tie=name):
                    connection = self.tie(mode, name)
                    for text in WRITES if name == "a lock" else WRITES[:1]:
                        self.assert_refused(connection, text, reason)
                        self.assert_side(connection, "green")
                    self.assertEqual(self.lines(), [[], []])
                    self.query(connection, ending)
                    self.query(connection, "INSERT INTO log VALUES ('after')")
                    self.assertEqual(self.lines(), [["after"], []])
                    self.house.blue.query("TRUNCATE log")
                    connection.close()

    def test_transaction(self):
        """a write inside a transaction that began on green → refused, the transaction has failed as for any error, and is rolled back"""
        for mode in MODES:
            with self.subTest(mode=mode):
                connection = self.tie(mode, "a lock")
                self.query(connection, "BEGIN")
                self.assert_side(connection, "green")
                self.assert_refused(connection, "INSERT INTO log VALUES ('refused')", "advisory_lock")
                with self.assertRaises(psycopg2.errors.InFailedSqlTransaction):
                    self.query(connection, "INSERT INTO log VALUES ('refused')")
                self.query(connection, "ROLLBACK")
                self.query(connection, "BEGIN")
                self.query(connection, "SAVEPOINT a")
                self.assert_refused(connection, "DELETE FROM log", "advisory_lock")
                self.query(connection, "ROLLBACK TO a")
                self.assert_side(connection, "green")
                self.query(connection, "COMMIT")
                self.query(connection, "BEGIN READ ONLY")  # there the server says it by itself, and a function may be called
                self.assertEqual(self.value(connection, "SELECT count(random())"), 1)
                self.query(connection, "COMMIT")
                self.query(connection, "SELECT pg_advisory_unlock(61)")
                connection.close()

    def test_unlocked_in_a_pipeline(self):
        """the lock is given back and a write follows without waiting → the answer is awaited, and it runs on blue"""
        for mode in MODES:
            with self.subTest(mode=mode), self.tied_wire(mode, 65) as wire:
                wire.send(query("SELECT pg_advisory_unlock(65)"), query("INSERT INTO log VALUES ('after')"))
                wire.read_until("Z")
                self.assertEqual([each.kind for each in wire.read_until("Z")], ["C", "Z"])
                self.assertEqual(self.lines()[1], [])

    def test_ended_before_a_transaction(self):
        """what ties the session ends, and a transaction that writes begins at once → it runs on blue as a whole"""
        for mode in MODES:
            for name in ("a cursor", "a lock"):
                with self.subTest(mode=mode, tie=name):
                    connection = self.tie(mode, name)
                    for text in (TIES[name][2], "BEGIN", "INSERT INTO log VALUES ('after')", "COMMIT"):
                        self.query(connection, text)
                    self.assertEqual(self.lines(), [["after"], []])
                    self.house.blue.query("TRUNCATE log")
                    connection.close()

    def test_extended(self):
        """by the extended protocol, prepared or not, with Flush, in a pipeline → the write alone is refused, and what follows it is skipped"""
        for mode in MODES:
            with self.subTest(mode=mode), self.tied_wire(mode, 66) as wire:
                def kinds(*messages, ends=1):
                    wire.send(*messages)
                    replies = [each for _ in range(ends) for each in wire.read_until("Z")]
                    return [each.fields["C"] if each.kind == "E" else each.kind for each in replies]

                run_write = parse("", "INSERT INTO log VALUES ($1)") + bind("", "", [b"refused"]) + execute()
                run_read = parse("", "SELECT name FROM side") + bind() + execute()
                flush = b"H\0\0\0\4"
                self.assertEqual(kinds(run_write, SYNC), ["1", "25006", "Z"])
                self.assertEqual(kinds(run_read, run_write, run_read, SYNC, run_read, SYNC, ends=2),
                                 ["1", "2", "D", "C", "1", "25006", "Z", "1", "2", "D", "C", "Z"])
                self.assertEqual(kinds(run_read, flush, run_read, SYNC), ["1", "2", "D", "C"] * 2 + ["Z"])
                self.assertEqual(kinds(run_read, flush, run_write, run_read, SYNC), ["1", "2", "D", "C", "1", "25006", "Z"])
                self.assertEqual(kinds(parse("w", "INSERT INTO log VALUES ('refused')"), SYNC), ["1", "Z"])
                self.assertEqual(kinds(bind("", "w"), execute(), SYNC), ["25006", "Z"])
                self.assertEqual(kinds(query("BEGIN"), bind("", "w"), execute(), SYNC, query("ROLLBACK"), ends=3),
                                 ["C", "Z", "25006", "Z", "C", "Z"])
                large = bind("", "", [b"x" * 300_000])
                self.assertEqual(kinds(parse("", "INSERT INTO log VALUES ($1)"), large, execute(), SYNC, run_read, SYNC, ends=2),
                                 ["1", "25006", "Z", "1", "2", "D", "C", "Z"])
                self.assertEqual(kinds(query("SELECT pg_advisory_unlock(66)")), ["T", "D", "C", "Z"])
                self.assertEqual(kinds(run_write, SYNC), ["1", "2", "C", "Z"])
                self.assertEqual(self.lines(), [["refused"], []])
                self.house.blue.query("TRUNCATE log")

    def test_listen(self):
        """LISTEN inside a transaction declared READ ONLY on green → it ties no write: those go to blue, autocommitted or not"""
        for mode in MODES:
            with self.subTest(mode=mode):
                self.proxy.shift(100, pair_name=mode)
                connection = self.connect(pair_name=mode)
                for text in ("BEGIN READ ONLY", "SELECT name FROM side", "LISTEN bell", "COMMIT", "INSERT INTO log VALUES ('first')",
                             "BEGIN", "INSERT INTO log VALUES ('second')", "COMMIT"):
                    self.query(connection, text)
                self.assert_side(connection, "green")
                self.assertEqual(self.lines(), [["first", "second"], []])
                self.house.blue.query("TRUNCATE log")
                connection.close()

    def test_sequence_value(self):
        """currval in vain inside a transaction declared READ ONLY on green → it does not keep the session there"""
        for mode in MODES:
            with self.subTest(mode=mode):
                self.proxy.shift(100, pair_name=mode)
                connection = self.connect(pair_name=mode)
                self.query(connection, "BEGIN READ ONLY")
                self.assert_side(connection, "green")
                with self.assertRaises(psycopg2.errors.ObjectNotInPrerequisiteState):
                    self.query(connection, "SELECT lastval()")
                self.query(connection, "ROLLBACK")
                self.assertEqual(side_of(connection), "green")
                self.query(connection, "INSERT INTO notes (body) VALUES (%s)", (mode,))
                self.assertEqual(len(self.house.blue.query("SELECT id FROM notes WHERE body = %s", (mode,))), 1)
                self.assertEqual(self.house.green.query("SELECT id FROM notes WHERE body = %s", (mode,)), [])
                self.assertGreater(self.value(connection, "SELECT lastval()"), 0)
                self.house.blue.query("TRUNCATE notes")
                connection.close()
