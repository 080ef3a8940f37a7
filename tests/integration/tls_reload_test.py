"""Certificates that change under load, what an idle encrypted client costs, and `crossfade check`."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading

import yaml

import proxy
from certificates import certificates
from through import Through
from tls_client_test import USERS, TlsWire, context_for_client, towards_clients
from waiting import until

CLIENTS = 60
# OpenSSL's own objects are some 14 KiB; with Crossfade's and the backend's the goal is 18. A sanitiser keeps what
# handshakes and logins have freed, some 400 for each, which says nothing of an idle client: there the bound only catches what grows without end.
IDLE_KIBIBYTES_MAX = 24 if "/test-" not in proxy.CROSSFADE else 800


class Reload(Through):
    @classmethod
    def settings(cls):
        cls.folder = tempfile.mkdtemp(dir=proxy.house().scratch)
        cls.live = [os.path.join(cls.folder, name) for name in ("live.crt", "live.key")]
        cls.put(certificates().server)
        return proxy.configuration(proxy.pair(users=USERS, tls=towards_clients("require", cls.live)))

    @classmethod
    def put(cls, pair):
        for source, target in zip(pair, cls.live):
            shutil.copy(source, target)
            os.chmod(target, 0o600)

    def shown(self):
        """The certificate that a new connection is shown."""
        with TlsWire(self.proxy.address(), context_for_client()) as wire:
            wire.log_in()
            return wire.socket.getpeercert(binary_form=True)

    def hang_up(self, words):
        said = self.proxy.log.read_text(errors="replace").count(words)
        self.proxy.process.send_signal(signal.SIGHUP)
        until(lambda: self.proxy.log.read_text(errors="replace").count(words) > said, words)

    def test_under_load(self):
        """certificates exchanged five times while clients work → new ones are shown, no session ends, a bad file changes nothing"""
        stop, done, failures = threading.Event(), [0] * 4, []

        def work(number):
            try:
                with TlsWire(self.proxy.address()) as wire:
                    wire.log_in()
                    while not stop.is_set():
                        assert wire.rows(f"SELECT {done[number]}") == [[str(done[number]).encode()]]
                        done[number] += 1
            except Exception as error:  # noqa: BLE001  (whatever ends a session is a finding)
                failures.append(repr(error))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        seen = set()
        for turn in range(5):
            self.put(certificates().elsewhere if turn % 2 == 0 else certificates().server)
            self.hang_up("the configuration was reloaded")
            seen.add(self.shown())
        self.assertEqual(len(seen), 2)
        before = self.shown()
        with open(self.live[0], "w") as file:
            file.write("no certificate at all\n")
        self.hang_up("was not reloaded, nothing has changed")
        self.assertEqual(self.shown(), before)
        counts = list(done)
        until(lambda: failures or all(now > then for now, then in zip(done, counts)), "all go on")
        stop.set()
        for worker in workers:
            worker.join(20)
        self.assertEqual(failures, [])

    def test_idle_memory(self):
        """idle encrypted clients, each with its backend → a bounded number of KiB each; tests/bench/idle.py is more exact"""
        self.put(certificates().server)
        self.hang_up("the configuration was reloaded")
        wires = []
        self.addCleanup(lambda: [wire.close() for wire in wires])

        def join(count):
            for _ in range(count):
                wire = TlsWire(self.proxy.address())
                wires.append(wire)
                wire.log_in()
                self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])

        join(20)
        before = self.proxy.resident_kilobytes()
        join(CLIENTS)
        self.assertLess((self.proxy.resident_kilobytes() - before) / CLIENTS, IDLE_KIBIBYTES_MAX)

    def check(self, settings):
        path = os.path.join(self.folder, "checked.yaml")
        with open(path, "w") as file:
            yaml.safe_dump(settings, file)
        os.chmod(path, 0o600)
        return subprocess.run([proxy.CROSSFADE, "check", path], capture_output=True, text=True, check=False)

    def test_check(self):
        """`crossfade check` → reads the files: a key of another certificate, or one open to others, is told"""
        certificate, key = certificates().server
        good = proxy.configuration(proxy.pair(users=USERS, tls=towards_clients("prefer")))
        self.assertEqual(self.check(good).returncode, 0)
        wrong = self.check(proxy.configuration(proxy.pair(users=USERS, tls=towards_clients("prefer", (certificate, certificates().app[1])))))
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("key values mismatch", wrong.stderr)
        opened = os.path.join(self.folder, "open.key")
        shutil.copy(key, opened)
        os.chmod(opened, 0o644)
        closed = self.check(proxy.configuration(proxy.pair(users=USERS, tls=towards_clients("prefer", (certificate, opened)))))
        self.assertNotEqual(closed.returncode, 0)
        self.assertIn("chmod 600", closed.stderr)
