"""TLS between Crossfade and the servers: every sslmode, certificates, names, and servers that will not."""

import socket
import threading

import proxy
from certificates import certificates
from clusters import free_port, house
from through import Through, side_of
from waiting import Stopwatch, until
from wire import Wire, cancel, query, startup

USERS = {name: {"authentication": "trust"} for name in ("postgres", "app_trust", "app_cert", "app_tls", "app_plain")}
ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def pair(mode, **tls):
    """A pair with both sides in this sslmode."""
    sides = proxy.sides_of(house().blue.port, house().green.port, mode=mode, **tls)
    return {**proxy.pair(users=USERS), **sides}


class Plainspoken:
    """A server that answers whatever it is told to, once per connection."""

    def __init__(self, answer):
        self.port, self.answer = free_port(), answer
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            connection.recv(8)
            connection.sendall(self.answer)
            while connection.recv(4096):
                pass

    def close(self):
        self.listener.close()


class BackendTls(Through):
    """Pairs that differ in their `tls` only, by name."""

    @classmethod
    def settings(cls):
        authority = str(certificates().authority.certificate)
        stranger = str(certificates().stranger.certificate)
        certificate, key = (str(each) for each in certificates().app)
        cls.nay, cls.garbler, cls.mute = Plainspoken(b"N"), Plainspoken(b"S" + b"HTTP/1.1 400 no\r\n\r\n"), Plainspoken(b"")
        cls.slow_garbler = Plainspoken(b"S")
        for each in (cls.nay, cls.garbler, cls.mute, cls.slow_garbler):
            cls.addClassCleanup(each.close)
        pairs = {mode: pair(mode) for mode in ("disable", "allow", "prefer", "require")}
        pairs["verify-ca"] = pair("verify-ca", ca_file=authority, server_name="elsewhere.example")
        pairs["verify-full"] = pair("verify-full", ca_file=authority)
        pairs["named"] = pair("verify-full", ca_file=authority, server_name="localhost")
        pairs["wrong-name"] = pair("verify-full", ca_file=authority, server_name="elsewhere.example")
        pairs["wrong-authority"] = pair("verify-ca", ca_file=stranger)
        pairs["with-certificate"] = pair("verify-full", ca_file=authority, certificate_file=certificate, key_file=key)
        for name, port in (("nay", cls.nay.port), ("garbler", cls.garbler.port), ("mute", cls.mute.port),
                           ("slow-garbler", cls.slow_garbler.port)):
            pairs[name] = {**pair("require"), **proxy.sides_of(port, house().green.port, mode="require")}
        return proxy.configuration(proxy.pair(users=USERS), pairs, limits={"connect_timeout": "2s"})

    def is_encrypted(self, pair_name, user="app_trust"):
        return self.value(self.connect(user=user, pair_name=pair_name), ENCRYPTED)

    def refused(self, pair_name, user="app_trust"):
        """The ErrorResponse of a session that cannot be had, which comes in time."""
        with Stopwatch(8), Wire(self.proxy.address(pair_name)) as wire:
            wire.send(startup({"user": user, "database": "shop"}))
            return [each for each in wire.read_all() if each.kind == "E"][-1].fields

    def test_every_sslmode(self):
        """a server that takes both, each sslmode → encrypted where libpq would be, on both sides"""
        expected = {"disable": False, "allow": False, "prefer": True, "require": True, "verify-ca": True, "verify-full": True,
                    "named": True}
        for name, is_encrypted in expected.items():
            with self.subTest(pair=name):
                connection = self.connect(user="app_trust", pair_name=name)
                self.assertEqual(self.value(connection, ENCRYPTED), is_encrypted)
                self.proxy.shift(100, pair_name=name)
                self.assertEqual(side_of(connection), "green")
                self.assertEqual(self.value(connection, ENCRYPTED), is_encrypted)
                self.proxy.shift(0, pair_name=name)

    def test_server_insists(self):
        """a user only taken with TLS, or only without → allow and prefer find the way, disable and require do not"""
        self.assertTrue(self.is_encrypted("allow", "app_tls"))
        self.assertTrue(self.is_encrypted("prefer", "app_tls"))
        self.assertFalse(self.is_encrypted("allow", "app_plain"))
        self.refused("disable", "app_tls")
        self.refused("require", "app_plain")

    def test_certificate_login(self):
        """a server that asks for a certificate → the configured one opens it; without one it stays shut"""
        self.assertTrue(self.is_encrypted("with-certificate", "app_cert"))
        self.refused("verify-full", "app_cert")

    def test_catalogue(self):
        """a user taken with TLS only → blue's catalogue is read all the same: a stable function becomes a read"""
        connection = self.connect(user="app_tls", pair_name="named")
        self.proxy.shift(100, pair_name="named")
        self.addCleanup(self.proxy.shift, 0, pair_name="named")
        until(lambda: self.value(connection, "SELECT peek()") == "green", "the catalogue says that peek() is stable")

    def test_wrong_certificate(self):
        """a server with another name or of another authority → 08001, no inner name told"""
        for name in ("wrong-name", "wrong-authority"):
            with self.subTest(pair=name):
                error = self.refused(name)
                self.assertEqual(error["C"], "08001")
                self.assertEqual(error["M"], "could not establish an encrypted connection to the database server")
        self.assertIn("certificate verify failed", self.proxy.log.read_text(errors="replace"))

    def test_server_without_tls(self):
        """TLS is required, and the server says N, speaks nonsense or nothing at all → refused in time"""
        self.assertEqual(self.refused("nay")["C"], "08001")
        self.assertIn(self.refused("garbler")["C"], ("08001", "08P01"))
        self.assertEqual(self.refused("mute")["C"], "08006")
        self.assertEqual(self.refused("slow-garbler")["C"], "08006")

    def test_large_replies(self):
        """megabytes through TLS to a server → byte for byte"""
        connection = self.connect(user="app_trust", pair_name="require")
        self.assertEqual(self.value(connection, "SELECT length(%s)", ("y" * 3_000_000,)), 3_000_000)
        self.assertEqual(self.value(connection, "SELECT repeat('z', 5000000)"), "z" * 5_000_000)

    def test_cancel(self):
        """a cancel on its way to a server that only talks TLS → encrypted too, 57014"""
        for name in ("prefer", "verify-full"):
            with Wire(self.proxy.address(name), seconds=60) as wire:
                wire.log_in(user="app_trust")
                wire.send(query("/* behind tls */ SELECT pg_sleep(50)"))
                until(lambda: self.house.blue.sessions("state = 'active' AND query LIKE '%behind tls%'"), "it runs")
                with Stopwatch(10):
                    cancel(self.proxy.address(name), wire.key)
                    self.assertEqual([each for each in wire.read_until("Z") if each.kind == "E"][0].fields["C"], "57014")
