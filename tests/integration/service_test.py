"""How a service manager sees it: words on NOTIFY_SOCKET, sockets that are handed over, the unit file."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import proxy
from clusters import house
from through import Through
from waiting import until
from wire import Wire, query

# Does what systemd does between fork and exec, which subprocess has no word for, and becomes the program.
PASSING = """\
import os, sys
names, numbers, *words = sys.argv[1:]
for place, number in enumerate(numbers.split(",")):
    os.dup2(int(number), 100 + place)
for place in range(len(names.split(":"))):
    os.dup2(100 + place, 3 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names.split(":"))), LISTEN_FDNAMES=names)
os.execv(words[0], words)
"""


class Listening:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.heard = []

    def hear(self):
        self.socket.setblocking(False)
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return self.heard

    def wait_for(self, words, count=1):
        return until(lambda: [each for each in self.hear() if words in each][count - 1:], f"it says {words}")[0]


class Service(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=house().scratch)
        self.manager = Listening(self.folder)
        self.environment = {**os.environ, "NOTIFY_SOCKET": self.manager.path}

    def start(self, settings, words=(), **more):
        started = proxy.Proxy(settings, words, env={**self.environment, **more})
        self.addCleanup(started.stop)
        return started

    def test_words(self):
        """start, reload, a reload that is refused, a watchdog, an end → told in systemd's words"""
        settings = proxy.configuration()
        started = self.start(settings, WATCHDOG_USEC="200000")
        self.assertIn("STATUS=serving shop on 127.0.0.1:", self.manager.wait_for("READY=1"))
        self.manager.wait_for("WATCHDOG=1", 3)
        started.process.send_signal(signal.SIGHUP)
        self.assertRegex(self.manager.wait_for("RELOADING=1"), r"MONOTONIC_USEC=\d+\n")
        self.manager.wait_for("READY=1", 2)
        started.rewrite({**settings, "nonsense": 1})
        started.process.send_signal(signal.SIGHUP)
        self.assertIn("configuration has errors", self.manager.wait_for("READY=1", 3))
        started.process.send_signal(signal.SIGTERM)
        self.manager.wait_for("STOPPING=1")

    def test_new_binary(self):
        """SIGUSR2 → the binary on disk takes over, and the service manager is told who is the service"""
        settings = proxy.configuration(takeover={"socket": os.path.join(self.folder, "takeover")})
        started = self.start(settings, WATCHDOG_USEC="60000000")
        host, port = started.address()
        with Wire((host, port)) as wire:
            wire.log_in()
            started.process.send_signal(signal.SIGUSR2)
            successor = int(self.manager.wait_for("MAINPID=").partition("=")[2])
            self.addCleanup(self.end, successor)
            self.assertNotEqual(successor, started.process.pid)
            self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])
        until(lambda: started.process.poll() is not None, "the process before ends")
        with Wire((host, port)) as wire:
            wire.log_in()
            self.assertEqual(wire.rows("SELECT 2"), [[b"2"]])

    def end(self, process):
        os.kill(process, signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{process}") or
              pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z", "it ends")

    def test_sockets_that_are_handed_over(self):
        """sockets of the service manager, by address and by name → used, and the port is never ours to open"""
        by_address, by_name, unknown = (socket.create_server(("127.0.0.1", 0)) for _ in range(3))
        port = by_address.getsockname()[1]
        settings = proxy.configuration({**proxy.pair(), "listen": f"127.0.0.1:{port}"}, {"second": proxy.pair()})
        given = [each.fileno() for each in (by_address, by_name, unknown)]
        for each in (by_address, by_name, unknown):
            self.addCleanup(each.close)
        before = [sys.executable, "-c", PASSING, "whatever:second:stray", ",".join(map(str, given))]
        started = proxy.Proxy(settings, before=before, env=self.environment, pass_fds=given)
        self.addCleanup(started.stop)
        self.assertEqual(started.address(), ("127.0.0.1", port))
        self.assertEqual(started.address("second")[1], by_name.getsockname()[1])
        self.assertIn("stray", started.log.read_text())
        for name in ("shop", "second"):
            with Wire(started.address(name)) as wire:
                wire.log_in()
                self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])

    def test_unit_file(self):
        """the unit files → nothing that systemd-analyze would complain of"""
        for name in ("crossfade.service", "crossfade.socket"):
            text = (proxy.ROOT / "docker" / "packaging" / name).read_text().replace("/usr/bin/crossfade", proxy.CROSSFADE)
            pathlib.Path(self.folder, name).write_text(text)
        told = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", os.path.join(self.folder, "crossfade.service"),
                               os.path.join(self.folder, "crossfade.socket")], capture_output=True, text=True, check=False)
        own = [line for line in told.stderr.splitlines() if "crossfade" in line]
        self.assertEqual(own, [])


class Draining(Through):
    """SIGTERM where connections are shared."""

    def test_drain(self):
        """SIGTERM with idle clients, one in a transaction, one that waits for its turn → each ends at its own boundary"""
        settings = proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 1}), workers=1,
                                       limits={"shutdown_timeout": "20s"})
        started = proxy.Proxy(settings)
        self.addCleanup(started.kill)
        idle, holder, waiting = (Wire(started.address(), seconds=30) for _ in range(3))
        for wire in (idle, holder, waiting):
            self.addCleanup(wire.close)
            wire.log_in()
        holder.rows("BEGIN")
        waiting.send(query("SELECT 'served'"))
        until(lambda: started.status()["clients"] == 3, "all are here")
        started.process.send_signal(signal.SIGTERM)
        self.assertEqual([each.fields["C"] for each in idle.read_all() if each.kind == "E"], ["57P01"])
        self.assertEqual(started.ask("GET", "/readyz").status, 503)
        self.assertEqual(started.ask("POST", "/api/v1/reload").status, 409)
        self.assertEqual(holder.rows("SELECT 2"), [[b"2"]])
        holder.send(query("COMMIT"))
        self.assertEqual([each.fields["C"] for each in holder.read_all() if each.kind == "E"], ["57P01"])
        said = waiting.read_all()
        self.assertEqual([each.row for each in said if each.kind == "D"], [[b"served"]])
        self.assertEqual([each.fields["C"] for each in said if each.kind == "E"], ["57P01"])
        started.stop()

    def test_drain_ends(self):
        """SIGTERM while a transaction stays open → cut off after shutdown_timeout"""
        settings = proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 1}), limits={"shutdown_timeout": "300ms"})
        started = proxy.Proxy(settings)
        self.addCleanup(started.kill)
        wire = Wire(started.address(), seconds=30)
        self.addCleanup(wire.close)
        wire.log_in()
        wire.rows("BEGIN")
        started.process.send_signal(signal.SIGTERM)
        self.assertEqual([each.fields["C"] for each in wire.read_all() if each.kind == "E"], ["57P01"])
        started.stop()
