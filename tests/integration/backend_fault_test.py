"""Backends that refuse, die, hang or answer nonsense: a proper error with the right code, in bounded time."""

import os
import signal
import socket
import struct
import threading

import proxy
from clusters import Cluster, free_port, house
from through import Through
from waiting import Stopwatch, until
from wire import Closed, Wire, cancel, message, query, startup

AUTHENTICATED = message("R", struct.pack("!i", 0))
READY = message("Z", b"I")
NONSENSE = {
    "bytes": b"\xde\xad\xbe\xef" * 100,
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "huge length": b"R" + struct.pack("!i", 2**31 - 1),
    "negative length": b"R" + struct.pack("!i", -7),
    "ready before authentication": READY,
    "rows before authentication": message("D", b"\0\0"),
    "unknown authentication": message("R", struct.pack("!i", 99)),
    "nothing, closed": b"",
    "half a message": b"R\0\0",
}


class Impostor:
    """A server on a free port that reads the start-up, sends what it was told to, and waits or closes."""

    def __init__(self, words, ending="close"):
        self.words, self.ending = words, ending
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(one)
            threading.Thread(target=self._answer, args=(one,), daemon=True).start()

    def _answer(self, one):
        try:
            one.recv(4096)
            one.sendall(self.words)
            if self.ending == "answer":
                one.recv(4096)
                one.sendall(self.reply)
            elif self.ending == "close":
                one.close()
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for one in self.open:
            one.close()


class LoginFaults(Through):
    """Faults before a session has a backend: each against a proxy whose blue is the impostor."""

    def start(self, port):
        other = proxy.Proxy(proxy.configuration(proxy.pair(blue=port), limits={"connect_timeout": "1s"}))
        self.addCleanup(other.stop)
        return other

    def first_error(self, other, sql="SELECT 1"):
        """What a client is told that comes in and asks."""
        with Wire(other.address()) as wire:
            wire.send(startup({"user": "postgres", "database": "shop"}), query(sql))
            errors = [each.fields for each in wire.read_all() if each.kind == "E"]
        self.assertEqual(len(errors), 1, errors)
        self.assertNotIn("127.0.0.1", str(errors), "an address of the inside is shown to a client")
        return errors[0]

    def test_refused(self):
        """nobody listens on blue → class 08, at once"""
        other = self.start(free_port())
        with Stopwatch(5):
            self.assertEqual(self.first_error(other)["C"], "08006")

    def test_silent(self):
        """blue accepts and says nothing → class 08 at the deadline, not later"""
        impostor = Impostor(b"", "wait")
        self.addCleanup(impostor.close)
        with Stopwatch(8):
            self.assertEqual(self.first_error(self.start(impostor.port))["C"], "08006")

    def test_nonsense(self):
        """blue answers the start-up with nonsense → class 08, at once"""
        for name, words in NONSENSE.items():
            with self.subTest(words=name):
                impostor = Impostor(words)
                self.addCleanup(impostor.close)
                with Stopwatch(8):
                    self.assertEqual(self.first_error(self.start(impostor.port))["C"][:2], "08")

    def test_nonsense_reply(self):
        """blue answers a query with nonsense → 08P01 or 08006, closed, at once"""
        for words in (b"\xff" * 50, b"T" + struct.pack("!i", 1), message("Z", b"?"), message("2") * 3 + READY, READY * 3):
            with self.subTest(words=words[:12]):
                impostor = Impostor(AUTHENTICATED + message("K", struct.pack("!ii", 1, 2)) + READY, "answer")
                impostor.reply = words
                self.addCleanup(impostor.close)
                other = self.start(impostor.port)
                with Stopwatch(8), Wire(other.address()) as wire:
                    wire.log_in()
                    wire.send(query("SELECT 1"))
                    impostor_ends = threading.Timer(3, impostor.close)
                    impostor_ends.start()
                    errors = [each.fields["C"] for each in wire.read_all() if each.kind == "E"]
                    impostor_ends.cancel()
                self.assertEqual([code[:2] for code in errors], ["08"])

    def test_no_key(self):
        """blue gives no BackendKeyData → the client has a key all the same, and a cancel that goes nowhere does no harm"""
        impostor = Impostor(AUTHENTICATED + READY, "answer")
        impostor.reply = message("C", b"SELECT 0\0") + READY
        self.addCleanup(impostor.close)
        other = self.start(impostor.port)
        with Stopwatch(8), Wire(other.address()) as wire:
            wire.log_in()
            self.assertEqual(len(wire.key), 8)
            cancel(other.address(), wire.key)
            self.assertEqual([each.kind for each in wire.ask("SELECT 1")], ["C", "Z"])

    def test_green_is_dead(self):
        """green refuses, reads are moved there → an error of class 08 in bounded time; back on blue all is well"""
        other = proxy.Proxy(proxy.configuration(proxy.pair(green=free_port()), limits={"connect_timeout": "1s"}))
        self.addCleanup(other.stop)
        with Wire(other.address()) as wire:
            wire.log_in()
            self.assertEqual(wire.rows("SELECT name FROM side"), [[b"blue"]])
            other.shift(100)
            with Stopwatch(5):
                wire.send(query("SELECT name FROM side"))
                errors = []
                try:
                    errors = [each.fields["C"] for each in wire.read_until("Z") if each.kind == "E"]
                except Closed:
                    pass
            self.assertIn([code[:2] for code in errors], (["08"], []))
        other.shift(0)
        with Wire(other.address()) as wire:
            wire.log_in()
            self.assertEqual(wire.rows("SELECT name FROM side"), [[b"blue"]])


class RunningFaults(Through):
    """Faults of a backend that serves: a third cluster, so that the shared ones stay whole."""

    @classmethod
    def settings(cls):
        cls.victim = Cluster("victim", house().scratch)
        cls.victim.create()
        cls.addClassCleanup(cls.victim.stop, signal.SIGQUIT)
        cls.victim.start()
        cls.victim.fill()
        return proxy.configuration(proxy.pair(blue=cls.victim.port), limits={"connect_timeout": "2s"})

    def sleeper(self):
        wire = Wire(self.proxy.address(), seconds=30)
        self.addCleanup(wire.close)
        wire.log_in()
        pid = int(wire.rows("SELECT pg_backend_pid(), name FROM side")[0][0])
        wire.send(query("SELECT pg_sleep(50)"))
        until(lambda: self.victim.sessions(f"pid = {pid} AND state = 'active'"), "the statement runs")
        return wire, pid

    def codes(self, wire):
        return [(each.fields["C"], each.fields["S"]) for each in wire.read_all() if each.kind == "E"]

    def test_terminated(self):
        """pg_terminate_backend while a statement runs → 57P01 FATAL, closed, at once"""
        wire, pid = self.sleeper()
        with Stopwatch(5):
            self.victim.query("SELECT pg_terminate_backend(%s)", (pid,))
            self.assertEqual(self.codes(wire), [("57P01", "FATAL")])

    def test_terminated_idle(self):
        """pg_terminate_backend of an idle session → the client learns it at once, or at its next statement"""
        wire = Wire(self.proxy.address())
        self.addCleanup(wire.close)
        wire.log_in()
        pid = int(wire.rows("SELECT pg_backend_pid()")[0][0])
        self.victim.query("SELECT pg_terminate_backend(%s)", (pid,))
        until(lambda: not self.victim.sessions(f"pid = {pid}"), "the backend is gone")
        try:
            wire.send(query("SELECT 1"))
            messages = wire.read_until("Z")
        except Closed:
            return  # closed, after or without words: the client knows
        codes = [each.fields["C"] for each in messages if each.kind == "E"]
        self.assertTrue(codes == [] or codes[0] in ("57P01", "08006"), codes)

    def test_killed(self):
        """kill -9 of the backend while a statement runs → the server's crash reaches all; a new session after the restart"""
        self.addCleanup(until, self.victim.is_up, "the server has recovered", 30)
        wire, pid = self.sleeper()
        bystander, _ = self.sleeper()
        with Stopwatch(10):
            os.kill(pid, signal.SIGKILL)
            self.assertIn(self.codes(wire), ([("08006", "FATAL")], [("57P02", "FATAL")]))
            self.assertIn(self.codes(bystander), ([("57P02", "FATAL")], [("08006", "FATAL")]))
        until(self.victim.is_up, "the server has recovered", 30)
        self.assert_side(self.connect(), "victim")

    def test_crash_and_restart(self):
        """an immediate stop while statements run → an error and a close; refused while down; served after the start"""
        self.addCleanup(self.victim.restart_if_down)
        wires = [self.sleeper()[0] for _ in range(3)]
        with Stopwatch(15):
            self.victim.stop(signal.SIGQUIT)
            for wire in wires:
                codes = self.codes(wire)
                self.assertEqual(len(codes), 1, codes)
                self.assertIn(codes[0][0], ("57P01", "57P02", "08006"))
        with Stopwatch(10), Wire(self.proxy.address()) as late:
            late.send(startup({"user": "postgres", "database": "shop"}), query("SELECT 1"))
            self.assertEqual(self.codes(late), [("08006", "FATAL")])
        self.victim.start()
        self.assert_side(self.connect(), "victim")

    def test_refused_by_server(self):
        """a server that refuses with too many clients → its own code, 53300"""
        self.victim.query("ALTER ROLE app_trust CONNECTION LIMIT 0")
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "app_trust", "database": "shop"}), query("SELECT 1"))
            self.assertEqual(self.codes(wire), [("53300", "FATAL")])
        self.victim.query("ALTER ROLE app_trust CONNECTION LIMIT -1")

    def test_frozen(self):
        """a backend that is stopped (SIGSTOP) while others run → the others are served; it goes on when continued"""
        wire = Wire(self.proxy.address(), seconds=30)
        self.addCleanup(wire.close)
        wire.log_in()
        pid = int(wire.rows("SELECT pg_backend_pid()")[0][0])
        os.kill(pid, signal.SIGSTOP)
        try:
            wire.send(query("SELECT 8"))
            with Stopwatch(5):
                self.assert_side(self.connect(), "victim")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[b"8"]])
