"""Clients that send garbage, half messages or nothing: a proper error or a closed socket, and nobody else notices."""

import random
import socket
import struct

import proxy
from through import Through, side_of
from waiting import Stopwatch, until
from wire import SYNC, Closed, Wire, bind, execute, message, parse, query, startup

LOGIN_TIMEOUT_SECONDS = 1
STARTUPS = {
    "nothing": b"",
    "one byte": b"\0",
    "length zero": struct.pack("!i", 0),
    "length four": struct.pack("!i", 4),
    "length seven": struct.pack("!i", 7) + b"abc",
    "negative length": struct.pack("!i", -1),
    "huge length": struct.pack("!ii", 2**31 - 1, 196608),
    "too long": struct.pack("!ii", 20000, 196608) + b"a" * 20000,
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "no terminator": struct.pack("!ii", 20, 196608) + b"user\0postgre",
    "half a parameter": struct.pack("!ii", 14, 196608) + b"user\0\0",
    "half a startup": startup({"user": "postgres", "database": "shop"})[:-9],
    "zeros": bytes(4000),
    "ones": b"\xff" * 4000,
}
LOGGED_IN = {
    "unknown kind": message("!", b"x"),
    "kind zero": b"\0\0\0\0\4",
    "length zero": b"Q" + struct.pack("!i", 0),
    "length three": b"Q" + struct.pack("!i", 3),
    "negative length": b"Q" + struct.pack("!i", -5),
    "longer than allowed": b"Q" + struct.pack("!i", 2**31 - 1) + b"x" * 1000,
    "no terminator": message("Q", b"SELECT 1"),
    "empty query body": message("Q"),
    "bind too short": message("B", b"\0\0\0\5"),
    "bind with huge count": message("B", b"\0\0" + b"\x7f\xff" * 2) + SYNC,
    "parse too short": message("P", b"x"),
    "backend message": message("D", b""),
    "password out of turn": message("p", b"secret\0"),
    "copy data out of turn": message("d", b"x") + message("c"),
    "function call": message("F", b"\0\0\0\1"),
    "noise": bytes(random.Random(7).randbytes(5000)),
}


class HostileClient(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(limits={"login_timeout": f"{LOGIN_TIMEOUT_SECONDS}s"})

    def setUp(self):
        super().setUp()
        self.quiet = self.connect()
        side_of(self.quiet)

    def tearDown(self):
        self.assertEqual(side_of(self.quiet), "blue", "the other client was disturbed")
        super().tearDown()

    def test_startups(self):
        """bad bytes instead of a start-up → closed, at the latest at the login deadline"""
        for name, sent in STARTUPS.items():
            with self.subTest(sent=name), Stopwatch(LOGIN_TIMEOUT_SECONDS + 4), Wire(self.proxy.address()) as wire:
                try:
                    wire.send(sent)
                    answer = wire.read_bytes()
                except Closed:
                    continue
                self.assertLess(len(answer), 1000)
                self.assertIn(answer[:1], (b"", b"E", b"N"))

    def test_silence_in_login(self):
        """a start-up and then no proof → closed at the deadline"""
        with Stopwatch(LOGIN_TIMEOUT_SECONDS + 4), Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "app_scram", "database": "shop"}))
            self.assertEqual(wire.read().kind, "R")
            kinds = [each.kind for each in wire.read_all()]
            self.assertIn(kinds, (["E"], []))

    def test_bad_proofs(self):
        """garbage instead of a SCRAM message → an error of class 08 or 28, closed"""
        for body in (b"", b"\xff" * 100, b"SCRAM-SHA-256\0" + struct.pack("!i", 2**31 - 1), b"SCRAM-SHA-256\0\0\0\0\5n,,n=",
                     b"SCRAM-SHA-256-PLUS\0\0\0\0\4n,,x", b"MD5\0\0\0\0\0"):
            with self.subTest(body=body[:30]), Wire(self.proxy.address()) as wire:
                wire.send(startup({"user": "app_scram", "database": "shop"}))
                wire.read()
                wire.send(message("p", body))
                messages = wire.read_all()
                self.assertEqual([each.kind for each in messages], ["E"])
                self.assertIn(messages[0].fields["C"][:2], ("08", "28"))

    def test_messages(self):
        """bad messages after the login → an error and a close, or the server's own error; never silence"""
        for name, sent in LOGGED_IN.items():
            with self.subTest(sent=name), Stopwatch(15), Wire(self.proxy.address()) as wire:
                wire.log_in()
                try:
                    wire.send(sent)
                    wire.socket.shutdown(socket.SHUT_WR)
                    messages = wire.read_all()
                except (Closed, OSError):
                    continue
                self.assertLess(len(messages), 50)

    def test_half_message_and_close(self):
        """a close at every byte of a batch → the backend is left each time"""
        whole = query("SELECT 1") + parse("a", "SELECT $1::int") + bind(statement="a", values=[b"1"]) + execute() + SYNC
        for length in range(0, len(whole), 3):
            with Wire(self.proxy.address()) as wire:
                wire.log_in(application_name="half")
                wire.send(whole[:length])
        until(lambda: not self.house.blue.sessions("application_name = 'half'"), "every backend connection is closed")

    def test_close_during_reply(self):
        """a client that leaves in the middle of a long reply → its backend is left at once"""
        for _ in range(10):
            with Wire(self.proxy.address()) as wire:
                wire.log_in(application_name="leaver")
                wire.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 5000000)"))
                wire.read()
        until(lambda: not self.house.blue.sessions("application_name = 'leaver'"), "the backends are left", 30)

    def test_reset_during_copy(self):
        """a client that resets the connection in COPY IN → nothing is stored, the backend is left"""
        wire = Wire(self.proxy.address())
        wire.log_in(application_name="resetter")
        wire.send(query("COPY log FROM STDIN"))
        wire.read_until("G")
        wire.send(message("d", b"half a copy\n") * 1000)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
        until(lambda: not self.house.blue.sessions("application_name = 'resetter'"), "the backend is left")
        self.assertEqual(self.house.blue.query("SELECT count(*) FROM log WHERE line = 'half a copy'"), [(0,)])

    def test_polite_end(self):
        """Terminate → closed without an error; Terminate behind a query → the query is answered first"""
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            wire.send(message("X"))
            self.assertEqual(wire.read_bytes(), b"")
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            wire.send(query("INSERT INTO log VALUES ('polite')"), message("X"))
            wire.read_all()
        until(lambda: self.house.blue.query("SELECT count(*) FROM log WHERE line = 'polite'") == [(1,)], "it was done")


class Floods(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(limits={"clients_max": 200, "login_timeout": "5s"})

    def connects_in_a_loop(self, count, sent):
        for _ in range(count):
            with socket.socket() as one:
                one.connect(self.proxy.address())
                if sent:
                    one.sendall(sent)

    def test_connects_in_a_loop(self):
        """thousands of connections opened and dropped → bounded memory and descriptors, others are served"""
        other = self.connect()
        self.connects_in_a_loop(500, b"")
        until(lambda: self.proxy.descriptors() < 100, "descriptors are given back")
        before = self.proxy.resident_kilobytes()
        for sent in (b"", b"\0\0\0", startup({"user": "postgres", "database": "shop"}), b"junk" * 20):
            self.connects_in_a_loop(1000, sent)
            self.assertEqual(side_of(other), "blue")
        until(lambda: self.proxy.descriptors() < 100, "descriptors are given back", 30)
        self.assertLess(self.proxy.resident_kilobytes() - before, proxy.ROOM_KILOBYTES)
        until(lambda: len(self.house.blue.sessions()) <= 3, "backend connections are given back", 30)

    def test_too_many(self):
        """more clients than allowed → 53300 for those beyond, the others stay; a place that is given back is free"""
        until(lambda: self.proxy.status()["clients"] == 0, "the places are free")
        wires = [Wire(self.proxy.address()) for _ in range(260)]
        for wire in wires:
            self.addCleanup(wire.close)
        refused = []
        for wire in wires:
            try:
                wire.log_in()
            except Closed:
                refused.append(wire)
        self.assertEqual(len(refused), 60)
        for wire in wires:
            wire.close()
        until(lambda: self.proxy.status()["clients"] == 0, "the places are free")
        self.assertEqual(side_of(self.connect()), "blue")

    def test_refusal_words(self):
        """one client beyond the limit → ErrorResponse 53300, FATAL"""
        until(lambda: self.proxy.status()["clients"] == 0, "the places are free")
        wires = [Wire(self.proxy.address()) for _ in range(200)]
        for wire in wires:
            self.addCleanup(wire.close)
            wire.log_in()
        with Wire(self.proxy.address()) as late:
            late.send(startup({"user": "postgres", "database": "shop"}))
            errors = [each.fields for each in late.read_all() if each.kind == "E"]
        self.assertEqual([(each["C"], each["S"]) for each in errors], [("53300", "FATAL")])
