"""A new process takes over the sockets of the running one: nobody is refused, nobody is dropped, nothing is half done."""

import os
import pathlib
import pwd
import signal
import socket
import subprocess
import tempfile
import unittest

import proxy
from clusters import BIN, house
from through import Through, side_of
from waiting import Stopwatch, until
from wire import Wire, cancel, query


class Generation(proxy.Proxy):
    """A process in the place of another one, with its configuration."""

    def __init__(self, before, settings, **more):
        self.before = before
        super().__init__(settings, ["--takeover"], **more)


class Takeover(Through):
    @classmethod
    def settings(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(dir=house().scratch))
        cls.folder.chmod(0o755)
        cls.control = cls.folder / "takeover"
        return proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 8}),
                                   takeover={"socket": str(cls.control), "start_timeout": "20s", "session_timeout": "60s"})

    def renew(self, settings=None):
        """A new process, accepting; the one before it."""
        before = type(self).proxy
        addresses = dict(before.addresses)
        fresh = Generation(before, settings or self.settings_now())
        type(self).proxy = fresh
        self.addClassCleanup(fresh.stop)
        self.assertEqual(fresh.addresses, addresses)
        return before

    def settings_now(self):
        return {**proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 8})),
                "takeover": {"socket": str(self.control), "start_timeout": "20s", "session_timeout": "60s"}}

    def assert_ends(self, process):
        until(lambda: process.process.poll() is not None, "the process before ends by itself", 20)
        self.assertEqual(process.process.returncode, 0, process.words())

    def refused(self, settings=None, **more):
        """What a new process says that may not take over."""
        with self.assertRaises(AssertionError) as caught:
            Generation(self.proxy, settings or self.settings_now(), **more)
        return str(caught.exception)

    def test_three_times_under_load(self):
        """three takeovers under pgbench with and without reconnects → no error, no refused connect, old processes end"""
        first = type(self).proxy
        with tempfile.TemporaryDirectory() as folder:
            runs = [subprocess.Popen([BIN / "pgbench", "-n", "-S", "-c", "4", "-T", "6", *words], cwd=folder,
                                     env=self.environment(database="bench"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    for words in ((), ("-C",))]
            until(lambda: first.status()["clients"] >= 4, "the load is there")
            before = [self.renew() for _ in range(3)]
            for run in runs:
                words = run.communicate(timeout=60)[0]
                self.assertEqual(run.returncode, 0, words)
                self.assertNotIn("aborted", words)
        for each in before:
            self.assert_ends(each)

    def test_sessions_and_cancels(self):
        """sessions of two processes before → live on, and cancel requests reach them through the newest one"""
        wires = []
        for turn in range(3):
            wire = Wire(self.proxy.address(), seconds=60)
            self.addCleanup(wire.close)
            wire.log_in()
            wire.send(query(f"/* generation {turn} */ SELECT pg_sleep(50)"))
            until(lambda mark=turn: self.house.blue.sessions(f"state = 'active' AND query LIKE '%generation {mark} %'"), "it sleeps")
            wires.append(wire)
            if turn < 2:
                self.renew()
        self.assertEqual(len({wire.key[:4] for wire in wires}), 3)
        wrong = wires[0].key[:-1] + bytes([wires[0].key[-1] ^ 1])
        cancel(self.proxy.address(), wrong)
        self.assertEqual(len(self.house.blue.sessions("state = 'active' AND query LIKE '%generation%'")), 3)
        for wire in wires:
            with Stopwatch(10):
                cancel(self.proxy.address(), wire.key)
                error = [each for each in wire.read_until("Z") if each.kind == "E"][0]
            self.assertEqual(error.fields["C"], "57014")
            self.assertEqual(wire.rows("SELECT 3"), [[b"3"]])
        wires[1].close()
        until(lambda: self.proxy.status()["clients"] == 1, "the newest has its own")
        self.assertEqual(wires[0].rows("SELECT 4"), [[b"4"]])
        wires[0].close()

    def test_weights(self):
        """weights moved at run time → the new process goes on with them, and with the way back"""
        self.proxy.shift(40)
        self.proxy.shift(100)
        epoch = self.proxy.status()["epoch"]
        before = self.renew()
        status = self.proxy.status()
        self.assertEqual((status["rules"][0]["reads"]["green"], status["epoch"]), (100, epoch))
        self.assertEqual(side_of(self.connect()), "green")
        self.assertEqual(self.proxy.ask("POST", "/api/v1/pairs/shop/rollback").json["rules"][0]["reads"]["green"], 40)
        self.assert_ends(before)

    def test_bad_configuration(self):
        """a new process whose configuration is wrong, or whose certificate is → it ends, the old one goes on"""
        connection = self.connect()
        bad = self.settings_now()
        bad["pairs"]["shop"]["tls"] = {"mode": "require", "certificate_file": str(self.folder / "no"), "key_file": str(self.folder / "no")}
        self.refused(bad)
        bad = self.settings_now()
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        bad["pairs"]["other"] = {**proxy.pair(), "listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        self.assertIn("cannot listen", self.refused(bad))
        until(lambda: "did not take over" in self.proxy.log.read_text(), "the old one has noticed")
        self.assertEqual(self.value(connection, "SELECT 1"), 1)
        self.assertEqual(self.value(self.connect(), "SELECT 1"), 1)
        self.proxy.shift(0)

    def half_done(self):
        """A takeover that has begun and goes no further."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(line.close)
        line.connect(str(self.control))
        line.settimeout(10)
        words, ended = [], False
        while not ended:
            text, descriptors, _, _ = socket.recv_fds(line, 65536, 4)
            for each in descriptors:
                os.close(each)
            words.append(text.decode())
            ended = words[-1].startswith(("end", "refused"))
        return line, words

    def test_crash_in_the_middle(self):
        """a new process that dies before, or after it was told to go → the old one goes on as if nothing had happened"""
        for last in (None, b"prepared"):
            with self.subTest(last=last):
                line, words = self.half_done()
                self.assertTrue(words[1].startswith("pair shop "), words)
                self.assertEqual(self.proxy.ask("POST", "/api/v1/reload").status, 409)
                if last:
                    line.send(last)
                    self.assertEqual(line.recv(100), b"go")
                line.close()
                until(lambda: self.proxy.reload().status == 200, "changes are possible again")
                connection = self.connect()
                self.assertEqual(self.value(connection, "SELECT 1"), 1)
                connection.close()  # the old process stays as long as its sessions do
        self.assert_ends(self.renew())

    def test_second_takeover(self):
        """another takeover while one is under way → refused"""
        line, _ = self.half_done()
        self.assertIn("a takeover is under way", self.refused())
        line.close()
        until(lambda: self.proxy.reload().status == 200, "the first one is over")

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_other_users(self):
        """another user → cannot connect; where the file lets it, it is refused"""
        other = pwd.getpwnam("postgres")
        self.assertEqual(self.control.stat().st_mode & 0o777, 0o600)
        settings = self.settings_now()
        readable = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
        self.assertIn("Permission denied", self.refused(settings, **readable))
        self.control.chmod(0o666)
        self.addCleanup(self.control.chmod, 0o600)
        self.assertRegex(self.refused(settings, **readable), "another user")
        self.assertEqual(self.value(self.connect(), "SELECT 1"), 1)

    def test_nobody_there(self):
        """nobody to take over from, or no path configured → told, and nothing begun; two fresh ones on one path → refused"""
        settings = self.settings_now()
        settings["takeover"]["socket"] = str(self.folder / "nobody")
        self.assertIn("nobody to take over from", self.refused(settings))
        del settings["takeover"]
        self.assertIn("takeover.socket", self.refused(settings))
        with self.assertRaises(AssertionError) as caught:
            proxy.Proxy(self.settings_now())
        self.assertIn("--takeover", str(caught.exception))

    def test_end_of_time(self):
        """sessions that outlive session_timeout → ended at their boundary, by the process before"""
        short = self.settings_now()
        short["takeover"]["session_timeout"] = "0s"
        self.proxy.rewrite(short)
        self.assertEqual(self.proxy.reload().status, 200)
        wire = Wire(self.proxy.address())
        self.addCleanup(wire.close)
        wire.log_in()
        before = self.renew()
        self.assertEqual([each.fields["C"] for each in wire.read_all() if each.kind == "E"], ["57P01"])
        self.assert_ends(before)

    def test_stop_while_leaving(self):
        """SIGTERM to the process before → its idle sessions end; the new one is not touched"""
        wire = Wire(self.proxy.address())
        self.addCleanup(wire.close)
        wire.log_in()
        before = self.renew()
        self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])
        before.process.send_signal(signal.SIGTERM)
        self.assertEqual([each.fields["C"] for each in wire.read_all() if each.kind == "E"], ["57P01"])
        self.assert_ends(before)
        self.assertTrue(self.control.exists())
        self.assertEqual(self.value(self.connect(), "SELECT 1"), 1)
