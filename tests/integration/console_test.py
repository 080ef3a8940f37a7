"""The console: what PgBouncer's users type, through psql and drivers."""

import asyncio
import subprocess
import threading

import asyncpg
import psycopg
import psycopg2
import psycopg2.errors

import proxy
from through import Through, side_of
from waiting import until
from wire import Wire, query

CONSOLE = {"database": ["crossfade", "pgbouncer"], "admins": ["postgres"], "viewers": ["app_trust"]}


class Console(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(console=CONSOLE, pool={"mode": "transaction"}))

    def psql(self, command, user="postgres", database="crossfade"):
        environment = {**self.environment(user=user, database=database)}
        return subprocess.run(["psql", "-X", "-A", "-v", "VERBOSITY=verbose", "-c", command], env=environment, cwd="/",
                              capture_output=True, text=True, timeout=30)

    def rows(self, command, **more):
        """As a list of maps, by a driver that asks in the simple protocol."""
        connection = self.connect(database="crossfade", **more)
        with connection.cursor() as cursor:
            cursor.execute(command)
            return [dict(zip([column.name for column in cursor.description], row)) for row in cursor.fetchall()]

    def test_psql(self):
        """psql and each SHOW → a table with PgBouncer's columns"""
        for what, column in (("POOLS", "cl_waiting"), ("CLIENTS", "request_time"), ("SERVERS", "remote_pid"), ("STATS", "avg_wait_time"),
                             ("STATS_TOTALS", "bytes_sent"), ("STATS_AVERAGES", "xact_time"), ("TOTALS", "value"), ("LISTS", "items"),
                             ("DATABASES", "current_connections"), ("USERS", "pool_mode"), ("CONFIG", "changeable"), ("STATE", "key"),
                             ("VERSION", "version"), ("PINS", "reason"), ("RULES", "reads_green")):
            with self.subTest(what=what):
                result = self.psql(f"SHOW {what};", database="pgbouncer")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(column, result.stdout.splitlines()[0].split("|"))
        help_text = self.psql("SHOW HELP")
        self.assertIn("WAIT_CLOSE", help_text.stdout + help_text.stderr)

    def test_pools_and_clients(self):
        """a client at work → seen in POOLS, CLIENTS, SERVERS, DATABASES and STATS, with true numbers"""
        before = {row["database"]: row["total_query_count"] for row in self.rows("SHOW STATS")}.get("shop", 0)
        busy = self.connect(application_name="busy one")
        self.query(busy, "BEGIN")
        side_of(busy)
        pool = [row for row in self.rows("SHOW POOLS") if (row["database"], row["user"]) == ("shop", "postgres")]
        self.assertEqual([(row["cl_active"], row["sv_active"], row["pool_mode"]) for row in pool], [(1, 1, "transaction")])
        client = [row for row in self.rows("SHOW CLIENTS") if row["application_name"] == "busy one"][0]
        self.assertEqual((client["addr"], client["doing"], client["side"]), ("127.0.0.1", "active", "blue"))
        server = [row for row in self.rows("SHOW SERVERS") if row["link"] == client["ptr"]][0]
        self.assertEqual((server["remote_pid"], server["ptr"]), (self.value(busy, "SELECT pg_backend_pid()"), client["link"]))
        self.query(busy, "COMMIT")
        stats = [row for row in self.rows("SHOW STATS") if row["database"] == "shop"][0]
        self.assertEqual(stats["total_query_count"] - before, 4)
        self.assertGreater(stats["total_xact_time"], 0)
        self.assertIn("crossfade", {row["database"] for row in self.rows("SHOW CLIENTS")})

    def test_pins(self):
        """a session that listens → SHOW PINS says why it keeps its connection"""
        self.query(self.connect(application_name="listener"), "LISTEN news")
        self.assertEqual([row["reason"] for row in self.rows("SHOW PINS") if row["application_name"] == "listener"], ["listen"])

    def test_pause(self):
        """PAUSE → waits for the transaction, holds new ones, RESUME lets them go; twice → an error that says so"""
        busy, other = self.connect(), self.connect()
        self.query(busy, "BEGIN")
        with Wire(self.proxy.address()) as admin:
            admin.log_in(database="crossfade")
            admin.send(query("PAUSE"))
            until(lambda: self.rows("SHOW STATE")[1] == {"key": "paused", "value": "yes"}, "it is paused")
            until(lambda: self.proxy.status()["sessions_working"] == 1, "only the transaction is left")
            self.query(busy, "COMMIT")
            self.assertEqual([each.kind for each in admin.read_until("Z")], ["C", "Z"])
        self.assertIn("55000", self.psql("PAUSE").stderr)
        self.assertEqual(self.psql("RESUME").stdout.strip(), "RESUME")
        self.assertIn("55000", self.psql("RESUME").stderr)
        side_of(other)

    def test_pause_of_one_database(self):
        """PAUSE bench → DATABASES says so, shop goes on"""
        self.assertEqual(self.psql("PAUSE bench").returncode, 0)
        self.assertEqual({row["name"]: row["paused"] for row in self.rows("SHOW DATABASES")}.get("bench"), 1)
        side_of(self.connect())
        self.assertEqual(self.psql("RESUME bench").returncode, 0)

    def test_pause_of_one_who_leaves(self):
        """a client that leaves while its PAUSE waits, or cancels it → everything goes on"""
        busy = self.connect()
        self.query(busy, "BEGIN")
        with Wire(self.proxy.address()) as admin:
            admin.log_in(database="crossfade")
            admin.send(query("PAUSE"))
            until(lambda: self.proxy.status()["held"]["pair"], "it is paused")
        until(lambda: not self.proxy.status()["held"]["pair"], "it was taken back")
        admin = self.connect(database="crossfade")
        cancelled = []

        def pause():
            try:
                self.query(admin, "PAUSE")
            except psycopg2.errors.QueryCanceled as error:
                cancelled.append(error.pgcode)

        thread = threading.Thread(target=pause)
        thread.start()
        until(lambda: self.proxy.status()["held"]["pair"], "it is paused")
        admin.cancel()
        thread.join(30)
        self.assertEqual(cancelled, ["57014"])
        until(lambda: not self.proxy.status()["held"]["pair"], "it was taken back")
        self.query(busy, "COMMIT")

    def test_refusals(self):
        """unknown commands, commands of a viewer, users who are not listed → the right code, and the session goes on"""
        connection = self.connect(database="crossfade")
        for command, code in (("SELECT 1", "42601"), ("SHOW FDS", "42601"), ("KILL shop", "0A000"), ("SET pool_mode = x", "0A000")):
            with self.subTest(command=command), self.assertRaises(psycopg2.Error) as raised:
                self.query(connection, command)
            self.assertEqual(raised.exception.pgcode, code)
        self.assertEqual(len(self.query(connection, "SHOW VERSION")), 1)
        viewer = self.connect(user="app_trust", database="crossfade")
        self.assertTrue(self.query(viewer, "SHOW LISTS"))
        with self.assertRaises(psycopg2.errors.InsufficientPrivilege):
            self.query(viewer, "PAUSE")
        with self.assertRaises(psycopg2.OperationalError):
            self.connect(user="app_barred", database="crossfade")

    def test_drivers(self):
        """psycopg 2 in a transaction, psycopg 3, asyncpg: simple and extended, text and binary → the same table"""
        host, port = self.proxy.address()
        names = [row["list"] for row in self.rows("SHOW LISTS")]
        two = psycopg2.connect(host=host, port=port, user="postgres", dbname="crossfade", sslmode="disable")
        self.addCleanup(two.close)
        with two.cursor() as cursor:
            cursor.execute("SHOW LISTS")
            self.assertEqual([row[0] for row in cursor.fetchall()], names)
        two.rollback()
        for binary in (False, True):
            with psycopg.connect(host=host, port=port, user="postgres", dbname="crossfade") as three:
                rows = three.cursor(binary=binary).execute("SHOW LISTS", prepare=True).fetchall()
                self.assertEqual(([row[0] for row in rows], type(rows[0][1])), (names, int))

        async def ask():
            connection = await asyncpg.connect(host=host, port=port, user="postgres", database="crossfade", timeout=30)
            rows = await connection.fetch("SHOW LISTS")
            await connection.close()
            return rows

        rows = asyncio.run(ask())
        self.assertEqual(([row["list"] for row in rows], type(rows[0]["items"])), (names, int))

    def test_shutdown(self):
        """SHUTDOWN → the process drains and ends with status 0, telling idle clients 57P01"""
        other = proxy.Proxy(self.settings())
        with Wire(other.address()) as idle, Wire(other.address()) as admin:
            idle.log_in()
            admin.log_in(database="crossfade")
            admin.send(query("SHUTDOWN"))
            self.assertEqual(admin.read().kind, "C")
            self.assertEqual([each.fields["C"] for each in idle.read_all() if each.kind == "E"], ["57P01"])
        self.assertEqual(other.process.wait(30), 0)
        other.stop()


class NoConsole(Through):
    def test_database_of_that_name(self):
        """no console configured → a database called crossfade is a database"""
        self.house.blue.query("CREATE DATABASE crossfade", database="postgres")
        self.addCleanup(self.house.blue.query, "DROP DATABASE crossfade WITH (FORCE)", database="postgres")
        self.assertEqual(self.value(self.connect(database="crossfade"), "SELECT current_database()"), "crossfade")
