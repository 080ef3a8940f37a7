"""PAUSE and RESUME: requests wait, connections stay, and a server may restart meanwhile."""

import re
import subprocess
import threading

import psycopg2

import proxy
from clusters import BIN
from through import Through, side_of
from waiting import Stopwatch, until
from wire import Wire, query

PAUSES = 50


class Pausing(Through):
    """What both pool modes have in common."""

    def hold(self, what, **body):
        reply = self.proxy.ask("POST", f"/api/v1/pairs/shop/{what}", body or None)
        self.assertEqual(reply.status, 200, reply.text)
        self.assertTrue(reply.json["acknowledged_by_all"], reply.text)
        return reply.json

    def setUp(self):
        super().setUp()
        self.addCleanup(self.hold, "resume")

    def pause(self, **body):
        self.hold("pause", **body)
        until(lambda: self.proxy.status()["sessions_working"] == 0, "nobody works any more")

    def start(self, work):
        """`work` on a thread; joined after the case."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(work()))
        thread.start()
        self.addCleanup(thread.join, 30)
        return thread, answers

    def until_held(self, count):
        until(lambda: self.proxy.status()["sessions_held"] == count, f"{count} sessions wait")

    def check_waits(self):
        """A request of an idle client, one of a client in a transaction, and a login."""
        idle, busy = self.connect(), self.connect()
        self.query(busy, "BEGIN")
        self.query(busy, "INSERT INTO log VALUES ('before the pause')")
        self.hold("pause")
        held, answers = self.start(lambda: side_of(idle))
        self.until_held(1)
        late, logins = self.start(lambda: side_of(self.connect()))
        self.until_held(2)
        self.assertEqual(self.value(busy, "SELECT 1"), 1)
        self.assertEqual(self.proxy.status()["sessions_working"], 1)
        self.query(busy, "COMMIT")
        until(lambda: self.proxy.status()["sessions_working"] == 0, "the transaction is over")
        self.assertEqual((answers, logins), ([], []))
        with Stopwatch(5):
            self.hold("resume")
            for thread in (held, late):
                thread.join(30)
        self.assertEqual((answers, logins), (["blue"], ["blue"]))

    def check_restart(self):
        """The server restarts inside a pause; what an idle client had set is still there."""
        idle, waiting = self.connect(), self.connect()
        self.query(idle, "SET work_mem TO '5MB'")
        side_of(waiting)
        self.pause()
        held, answers = self.start(lambda: side_of(waiting))
        self.until_held(1)
        self.house.blue.stop()
        self.addCleanup(self.house.blue.restart_if_down)
        self.house.blue.start()
        self.hold("resume")
        held.join(30)
        self.assertEqual(answers, ["blue"])
        self.assertEqual(self.value(idle, "SHOW work_mem"), "5MB")


class BySession(Pausing):
    def test_waits(self):
        """a pause, by session → requests and logins wait, a transaction ends in peace, a release lets all go at once"""
        self.check_waits()

    def test_restart(self):
        """the server restarts inside a pause, by session → no client notices"""
        self.check_restart()


class ByTransaction(Pausing):
    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 4}))

    def test_waits(self):
        """a pause, by transaction → requests and logins wait, a transaction ends in peace, a release lets all go at once"""
        self.check_waits()

    def test_restart(self):
        """the server restarts inside a pause, by transaction → no client notices"""
        self.check_restart()

    def test_no_connection_stays(self):
        """a pause that is complete → no connection to any server stays open, so that a database can be dropped"""
        side_of(self.connect(application_name="left"))
        self.pause()
        until(lambda: not self.house.blue.sessions("application_name = 'left'"), "it is closed")

    def test_one_database(self):
        """one database is paused → the other goes on, and status says which"""
        self.pause(database="bench")
        self.assertEqual(self.proxy.status()["held"], {"pair": None, "databases": {"bench": "everything"}})
        side_of(self.connect())
        thread, answers = self.start(lambda: self.value(self.connect(database="bench"), "SELECT 1"))
        self.until_held(1)
        self.hold("resume", database="bench")
        thread.join(30)
        self.assertEqual(answers, [1])

    def test_client_leaves(self):
        """a client goes away while its write waits → the write never runs, and others go on"""
        with Wire(self.proxy.address()) as gone:
            gone.log_in()
            self.pause()
            gone.send(query("INSERT INTO log VALUES ('of one who left')"))
            self.until_held(1)
        self.until_held(0)
        self.hold("resume")
        self.assertEqual(self.value(self.connect(), "SELECT count(*) FROM log WHERE line = 'of one who left'"), 0)

    def test_fifty_pauses(self):
        """fifty pauses under the load of pgbench → each is complete, no error, no lost connection"""
        words = [BIN / "pgbench", "-n", "-M", "prepared", "-c", "8", "-j", "8", "-T", "600"]
        process = subprocess.Popen(words, env=self.environment(database="bench"), text=True, cwd="/",
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.kill)
        until(lambda: self.proxy.status()["clients"] == 8, "pgbench works")
        for _ in range(PAUSES):
            self.pause()
            done = self.transactions()
            self.assertEqual(self.transactions(), done)
            self.hold("resume")
            until(lambda: self.transactions() > done or process.poll() is not None, "it goes on")
        self.assertIsNone(process.poll(), "pgbench ended too early")
        process.terminate()
        text = process.communicate(timeout=30)[0]
        self.assertIsNone(re.search(r"error|aborted|FATAL", text), text)

    def transactions(self):
        return sum(self.proxy.status()["sides"][side]["requests"] for side in ("blue", "green"))


class Impatient(Pausing):
    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(pool={"mode": "transaction", "queue_timeout": "200ms"}))

    def test_timeout(self):
        """a pause longer than queue_timeout → 57P03 to who waits; who does not is not disturbed"""
        idle = self.connect()
        with Wire(self.proxy.address()) as waiting:
            waiting.log_in()
            self.pause()
            waiting.send(query("SELECT 1"))
            error = waiting.read()
            self.assertEqual((error.kind, error.fields["C"]), ("E", "57P03"))
        with self.assertRaises(psycopg2.OperationalError):
            self.connect()
        self.hold("resume")
        side_of(idle)


class Bounded(Pausing):
    @classmethod
    def settings(cls):
        return proxy.configuration(limits={"held_bytes_max": "64KiB"})

    def test_bound(self):
        """requests that wait, together beyond the limit of the process → the last is told 53400, the others are answered"""
        asked = query(f"SELECT length('{'x' * 40_000}')")
        wires = [Wire(self.proxy.address()) for _ in range(3)]
        for wire in wires:
            self.addCleanup(wire.close)
            wire.log_in()
        self.pause()
        wires[0].send(asked)
        self.until_held(1)
        wires[1].send(asked)
        self.assertEqual([each.fields["C"] for each in wires[1].read_all() if each.kind == "E"], ["53400"])
        wires[2].send(query("SELECT 1"))  # what fits is still taken
        self.until_held(2)
        self.hold("resume")
        for wire, row in ((wires[0], b"40000"), (wires[2], b"1")):
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[row]])
