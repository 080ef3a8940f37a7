"""State that cannot be carried keeps a session on its side, visibly, until it is gone."""

from through import Through, side_of
from waiting import until

PINNING = {
    "temporary table": ("CREATE TEMP TABLE scratch AS SELECT 1 AS a", "SELECT a FROM scratch", "temporary_object"),
    "SELECT INTO TEMP": ("SELECT 1 AS a INTO TEMP scratch", "SELECT a FROM scratch", "temporary_object"),
    "advisory lock": ("SELECT pg_advisory_lock(42)", "SELECT 1", "advisory_lock"),
    "LISTEN": ("LISTEN bell", "SELECT 1", "listen"),
    "settings and transactions in one text": ("BEGIN; SET work_mem = '9MB'; ROLLBACK", "SELECT 1", "untracked_state"),
    "cursor WITH HOLD": ("DECLARE held CURSOR WITH HOLD FOR SELECT 1", "FETCH 1 FROM held", "hold_cursor"),
}


class Pins(Through):
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
        """UNLISTEN *, DISCARD ALL → the session may move again"""
        for making, undoing in (("LISTEN bell", "UNLISTEN *"), ("CREATE TEMP TABLE scratch (a int)", "DISCARD ALL"),
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
