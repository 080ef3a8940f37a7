"""`ack: atomic`: a commit that was answered is on both sides, one that was refused on neither, and nothing stays prepared."""

import socket
import threading

import psycopg
import psycopg2
import psycopg2.errors

import mirror_test
import proxy
from clusters import house
from mirror_test import DATABASE, EQUAL
from waiting import until
from wire import Wire, query


def prepared():
    return [row for side in house().both for row in side.query("SELECT gid FROM pg_prepared_xacts")]


class Atomic(mirror_test.Mirrored):
    mirror = {"ack": "atomic", "ack_timeout": "5s"}

    @classmethod
    def settings(cls):
        settings = super().settings()
        settings["pairs"]["shop"]["pool"] = {"mode": "transaction", "size": 4}
        return settings

    def assert_nothing_prepared(self):
        until(lambda: prepared() == [], "nothing is prepared any more", 30)

    def assert_both(self, table, rows):
        """At once, without a wait."""
        for side in house().both:
            self.assertEqual(side.query(f"SELECT * FROM {table} ORDER BY 1", database=DATABASE), rows, side.name)

    def test_kinds(self):
        """every kind that is carried → as without, and on both sides when it is answered"""
        for name, (made, statements, tables) in EQUAL.items():
            with self.subTest(kind=name):
                self.make(made)
                self.run_all(self.connect(), statements)
                for table in tables:
                    blue, green = self.rows(table)
                    self.assertTrue(blue, table)
                    self.assertEqual(blue, green, table)
        self.assertEqual(prepared(), [])
        self.assertEqual(self.ledger(), [])

    def test_protocols(self):
        """a COMMIT by itself, at the end of a text, in a batch, and a pipeline of writes → the tags of one COMMIT, and the rows on both sides"""
        self.make("CREATE TABLE spoken (id int PRIMARY KEY)")
        with Wire(self.proxy.address()) as wire:
            wire.log_in(database=DATABASE)
            wire.send(query("BEGIN; INSERT INTO spoken VALUES (1); COMMIT"))
            self.assertEqual([each.kind for each in wire.read_until("Z")], ["C", "C", "C", "Z"])
            wire.send(query("BEGIN"))
            wire.read_until("Z")
            wire.send(query("INSERT INTO spoken VALUES (2)"))
            wire.read_until("Z")
            wire.send(query("COMMIT"))
            self.assertEqual([(each.kind, each.body) for each in wire.read_until("Z")], [("C", b"COMMIT\0"), ("Z", b"I")])
        with psycopg.connect(host="127.0.0.1", port=self.proxy.address()[1], user="postgres", dbname=DATABASE, sslmode="disable") as connection:
            with connection.pipeline():
                for number in range(3, 8):
                    connection.execute("INSERT INTO spoken VALUES (%s)", (number,))
            connection.commit()
            connection.execute("INSERT INTO spoken VALUES (8)")
            connection.commit()
        self.assert_both("spoken", [(number,) for number in range(1, 9)])
        self.assertEqual(prepared(), [])

    def test_refused_by_the_follower(self):
        """the other side cannot take it → 40000 with its words, neither side has it, and the session goes on"""
        self.make("CREATE TABLE picky (id int PRIMARY KEY, v text)")
        house().green.query("ALTER TABLE picky ADD CHECK (v <> 'bad')", database=DATABASE)
        connection = self.connect()
        with self.assertRaises(psycopg2.Error) as raised:
            self.query(connection, "INSERT INTO picky VALUES (1, 'bad')")
        self.assertEqual(raised.exception.pgcode, "40000")
        self.query(connection, "BEGIN")
        self.query(connection, "INSERT INTO picky VALUES (2, 'good'), (3, 'bad')")
        with self.assertRaises(psycopg2.Error) as raised:
            self.query(connection, "COMMIT")
        self.assertEqual(raised.exception.pgcode, "40000")
        self.query(connection, "INSERT INTO picky VALUES (4, 'good')")
        with psycopg.connect(host="127.0.0.1", port=self.proxy.address()[1], user="postgres", dbname=DATABASE, sslmode="disable") as other:
            other.execute("INSERT INTO picky VALUES (%s, 'bad')", (5,))
            with self.assertRaises(psycopg.Error) as raised:
                other.commit()
            self.assertEqual(raised.exception.sqlstate, "40000")
            other.execute("INSERT INTO picky VALUES (%s, 'good')", (6,))
            other.commit()
        self.assert_both("picky", [(4, "good"), (6, "good")])
        self.assertEqual(prepared(), [])
        self.assertGreaterEqual(self.proxy.ask("GET", "/api/v1/pairs/shop/mirror").json["units_refused"], 3)

    def test_refused_by_the_authority(self):
        """what cannot be prepared there, or not carried as a whole → its own error at COMMIT, or 0A000, and neither side has it"""
        self.make("CREATE TABLE own_words (id int PRIMARY KEY, p int); CREATE TABLE pairs_of (a int); INSERT INTO pairs_of VALUES (1);"
                  "ALTER TABLE own_words ADD CONSTRAINT own_words_late UNIQUE (p) DEFERRABLE INITIALLY DEFERRED")
        connection = self.connect()
        for statements, code in ((["INSERT INTO own_words VALUES (1, 1), (2, 1)"], "23505"), (["UPDATE pairs_of SET a = 2"], "0A000"),
                                 (["CREATE TEMP TABLE t (a int)", "INSERT INTO t VALUES (1)", "INSERT INTO own_words VALUES (3, 3)"], "0A000"),
                                 (["INSERT INTO own_words VALUES (4, 4)", "COMMIT AND CHAIN"], "0A000")):
            with self.assertRaises(psycopg2.Error, msg=statements) as raised:
                self.query(connection, "BEGIN")
                for each in statements:
                    self.query(connection, each)
                self.query(connection, "COMMIT")
            self.assertEqual(raised.exception.pgcode, code, statements)
            self.query(connection, "ROLLBACK")
        self.assert_both("own_words", [])
        self.assertEqual(prepared(), [])

    def test_follower_away(self):
        """the other side is gone → commits are refused at once and leave nothing, reads go on; it is back → commits succeed"""
        self.make("CREATE TABLE alone (id int PRIMARY KEY)")
        connection = self.connect()
        self.query(connection, "INSERT INTO alone VALUES (1)")
        house().green.stop()
        try:
            for number in range(2, 6):
                with self.assertRaises(psycopg2.Error) as raised:
                    self.query(connection, "INSERT INTO alone VALUES (%s)", (number,))
                self.assertEqual(raised.exception.pgcode, "40000")
            self.assertEqual(self.value(connection, "SELECT count(*) FROM alone"), 1)
        finally:
            house().green.start()

        def writes():
            try:
                self.query(connection, "INSERT INTO alone VALUES (9)")
                return True
            except psycopg2.Error as error:
                self.assertEqual(error.pgcode, "40000")
                return False

        until(writes, "commits succeed again", 30)
        self.assert_both("alone", [(1,), (9,)])
        self.assert_nothing_prepared()

    def test_clients_that_go(self):
        """clients that are cut off during their COMMIT → each transaction on both sides or on neither, nothing stays prepared or locked"""
        self.make("CREATE TABLE cut (id int PRIMARY KEY)")
        for number in range(60):
            with Wire(self.proxy.address()) as wire:
                wire.log_in(database=DATABASE)
                wire.send(query(f"INSERT INTO cut VALUES ({number})"))
                if number % 3 == 0:
                    wire.socket.settimeout(0.0005 * (number % 7))
                    try:
                        wire.socket.recv(1)
                    except (TimeoutError, BlockingIOError):
                        pass
                if number % 2:
                    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.assert_nothing_prepared()
        until(self.applied, "all is applied", 30)
        blue, green = self.rows("cut")
        self.assertEqual(blue, green)
        connection = self.connect()  # nothing is locked any more
        for number in range(60):
            self.query(connection, "INSERT INTO cut VALUES (%s) ON CONFLICT DO NOTHING", (number,))
        self.assertEqual(self.ledger(), [])

    def test_load(self):
        """more clients than connections, all on the same rows → no error but the servers' own, sums hold on both sides at once"""
        self.make("CREATE TABLE sums (id int PRIMARY KEY, n int); INSERT INTO sums SELECT i, 0 FROM generate_series(1, 3) i")
        errors = []

        def client(me):
            connection = self.connect()
            try:
                for number in range(25):
                    self.query(connection, "UPDATE sums SET n = n + 1 WHERE id = %s", ((me + number) % 3 + 1,))
            except psycopg2.Error as error:
                errors.append(str(error))

        clients = [threading.Thread(target=client, args=(me,)) for me in range(12)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        self.assertEqual(errors, [])
        for side in house().both:
            self.assertEqual(side.query("SELECT sum(n) FROM sums", database=DATABASE), [(12 * 25,)])
        self.assertEqual(prepared(), [])


class AtomicKilled(mirror_test.Killed):
    """The proxy is killed while clients write: see there. Behind it nothing may stay prepared either."""

    mirror = {"ack": "atomic", "ack_timeout": "10s"}

    def test_proxy(self):
        """the proxy is killed between and during both phases, and started again → each transaction on both sides or on neither"""
        super().test_proxy()
        until(lambda: prepared() == [], "nothing is prepared any more", 30)
