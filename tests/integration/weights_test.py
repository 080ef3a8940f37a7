"""Weights: met without dice, in force at once, taken back at once; transactions stay whole."""

import proxy
from through import Through, side_of
from waiting import until
from wire import Wire, query

SESSIONS = 200


class Weights(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(more_pairs={"by_statement": proxy.pair(rules=[proxy.rule(stickiness="statement")])})

    def share_of_sessions(self):
        greens = 0
        for _ in range(SESSIONS):
            with Wire(self.proxy.address()) as wire:
                wire.log_in()
                greens += wire.rows("SELECT name FROM side") == [[b"green"]]
        return 100 * greens / SESSIONS

    def test_share_of_sessions(self):
        """10, 50 and 90 % → the share of sessions on green within one point"""
        for green in (10, 50, 90):
            with self.subTest(green=green):
                self.proxy.shift(green)
                self.assertAlmostEqual(self.share_of_sessions(), green, delta=1)

    def test_share_of_statements(self):
        """stickiness by statement, 25 % → the share of one session's reads within one point"""
        self.proxy.shift(25, pair_name="by_statement")
        with Wire(self.proxy.address("by_statement")) as wire:
            wire.log_in()
            greens = sum(wire.rows("SELECT name FROM side") == [[b"green"]] for _ in range(2000))
        self.assertAlmostEqual(100 * greens / 2000, 25, delta=1)

    def test_session_keeps_its_place(self):
        """weights unchanged → a session's reads all go to one side"""
        self.proxy.shift(50)
        for _ in range(20):
            connection = self.connect()
            self.assertEqual(len({side_of(connection) for _ in range(10)}), 1)
            connection.close()

    def test_growing_share(self):
        """weights that grow → a session that is on green stays there"""
        connections = [self.connect() for _ in range(20)]
        on_green = set()
        for green in (0, 10, 30, 60, 100):
            self.proxy.shift(green)
            now = {number for number, connection in enumerate(connections) if side_of(connection) == "green"}
            self.assertLessEqual(on_green, now)
            on_green = now
        self.assertEqual(len(on_green), 20)

    def test_next_statement(self):
        """a change of weights → in force for the very next statement of every open session"""
        connections = [self.connect() for _ in range(10)]
        for green, side in ((100, "green"), (0, "blue")) * 5:
            self.proxy.shift(green)
            self.assertEqual({side_of(connection) for connection in connections}, {side})

    def test_rollback(self):
        """rollback → the weights before, at once; a second rollback goes forth again"""
        connection = self.connect()
        self.proxy.shift(0)
        self.proxy.shift(100)
        for side in ("blue", "green", "blue"):
            reply = self.proxy.ask("POST", "/api/v1/pairs/shop/rollback")
            self.assertEqual(reply.status, 200, reply.text)
            self.assertTrue(reply.json["acknowledged_by_all"])
            self.assert_side(connection, side)

    def test_writes_stay(self):
        """all reads on green → writes, row locks, volatile functions and unknown text still go to blue"""
        self.proxy.shift(100)
        connection = self.connect()
        self.assert_side(connection, "green")
        self.query(connection, "INSERT INTO log VALUES ('on blue')")
        cluster = "SELECT current_setting('cluster_name')"
        for words in (f"{cluster} FROM side FOR UPDATE", f"{cluster}, nextval('notes_id_seq')", f"{cluster}, random()",
                      "SELECT touch()",
                      f"WITH a AS (INSERT INTO log VALUES ('cte') RETURNING 1) {cluster} FROM a"):
            self.assertEqual(self.query(connection, words)[0][0], "blue", words)
        self.assertEqual(self.house.blue.query("SELECT count(*) FROM log WHERE line IN ('on blue', 'cte')"), [(2,)])
        self.assertEqual(self.house.green.query("SELECT count(*) FROM log WHERE line IN ('on blue', 'cte')"), [(0,)])
        self.assertEqual(self.query(connection, "EXPLAIN ANALYZE INSERT INTO log VALUES ('analysed')") != [], True)
        self.assertEqual(self.house.green.query("SELECT count(*) FROM log WHERE line = 'analysed'"), [(0,)])

    def test_catalogue_decides(self):
        """a function of the database's own → a read once blue's catalogue says that it is stable, never if volatile"""
        self.proxy.shift(100)
        connection = self.connect()
        self.assertEqual(self.value(connection, "SELECT touch()"), "blue")
        until(lambda: self.value(connection, "SELECT peek()") == "green", "the catalogue is known")
        self.assertEqual(self.value(connection, "SELECT touch()"), "blue")

    def test_transaction_is_whole(self):
        """weights move inside a transaction → it ends where it began; the next begins elsewhere"""
        connection = self.connect()
        self.query(connection, "BEGIN READ ONLY")
        self.assert_side(connection, "blue")
        self.proxy.shift(100)
        self.assert_side(connection, "blue")
        self.query(connection, "COMMIT")
        self.query(connection, "BEGIN READ ONLY")
        self.assert_side(connection, "green")
        self.proxy.shift(0)
        self.assert_side(connection, "green")
        self.query(connection, "COMMIT")
        self.assert_side(connection, "blue")

    def test_undeclared_transaction(self):
        """BEGIN without READ ONLY, all reads on green → the whole transaction on blue"""
        self.proxy.shift(100)
        connection = self.connect()
        self.query(connection, "BEGIN")
        self.assert_side(connection, "blue")
        self.query(connection, "INSERT INTO log VALUES ('undeclared')")
        self.query(connection, "ROLLBACK")
        self.assert_side(connection, "green")

    def test_failed_transaction(self):
        """a failed transaction while weights move → 25P02 until its end, then free"""
        connection = self.connect()
        self.query(connection, "BEGIN READ ONLY")
        with self.assertRaisesRegex(Exception, "division by zero"):
            self.query(connection, "SELECT 1/0")
        self.proxy.shift(100)
        with self.assertRaisesRegex(Exception, "current transaction is aborted"):
            self.query(connection, "SELECT 1")
        self.query(connection, "ROLLBACK")
        self.assert_side(connection, "green")

    def test_pipelined_queries(self):
        """simple queries sent without waiting while weights move → answered in order, each by one side"""
        with Wire(self.proxy.address("by_statement")) as wire:
            wire.log_in()
            self.proxy.shift(50, pair_name="by_statement")
            wire.send(*(query(f"SELECT {i}, name FROM side") for i in range(300)))
            rows = []
            for _ in range(300):
                rows += [each.row for each in wire.read_until("Z") if each.kind == "D"]
        self.assertEqual([int(row[0]) for row in rows], list(range(300)))
        self.assertEqual({row[1] for row in rows}, {b"blue", b"green"})
