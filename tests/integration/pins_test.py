"""State that cannot be carried keeps a session on its side, visibly, until it is gone."""

import re

from through import Through, side_of
from waiting import until
from wire import Wire, query

PINNING = {
    "temporary table": ("CREATE TEMP TABLE scratch AS SELECT 1 AS a", "SELECT a FROM scratch", "temporary_object"),
    "SELECT INTO TEMP": ("SELECT 1 AS a INTO TEMP scratch", "SELECT a FROM scratch", "temporary_object"),
    "advisory lock": ("SELECT pg_advisory_lock(42)", "SELECT 1", "advisory_lock"),
    "PREPARE in a block of code": ("DO $$BEGIN EXECUTE 'PREPARE p AS SELECT 1'; END$$", "EXECUTE p", "untracked_state"),
    "temporary table made by a function": ("SELECT make_scratch()", "SELECT a FROM scratch", "temporary_object"),
    "session lock taken by a function": ("SELECT take_lock(45)", "SELECT 1", "advisory_lock"),
    "cursor WITH HOLD": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "FETCH 1 FROM held", "hold_cursor"),
}


# How each cause ends: (what makes it, what ends it).
ENDING = {
    "temporary table, DROP": ("CREATE TEMP TABLE scratch (a serial)", "DROP TABLE scratch"),
    "temporary view, DROP": ("CREATE TEMP VIEW scratch AS SELECT 1", "DROP VIEW pg_temp.scratch"),
    "temporary function, DROP": ("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION pg_temp.f()"),
    "temporary table, DISCARD TEMP": ("CREATE TEMP TABLE scratch (a int)", "DISCARD TEMP"),
    "temporary table of a function, DROP": ("SELECT make_scratch()", "DROP TABLE scratch"),
    "session lock": ("SELECT pg_advisory_lock(46)", "SELECT pg_advisory_unlock(46)"),
    "session lock, shared": ("SELECT pg_advisory_lock_shared(46)", "SELECT pg_advisory_unlock_shared(46)"),
    "session lock, all": ("SELECT pg_advisory_lock(46)", "SELECT pg_advisory_unlock_all()"),
    "session lock of a function": ("SELECT take_lock(46)", "SELECT drop_lock(46)"),
    "cursor WITH HOLD, CLOSE": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "CLOSE held"),
    "cursor WITH HOLD, CLOSE ALL": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "CLOSE ALL"),
    "settings and transactions in one text": ("BEGIN; SET work_mem = '9MB'; COMMIT", "SELECT 1"),
    "a block of code that sets": ("DO $$BEGIN PERFORM set_config('work_mem', '9MB', false); END$$", "SELECT 1"),
    "a lock that was not to be had": ("SELECT pg_try_advisory_lock(47)", "SELECT 1"),
}
FUNCTIONS = """
CREATE OR REPLACE FUNCTION make_scratch() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TEMP TABLE scratch AS SELECT 1 AS a; END';
CREATE OR REPLACE FUNCTION take_lock(bigint) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock($1)';
CREATE OR REPLACE FUNCTION drop_lock(bigint) RETURNS bool LANGUAGE sql AS 'SELECT pg_advisory_unlock($1)';
CREATE OR REPLACE FUNCTION set_memory(text) RETURNS void LANGUAGE plpgsql AS
  $$BEGIN PERFORM set_config('work_mem', $1, false); PERFORM set_config('TimeZone', 'Asia/Tokyo', false); END$$;
CREATE OR REPLACE FUNCTION set_tenant(text) RETURNS void LANGUAGE plpgsql AS
  $$BEGIN PERFORM set_config('Pins.Tenant', $1, false); SET pins.kind TO 'guest'; END$$;
CREATE OR REPLACE FUNCTION tenant() RETURNS text LANGUAGE sql STABLE AS
  $$SELECT format('%s %s %s', current_setting('pins.tenant', true), current_setting('pins.kind', true), current_setting('cluster_name'))$$;
"""


class Pins(Through):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for cluster in cls.house.both:
            cluster.query(FUNCTIONS)

    def pinned(self):
        return self.proxy.status()["pinned"]

    def test_each(self):
        """temporary table, session lock, LISTEN, held cursor → the session stays on blue, shown with its reason"""
        for name, (making, using, reason) in PINNING.items():
            with self.subTest(pin=name):
                self.proxy.shift(0)
                connection = self.connect()
                self.query(connection, making)
                self.proxy.shift(100)
                self.assert_side(connection, "blue")
                self.assertEqual(self.value(connection, using), 1)
                until(lambda: self.pinned().get(reason) == 1, f"status shows {reason}: {self.pinned()}")
                other = self.connect()
                self.assert_side(other, "green")
                other.close()
                connection.close()
                until(lambda: not self.pinned().get(reason), f"{reason} is gone with its session")

    def test_rolled_back(self):
        """a temporary table whose transaction is rolled back → the session moves"""
        connection = self.connect()
        self.query(connection, "BEGIN")
        self.query(connection, "CREATE TEMP TABLE scratch (a int)")
        self.query(connection, "ROLLBACK")
        self.proxy.shift(100)
        self.assert_side(connection, "green")

    def test_failed(self):
        """a LISTEN or a CREATE TEMP that fails → no pin"""
        connection = self.connect()
        with self.assertRaises(Exception):
            self.query(connection, "CREATE TEMP TABLE scratch AS SELECT 1/0")
        self.proxy.shift(100)
        self.assert_side(connection, "green")

    def test_released(self):
        """DISCARD ALL → the session may move again, at once"""
        for making, undoing in (("CREATE TEMP TABLE scratch (a int)", "DISCARD ALL"),
                                ("SELECT pg_advisory_lock(43)", "DISCARD ALL")):
            with self.subTest(making=making):
                self.proxy.shift(0)
                connection = self.connect()
                self.query(connection, making)
                self.proxy.shift(100)
                self.assert_side(connection, "blue")
                self.query(connection, undoing)
                self.assert_side(connection, "green")

    def test_transaction_lock(self):
        """a lock that ends with its transaction → no pin afterwards"""
        connection = self.connect()
        self.query(connection, "BEGIN; SELECT pg_advisory_xact_lock(44); COMMIT")
        self.proxy.shift(100)
        self.assert_side(connection, "green")

    def test_on_green(self):
        """a session that reads on green and then makes a temporary table on blue → reads stay with the table"""
        self.proxy.shift(100)
        connection = self.connect()
        self.assertEqual(side_of(connection), "green")
        self.query(connection, "CREATE TEMP TABLE scratch AS SELECT 5 AS a")
        self.assertEqual(self.value(connection, "SELECT a FROM scratch"), 5)
        self.assert_side(connection, "blue")

    def test_ends_with_its_cause(self):
        """DROP, pg_advisory_unlock, CLOSE and the like → the server is asked, the pin ends, the session moves; a plain user too"""
        other = self.connect()
        self.query(other, "SELECT pg_advisory_lock(47)")
        for user in ("postgres", "app_trust"):
            for name, (making, ending) in ENDING.items():
                with self.subTest(user=user, pin=name):
                    self.proxy.shift(0)
                    connection = self.connect(user=user)
                    self.query(connection, making)
                    self.proxy.shift(100)
                    self.query(connection, ending)
                    until(lambda: side_of(connection) == "green", f"it moves: {self.pinned()}")
                    self.assertEqual(connection.notices, [])
                    connection.close()

    def test_one_of_two_ends(self):
        """one of two locks given back → the session stays; the other one too → it moves"""
        connection = self.connect()
        self.query(connection, "SELECT pg_advisory_lock(48), pg_advisory_lock(49)")
        self.proxy.shift(100)
        asked = self.questions()
        self.query(connection, "SELECT pg_advisory_unlock(48)")
        until(lambda: self.questions() > asked, "it was asked")
        self.assert_side(connection, "blue")
        self.query(connection, "SELECT pg_advisory_unlock(49)")
        until(lambda: side_of(connection) == "green", "it moves")

    def test_set_by_a_function(self):
        """what a function has set → goes along to the other side, and the client was told of what is reported"""
        connection = self.connect()
        self.query(connection, "SELECT set_memory('7MB')")
        self.assertEqual(connection.get_parameter_status("TimeZone"), "Asia/Tokyo")
        text = "SELECT current_setting('work_mem'), current_setting('TimeZone'), name FROM side"
        for green, side in ((100, "green"), (0, "blue")):
            self.proxy.shift(green)
            self.assertEqual(self.query(connection, text), [("7MB", "Asia/Tokyo", side)])

    def test_set_by_a_function_in_a_pipeline(self):
        """nobody waits for replies → what a function sets on blue is known before the next request goes to green, and back"""
        self.proxy.shift(100)
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            for memory in ("7MB", "8MB", "9MB") * 5:
                texts = (f"SELECT set_memory('{memory}')", "SELECT current_setting('work_mem'), name FROM side",
                         "RESET work_mem", "INSERT INTO log VALUES ('x')", "SHOW work_mem")
                wire.send(*map(query, texts))
                rows = [[each.row for each in wire.read_until("Z") if each.kind == "D"] for _ in texts]
                self.assertEqual(rows[1], [[memory.encode(), b"green"]])
                self.assertEqual(rows[4], [[b"4MB"]])

    def test_setting_with_a_point_set_by_a_function(self):
        """settings with a point in their names that only a function has set → go along, change, and are nobody else's"""
        connection, other = self.connect(), self.connect()
        self.proxy.shift(100)
        until(lambda: self.value(other, "SELECT tenant()").endswith("green"), "blue has said what its functions are")
        for name in ("ann", "ben"):
            self.proxy.shift(0)
            self.query(connection, "SELECT set_tenant(%s)", (name,))
            self.assertEqual(self.value(connection, "SELECT tenant()"), f"{name} guest blue")
            self.proxy.shift(100)
            self.assertEqual(self.value(connection, "SELECT tenant()"), f"{name} guest green")
        self.assertEqual(self.value(other, "SELECT tenant()").split()[-1:], ["green"])
        self.assertNotIn("ben", self.value(other, "SELECT tenant()"))

    def test_no_doubt_no_question(self):
        """reads, writes, transactions and settings that say what they do → the server is never asked"""
        connection = self.connect()
        asked = self.questions()
        for _ in range(20):
            for text in ("SELECT name FROM side", "INSERT INTO log VALUES ('x')", "SET work_mem = '5MB'", "BEGIN", "SAVEPOINT a",
                         "ROLLBACK TO a", "COMMIT", "SELECT pg_advisory_xact_lock(50)", "SELECT set_config('work_mem', '6MB', false)"):
                self.query(connection, text)
        self.assertEqual(self.questions(), asked)

    def questions(self):
        found = re.search(r'crossfade_questions_total\{pair="shop"\} (\d+)', self.proxy.ask("GET", "/metrics").text)
        return int(found.group(1))
