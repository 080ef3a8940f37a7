"""The console beside a live PgBouncer: what watches the one finds everything by the same name in the other."""

import os
import shutil
import signal
import subprocess
import unittest

import psycopg2

import proxy
from clusters import free_port, house, unprivileged
from through import Through, side_of
from waiting import until

PGBOUNCER = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
TABLES = ("POOLS", "CLIENTS", "SERVERS", "STATS", "STATS_TOTALS", "STATS_AVERAGES", "TOTALS", "LISTS", "DATABASES", "USERS", "CONFIG", "VERSION")
# Of what has no counterpart here, PgBouncer's own rows may be missing.
LISTS_NOT_HERE = {"dns_names", "dns_zones", "dns_queries", "dns_pending"}
# What exporters read of SHOW CONFIG.
CONFIG_READ = ("max_client_conn", "max_user_connections", "default_pool_size", "max_db_connections", "pool_mode", "query_timeout", "listen_port")


class Bouncer:
    def __init__(self):
        self.home = house().scratch / "bouncer"
        self.home.mkdir(mode=0o777)
        self.home.chmod(0o777)
        self.port = free_port()
        (self.home / "users").write_text('"postgres" ""\n')
        (self.home / "ini").write_text(f"[databases]\n* = host=127.0.0.1 port={house().blue.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
                                       f"listen_port = {self.port}\nauth_type = trust\nauth_file = {self.home}/users\nadmin_users = postgres\n"
                                       "unix_socket_dir =\npool_mode = transaction\nignore_startup_parameters = extra_float_digits\n")
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen([PGBOUNCER, self.home / "ini"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **unprivileged())
        until(self.is_up, "PgBouncer answers", 20)

    def is_up(self):
        try:
            console("127.0.0.1", self.port).close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)


def console(host, port, database="pgbouncer"):
    connection = psycopg2.connect(host=host, port=port, user="postgres", dbname=database, sslmode="disable", connect_timeout=20)
    connection.autocommit = True
    return connection


def show(connection, what):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {what};")
        return [column.name for column in cursor.description], cursor.fetchall()


@unittest.skipIf(PGBOUNCER is None, "PgBouncer is not installed")
class ConsoleNames(Through):
    @classmethod
    def settings(cls):
        words = {"database": ["crossfade", "pgbouncer"], "admins": ["postgres"]}
        return proxy.configuration(proxy.pair(console=words, pool={"mode": "transaction"}))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        bouncer = Bouncer()
        cls.addClassCleanup(bouncer.stop)
        cls.addresses = {"theirs": ("127.0.0.1", bouncer.port), "ours": cls.proxy.address()}
        cls.consoles = {}
        for name, (host, port) in cls.addresses.items():
            cls.consoles[name] = console(host, port)
            cls.addClassCleanup(cls.consoles[name].close)
            work = console(host, port, "shop")  # so that there is something to show
            cls.addClassCleanup(work.close)
            side_of(work)

    def both(self, what):
        return show(self.consoles["theirs"], what), show(self.consoles["ours"], what)

    def test_columns(self):
        """each SHOW → PgBouncer's columns in its order, ours behind them; numbers where it has numbers"""
        for what in TABLES:
            with self.subTest(what=what):
                (names, rows), (own_names, own_rows) = self.both(what)
                self.assertEqual(own_names[: len(names)], names)
                self.assertTrue(own_rows)
                numeric = [all(isinstance(value, int) or value is None or hasattr(value, "as_tuple") for value in column) for column in zip(*rows)]
                for index, is_number in enumerate(numeric):
                    if is_number and any(row[index] is not None for row in rows):
                        self.assertNotIn(str, [type(row[index]) for row in own_rows], f"{names[index]} is a number there")

    def test_rows_by_name(self):
        """LISTS, TOTALS and the part of CONFIG that exporters read → the same names of rows"""
        (_, lists), (_, own_lists) = self.both("LISTS")
        self.assertLessEqual({row[0] for row in lists} - LISTS_NOT_HERE, {row[0] for row in own_lists})
        (_, totals), (_, own_totals) = self.both("TOTALS")
        self.assertLessEqual({row[0] for row in totals}, {row[0] for row in own_totals})
        (_, theirs), (_, ours) = self.both("CONFIG")
        for key in CONFIG_READ:
            self.assertIn(key, {row[0] for row in theirs})
            self.assertIn(key, {row[0] for row in ours})

    def test_database_of_work(self):
        """who works is found under the names of database and user in POOLS, STATS and DATABASES"""
        for what, column in (("POOLS", "database"), ("STATS", "database"), ("CLIENTS", "database"), ("SERVERS", "database")):
            for names, rows in self.both(what):
                self.assertIn("shop", [row[names.index(column)] for row in rows], what)
        for names, rows in self.both("POOLS"):
            found = [dict(zip(names, row)) for row in rows if row[names.index("database")] == "shop"][0]
            self.assertEqual((found["user"], found["cl_active"], found["cl_waiting"], found["maxwait"], found["pool_mode"]),
                             ("postgres", 1, 0, 0, "transaction"))
            self.assertEqual(found["sv_idle"] + found["sv_used"], 1)
