"""LISTEN keeps its connection, reads move all the same, and no notification is lost or doubled."""

import select
import threading

import psycopg2

from through import Through, side_of
from waiting import until
from wire import SYNC, Closed, Wire, bind, execute, parse, query


def notifications(messages):
    """Payloads, in order."""
    return [each.body[4:].split(b"\0")[1].decode() for each in messages if each.kind == "A"]


class Listen(Through):
    def sender(self):
        """A connection straight to blue that notifies."""
        connection = self.house.blue.connect()
        self.addCleanup(connection.close)
        return connection

    def test_reads_move(self):
        """LISTEN, then weights to green → reads are answered by green, notifications of blue arrive at an idle session at once"""
        connection = self.connect()
        self.query(connection, "LISTEN bell")
        self.proxy.shift(100)
        self.assert_side(connection, "green")
        self.query(self.sender(), "NOTIFY bell, 'one'")
        until(lambda: self.poll(connection), "a notification")
        self.assertEqual([each.payload for each in connection.notifies], ["one"])
        self.assertEqual([each["reason"] for each in self.pins(connection)], ["listen"])
        self.assert_side(connection, "green")

    def poll(self, connection):
        if select.select([connection], [], [], 0)[0]:
            connection.poll()
        return connection.notifies

    def pins(self, connection):
        return self.proxy.ask("GET", "/api/v1/pairs/shop/pins").json["sessions"][0]["pins"]

    def test_unlisten_elsewhere(self):
        """LISTEN on green, UNLISTEN in a transaction on blue → green's connection goes on to listen, and is kept; UNLISTEN there → free"""
        connection = self.connect()
        self.proxy.shift(100)
        for words in ("BEGIN READ ONLY", "LISTEN bell", "COMMIT"):
            self.query(connection, words)
        for words in ("BEGIN", "INSERT INTO log VALUES ('on blue')", "UNLISTEN *", "UNLISTEN bell", "COMMIT"):
            self.query(connection, words)
        self.assertEqual([each["reason"] for each in self.pins(connection)], ["listen"])
        green = self.house.green.connect()
        self.addCleanup(green.close)
        self.query(green, "NOTIFY bell, 'green'")
        until(lambda: self.poll(connection), "a notification of green")
        self.query(connection, "UNLISTEN *")
        until(lambda: self.proxy.status()["pinned"].get("listen", 0) == 0, "the pin is gone")

    def test_own_process(self):
        """the process that a driver was told → the server's own, in notifications of this session and another, on either side"""
        connection, other = self.connect(), self.connect()
        self.query(connection, "LISTEN bell")
        for each in (connection, other):
            self.assertEqual(each.get_backend_pid(), self.value(each, "SELECT pg_backend_pid()"))
            self.query(each, "NOTIFY bell")
        until(lambda: len(self.poll(connection)) == 2, "both notifications")
        self.assertEqual([each.pid for each in connection.notifies], [connection.get_backend_pid(), other.get_backend_pid()])

    def test_none_lost(self):
        """1,000 notifications while reads go back and forth with flipping weights → each arrives once, in order"""
        count = 1000
        sender = self.sender()

        def send():
            with sender.cursor() as cursor:
                for i in range(count):
                    cursor.execute("SELECT pg_notify('bell', %s)", (str(i),))

        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            wire.ask("LISTEN bell")
            sending = threading.Thread(target=send)
            sending.start()
            received, sides, reads = [], set(), 0
            while len(received) < count:
                if reads % 50 == 0:
                    self.proxy.shift(100 - (reads // 50) % 2 * 100)
                messages = wire.ask("SELECT name, repeat('x', 3000) FROM side")
                reads += 1
                rows = [each.row for each in messages if each.kind == "D"]
                self.assertEqual([len(each[1]) for each in rows], [3000])
                sides.add(rows[0][0])
                received += notifications(messages)
                if not sending.is_alive() and reads > 3000:
                    break
            sending.join()
            # What came behind the last reply.
            while len(received) < count:
                received += notifications([wire.read()])
            self.assertEqual(received, [str(i) for i in range(count)])
            wire.ask("UNLISTEN *")

    def test_back_and_forth(self):
        """reads that move 1,000 times, by statement, beside a LISTEN → every notification of the session itself and of others, once"""
        sender = self.sender()
        self.proxy.shift(50, "by_statement")
        with Wire(self.proxy.address()) as wire:
            wire.log_in(user="app_trust")
            wire.ask("LISTEN bell")
            received, moves, last = [], 0, None
            reads = 0
            while moves < 1000:
                messages = wire.ask("SELECT name FROM side")
                side = [each.row[0] for each in messages if each.kind == "D"][0]
                moves += side != last
                last = side
                received += notifications(messages)
                reads += 1
                if reads % 100 == 0:
                    self.query(sender, "SELECT pg_notify('bell', %s)", (str(reads),))
            received += notifications(wire.ask("NOTIFY bell, 'own'"))
            while received[-1:] != ["own"]:
                received.append(notifications([wire.read()])[0])
            self.assertEqual(received, [str(i) for i in range(100, reads + 1, 100)] + ["own"])

    @classmethod
    def settings(cls):
        settings = super().settings()
        rule = {"name": "by_statement", "match": {"class": ["read"], "user": ["app_trust"]}, "reads": {"blue": 100, "green": 0},
                "stickiness": "statement"}
        settings["pairs"]["shop"]["rules"].insert(0, rule)
        return settings

    def test_in_a_transaction(self):
        """a notification during the session's transaction → told at its end, as the server does"""
        self.proxy.shift(100)
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            wire.ask("LISTEN bell")
            for begin in ("BEGIN", "BEGIN READ ONLY"):
                with self.subTest(begin=begin):
                    wire.ask(begin)
                    self.query(self.sender(), "NOTIFY bell, 'inside'")
                    self.assertEqual(notifications(wire.ask("SELECT 1")), [])
                    messages = wire.ask("COMMIT")
                    self.assertEqual(notifications(messages), ["inside"])
                    self.assertEqual([each.kind for each in messages], ["C", "A", "Z"])

    def test_pipeline(self):
        """extended queries in one go while reads are on green → replies whole and in order, notifications between messages"""
        self.proxy.shift(100)
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            wire.ask("LISTEN bell")
            sender = self.sender()
            for i in range(50):
                self.query(sender, "NOTIFY bell")
                wire.send(*(parse("", f"SELECT {j}, name FROM side") + bind() + execute() + SYNC for j in range(5)))
                for j in range(5):
                    rows = [each.row for each in wire.read_until("Z") if each.kind == "D"]
                    self.assertEqual(rows, [[str(j).encode(), b"green"]])

    def test_connection_lost(self):
        """the connection that listens is terminated → 57P01 and the end, though the session reads elsewhere"""
        with Wire(self.proxy.address()) as wire:
            wire.log_in(application_name="listener")
            process = int(wire.rows("LISTEN bell; SELECT pg_backend_pid()")[0][0])
            self.proxy.shift(100)
            self.assertEqual(wire.rows("SELECT name FROM side"), [[b"green"]])
            self.query(self.sender(), "SELECT pg_terminate_backend(%s)", (process,))
            messages = wire.read_all()
            self.assertEqual([each.fields["C"] for each in messages], ["57P01"])
            with self.assertRaises(Closed):
                wire.send(query("SELECT 1"))
                wire.read()

    def test_unlisten(self):
        """UNLISTEN of the last channel, UNLISTEN *, DISCARD ALL, while reads are on green → nothing more comes, the session is free"""
        for ending in ("UNLISTEN bell", "UNLISTEN *", "DISCARD ALL"):
            with self.subTest(ending=ending):
                self.proxy.shift(0)
                connection = self.connect()
                self.query(connection, "LISTEN bell")
                self.query(connection, "LISTEN gong")
                self.proxy.shift(100)
                self.assert_side(connection, "green")
                self.query(connection, "UNLISTEN gong")
                self.query(connection, "NOTIFY gong")
                self.assertEqual(self.proxy.status()["pinned"].get("listen"), 1)
                self.query(connection, ending)
                until(lambda: not self.proxy.status()["pinned"], "no pin is left")
                self.query(self.sender(), "NOTIFY bell")
                self.query(connection, "SELECT 1; NOTIFY bell")
                self.assertEqual(connection.notifies, [])
                connection.close()

    def test_asynchronous_driver(self):
        """a client that waits on its socket alone → is woken by the notification"""
        connection = self.connect()
        self.query(connection, "LISTEN bell")
        self.proxy.shift(100)
        self.assert_side(connection, "green")
        threading.Timer(0, lambda: self.query(self.sender(), "NOTIFY bell, 'ring'")).start()
        self.assertTrue(select.select([connection], [], [], 20)[0])
        until(lambda: self.poll(connection), "it is there")
        self.assertIsInstance(connection, psycopg2.extensions.connection)
