"""Clients over a local socket: as over TCP, and by the name of their user."""

import os
import pathlib
import pwd
import socket
import stat
import subprocess
import tempfile

import psycopg2

import proxy
from clusters import BIN, free_port, house
from through import Through
from waiting import until
from wire import Wire, cancel, query


class LocalWire(Wire):
    def __init__(self, path, seconds=20.0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.parameters, self.key = {}, None


class LocalSocket(Through):
    @classmethod
    def settings(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(dir=house().scratch))
        cls.folder.chmod(0o755)
        cls.port = free_port()
        cls.path = str(cls.folder / f".s.PGSQL.{cls.port}")
        return cls.configured()

    @classmethod
    def configured(cls, mode="0777"):
        me = pwd.getpwuid(os.geteuid()).pw_name
        pair = proxy.pair(listen=f"127.0.0.1:{cls.port}", local_socket={"directory": str(cls.folder), "mode": mode}, access=[
            {"user": "postgres", "network": "local", "method": "trust"}, {"user": [me, "app_trust"], "method": "peer"},
            {"user": "postgres", "method": "reject"}, {"method": "trust"}])
        del pair["users"]
        return proxy.configuration(pair, takeover={"socket": str(cls.folder / "takeover"), "start_timeout": "20s", "session_timeout": "60s"})

    def local(self, user="postgres"):
        connection = psycopg2.connect(host=str(self.folder), port=self.port, user=user, dbname="shop")
        connection.autocommit = True
        self.addCleanup(connection.close)
        return connection

    def test_psql(self):
        """psql -h FOLDER → the server's answer; a rule for local sockets matches nobody else"""
        done = subprocess.run([BIN / "psql", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-Atc", "SELECT 41 + 1", "shop"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, done.stderr), ("42\n", ""))
        with self.assertRaisesRegex(psycopg2.OperationalError, "pg_hba.conf rejects connection"):
            self.connect("postgres")

    def test_peer(self):
        """method peer → in as oneself, refused as another as the server would; over TCP its rule is not there"""
        name = pwd.getpwuid(os.geteuid()).pw_name
        self.house.blue.query(f"DO $$BEGIN CREATE ROLE \"{name}\" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$")
        self.assertEqual(self.value(self.local(name), "SELECT current_user"), name)
        with self.assertRaisesRegex(psycopg2.OperationalError, 'FATAL:  Peer authentication failed for user "app_trust"'):
            self.local("app_trust")
        self.assertEqual(self.value(self.connect("app_trust"), "SELECT 1"), 1)

    def test_cancel(self):
        """a cancel request over the local socket → the query ends, the session goes on"""
        with LocalWire(self.path) as wire:
            wire.log_in()
            wire.send(query("SELECT pg_sleep(60)"))
            until(lambda: self.house.blue.sessions("query = 'SELECT pg_sleep(60)' AND state = 'active'"), "it runs", 20)
            with LocalWire(self.path) as other:
                other.send(b"\0\0\0\x10\x04\xd2\x16\x2e" + wire.key)
                self.assertEqual(other.read_bytes(), b"")
            self.assertEqual([each.fields["C"] for each in wire.read_until("Z") if each.kind == "E"], ["57014"])
            self.assertEqual(wire.rows("SELECT 1"), [[b"1"]])

    def test_takeover_and_reload(self):
        """a new process takes the socket over, a reload gives it another mode → sessions of before go on, new ones are let in"""
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o777)
        before = self.local()
        old = type(self).proxy
        fresh = proxy.Proxy(self.configured(), ["--takeover"])
        type(self).proxy = fresh
        self.addClassCleanup(fresh.stop)
        self.assertEqual(self.value(before, "SELECT 1"), 1)
        self.assertEqual(self.value(self.local(), "SELECT 2"), 2)
        before.close()
        until(lambda: old.process.poll() is not None, "the process before ends by itself", 20)
        self.assertEqual(self.value(self.local(), "SELECT 3"), 3)
        fresh.rewrite(self.configured("0700"))
        self.assertEqual(fresh.reload().status, 200)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o700)
        self.assertEqual(self.value(self.local(), "SELECT 4"), 4)
