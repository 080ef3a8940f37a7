"""Pooling by transaction: few backend connections for many clients, and nothing of one seen by another."""

import re
import signal
import threading

import psycopg2
import psycopg2.errors

import proxy
from through import Through, side_of
from waiting import until
from wire import Wire, query


def configuration(**pool):
    return proxy.configuration(proxy.pair(pool={"mode": "transaction", **pool}))


class OneConnection(Through):
    @classmethod
    def settings(cls):
        return {**configuration(size=1), "workers": 1}


class Shared(OneConnection):
    """One backend connection per side for everybody: whatever leaks is seen at once."""

    def pid(self, connection):
        return self.value(connection, "SELECT pg_backend_pid()")

    def test_one_connection_for_all(self):
        """fifty idle clients → one backend connection, which serves each when it asks"""
        clients = [self.connect() for _ in range(50)]
        self.assertEqual(len({self.pid(client) for client in clients}), 1)
        self.assertEqual(len(self.house.blue.sessions("application_name = ''")), 1)

    def test_ended_while_a_request_comes(self):
        """the idle connection's server ends while a request for it is on its way → the request is served whole by another"""
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            for number in range(5):
                ended = wire.rows("SELECT pg_backend_pid()")[0][0].decode()
                said = str(number) * 1000  # longer than the server's last words
                self.proxy.process.send_signal(signal.SIGSTOP)
                try:
                    wire.send(query(f"SELECT '{said}'"))
                    # One that was idle for less than 50 ms is lent without a look at it.
                    self.house.blue.query(f"SELECT pg_sleep(0.1), pg_terminate_backend({ended}, 10000)")
                finally:
                    self.proxy.process.send_signal(signal.SIGCONT)
                self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[said.encode()]])

    def test_settings(self):
        """two clients with settings of their own, in turn on one connection → each sees its own, set, reset or rolled back"""
        one, other = self.connect(), self.connect()
        self.query(one, "SET work_mem TO '5MB'")
        self.query(one, "SET TIME ZONE 'Asia/Tokyo'")
        self.assertEqual(self.value(other, "SHOW work_mem"), "4MB")
        self.assertEqual(self.value(other, "SHOW TimeZone"), "UTC")
        self.query(other, "SET work_mem TO '6MB'")
        self.assertEqual(self.value(one, "SHOW work_mem"), "5MB")
        self.assertEqual(self.value(one, "SHOW TimeZone"), "Asia/Tokyo")
        self.query(one, "BEGIN")
        self.query(one, "SET work_mem TO '7MB'")
        self.query(one, "ROLLBACK")
        self.assertEqual(self.value(other, "SHOW work_mem"), "6MB")
        self.assertEqual(self.value(one, "SHOW work_mem"), "5MB")
        self.query(one, "RESET ALL")
        self.assertEqual(self.value(one, "SHOW work_mem"), "4MB")
        self.assertEqual(self.value(other, "SHOW work_mem"), "6MB")
        self.query(other, "DISCARD ALL")
        self.assertEqual(self.value(other, "SHOW work_mem"), "4MB")

    def test_setting_that_was_only_named(self):
        """a setting of row security set by one client, taken back at once by another → the other does not see the value"""
        one, other = self.connect(), self.connect()
        for end in ("BEGIN; SET LOCAL app.tenant TO 'mine'; COMMIT", "BEGIN; SET app.tenant TO 'mine'; ROLLBACK"):
            for each in end.split("; "):
                self.query(other, each)
            self.query(one, "SET app.tenant TO 'one'")
            self.assertEqual(self.value(other, "SELECT current_setting('app.tenant', true)"), "")
            self.assertEqual(self.value(one, "SELECT current_setting('app.tenant', true)"), "one")

    def test_roles(self):
        """SET ROLE of one client → the next one on the connection has its own rights back"""
        one, other = self.connect(), self.connect()
        self.query(one, "SET ROLE app_trust")
        self.assertEqual(self.value(other, "SELECT current_user"), "postgres")
        self.assertEqual(self.value(one, "SELECT current_user"), "app_trust")
        self.query(one, "RESET ROLE")

    def test_role_that_may_not_undo(self):
        """a setting for superusers, then a role that may not touch it → neither binds the next client, nor the same one later"""
        one, other = self.connect(), self.connect()
        for words in ("SET lo_compat_privileges TO on", "SET SESSION AUTHORIZATION app_trust"):
            self.query(one, words)
        self.assertEqual(self.query(other, "SELECT current_user, current_setting('lo_compat_privileges')"), [("postgres", "off")])
        self.assertEqual(self.query(one, "SELECT current_user, current_setting('lo_compat_privileges')"), [("app_trust", "on")])

    def test_own_notification(self):
        """NOTIFY by transaction → the client knows it as its own by the process that it was told"""
        one = self.connect()
        self.query(one, "LISTEN bell")
        self.query(one, "NOTIFY bell")
        self.query(one, "UNLISTEN bell")
        self.assertEqual([each.pid for each in one.notifies], [one.get_backend_pid()])

    def test_application_name(self):
        """clients with names of their own → the server sees the name of whom it serves"""
        names = [f"client {i}" for i in range(3)]
        clients = [self.connect(application_name=name) for name in names]
        for _ in range(2):
            for name, client in zip(names, clients):
                self.assertEqual(self.value(client, "SHOW application_name"), name)
                self.assertEqual(client.get_parameter_status("application_name") or name, name)

    def test_prepared_statements(self):
        """two clients prepare different statements under one name → each executes its own; a third has none"""
        one, other, third = self.connect(), self.connect(), self.connect()
        self.query(one, "PREPARE q AS SELECT 'one'")
        self.query(other, "PREPARE q AS SELECT 'other'")
        for _ in range(3):
            self.assertEqual(self.value(one, "EXECUTE q"), "one")
            self.assertEqual(self.value(other, "EXECUTE q"), "other")
        with self.assertRaises(psycopg2.errors.InvalidSqlStatementName):
            self.query(third, "EXECUTE q")
        self.query(one, "DEALLOCATE q")
        with self.assertRaises(psycopg2.errors.InvalidSqlStatementName):
            self.query(one, "EXECUTE q")
        self.assertEqual(self.value(other, "EXECUTE q"), "other")

    def test_transaction_keeps_the_connection(self):
        """a client in a transaction → another waits for its end and is then served"""
        one, other = self.connect(), self.connect()
        self.query(one, "BEGIN")
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(self.value(other, "SELECT 1")))
        waiter.start()
        waiter.join(0.3)
        self.assertEqual(answers, [])
        self.query(one, "COMMIT")
        waiter.join(30)
        self.assertEqual(answers, [1])

    def test_client_leaves_in_a_transaction(self):
        """a client that leaves in a transaction → rolled back, and the next one is served"""
        one, other = self.connect(), self.connect()
        self.query(one, "BEGIN")
        self.query(one, "INSERT INTO log VALUES ('left behind')")
        one.close()
        self.assertEqual(self.value(other, "SELECT count(*) FROM log WHERE line = 'left behind'"), 0)

    def test_moves(self):
        """reads moved to green and back while clients share → each is served there with what is its own"""
        one, other = self.connect(), self.connect()
        self.query(one, "SET work_mem TO '5MB'")
        for green in (100, 0, 100, 0):
            self.proxy.shift(green)
            for client in (one, other):
                self.assert_side(client, "green" if green else "blue")
            self.assertEqual(self.value(one, "SELECT current_setting('work_mem')"), "5MB")
            self.assertEqual(self.value(other, "SELECT current_setting('work_mem')"), "4MB")

    def test_backend_ends_while_idle(self):
        """the server ends an idle connection → nobody hears of it, the next request gets a new one"""
        one = self.connect()
        pid = self.pid(one)
        self.house.blue.query("SELECT pg_terminate_backend(%s)", (pid,))
        until(lambda: not self.house.blue.sessions(f"pid = {pid}"), "it is gone")
        self.assertNotEqual(self.pid(one), pid)

    def test_parameter_reported_while_idle(self):
        """the server's configuration changes while the connection is idle → the client is told with its next reply"""
        one = self.connect()
        self.assertEqual(one.get_parameter_status("DateStyle"), "ISO, MDY")
        self.addCleanup(self.house.blue.query, "SELECT pg_reload_conf()")
        self.addCleanup(self.house.blue.query, "ALTER SYSTEM RESET datestyle")
        self.house.blue.query("ALTER SYSTEM SET datestyle TO 'ISO, DMY'")
        self.house.blue.query("SELECT pg_reload_conf()")
        until(lambda: self.query(one, "SELECT 1") and one.get_parameter_status("DateStyle") == "ISO, DMY", "the client is told")


class Pins(OneConnection):
    """What cannot be carried keeps the connection; what ends the cause gives it back."""

    def test_temporary_table(self):
        """a temporary table → the session keeps its connection, others wait; DISCARD ALL gives it back"""
        one, other = self.connect(), self.connect()
        self.query(one, "CREATE TEMP TABLE mine (a int)")
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(self.value(other, "SELECT 1")))
        waiter.start()
        waiter.join(0.3)
        self.assertEqual(answers, [])
        self.assertEqual(self.value(one, "SELECT count(*) FROM mine"), 0)
        self.query(one, "DISCARD ALL")
        waiter.join(30)
        self.assertEqual(answers, [1])

    def test_pinned_client_leaves(self):
        """a pinned client that leaves → its connection ends with it, and the next one finds nothing of it"""
        one, other = self.connect(), self.connect()
        self.query(one, "CREATE TEMP TABLE mine (a int)")
        self.query(one, "SELECT pg_advisory_lock(77)")
        one.close()
        # The server process ends a moment after its connection.
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        until(lambda: self.value(other, locks) == 0, "the lock went with the connection")
        with self.assertRaises(psycopg2.errors.UndefinedTable):
            self.query(other, "SELECT * FROM mine")


class Queue(Through):
    @classmethod
    def settings(cls):
        return configuration(size=1, queue_timeout="300ms")

    def test_timeout(self):
        """no connection becomes free in time → 53300, FATAL, and who holds it is not disturbed"""
        one = self.connect()
        with Wire(self.proxy.address()) as other:
            other.log_in()
            self.query(one, "BEGIN")
            other.send(query("SELECT 1"))
            error = other.read()
            self.assertEqual(error.kind, "E")
            self.assertEqual(error.fields["C"], "53300")
        self.assertEqual(self.value(one, "SELECT 1"), 1)
        self.query(one, "COMMIT")


class Limits(Through):
    @classmethod
    def settings(cls):
        return {**configuration(size=0, connections_max=2), "workers": 1}

    def test_connections_of_a_side(self):
        """three users with a pool each, two connections per side → the third gets one that an idle user's pool gives up"""
        clients = [self.connect(user=name) for name in ("postgres", "app_trust")]
        clients.append(self.connect(user="app_scram", password=proxy.CLIENT_PASSWORD))
        for _ in range(3):
            for client in clients:
                self.assert_side(client, "blue")
        self.assertLessEqual(len(self.house.blue.sessions("application_name = '' AND usename <> ''")), 2)


class OneOfASide(Through):
    @classmethod
    def settings(cls):
        return {**configuration(size=0, connections_max=1), "workers": 1}

    def test_pool_of_another_user(self):
        """the side's only connection is another user's, in a transaction → it is given up when that ends"""
        holder, waiter = self.connect(), []
        other = threading.Thread(target=lambda: waiter.append(side_of(self.connect(user="app_trust"))))
        self.query(holder, "BEGIN")
        other.start()
        other.join(0.3)
        self.assertEqual(waiter, [])
        self.query(holder, "COMMIT")
        other.join(30)
        self.assertEqual(waiter, ["blue"])


class ManyWorkers(Through):
    """The pool is one for all workers."""

    @classmethod
    def settings(cls):
        settings = configuration(size=2)
        settings["workers"] = 4
        return settings

    def test_limit_over_all_workers(self):
        """twenty clients on four workers, two connections → all are served, and there are never more than two"""
        failures, most = [], []

        def work(client):
            try:
                for _ in range(40):
                    side_of(client)
            except psycopg2.Error as error:
                failures.append(error)

        clients = [self.connect(application_name="crowd") for _ in range(20)]
        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most.append(self.proxy.status()["sides"]["blue"]["connections"])
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertLessEqual(max(most), 2)


    def test_dropped_database(self):
        """connections of several workers lie idle in a database → it is copied, renamed and dropped as if nobody were there"""
        boss = self.connect()
        self.query(boss, "CREATE DATABASE leftover")
        for name in ("leftover", "leftover", "template1", "template1"):
            client = self.connect(database=name)
            self.value(client, "SELECT 1")
            client.close()
        self.query(boss, "CREATE DATABASE another")
        self.query(boss, "DROP DATABASE another")
        self.query(boss, "ALTER DATABASE leftover RENAME TO leftover_too")
        client = self.connect(database="leftover_too")
        self.value(client, "SELECT 1")
        client.close()
        self.query(boss, "DROP DATABASE leftover_too")


class FewerThanWorkers(Through):
    """One connection for four workers: it goes from one to the other."""

    @classmethod
    def settings(cls):
        settings = configuration(size=1)
        settings["workers"] = 4
        return settings

    def connects(self):
        text = self.proxy.ask("GET", "/metrics").text
        return sum(float(value) for value in re.findall(r'^crossfade_backend_connects_total\{.*side="blue".*\} (\S+)', text, re.M))

    def test_one_connection_for_all_workers(self):
        """clients on four workers, at work at once or in turn → all are served, and nothing is opened anew"""
        clients = [self.connect() for _ in range(8)]
        self.assertEqual(len({self.value(client, "SELECT pg_backend_pid()") for client in clients * 3}), 1)
        served = []

        def work(client):
            for _ in range(50):
                side_of(client)
            served.append(client)

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(served), len(clients))
        self.assertLessEqual(self.connects(), 2)

    def test_settings_go_along(self):
        """settings of clients on different workers → each has its own on the one connection"""
        clients = [self.connect() for _ in range(4)]
        for number, client in enumerate(clients):
            self.query(client, f"SET work_mem TO '{5 + number}MB'")
            self.query(client, f"PREPARE q AS SELECT {number}")
        for _ in range(3):
            for number, client in enumerate(clients):
                self.assertEqual(self.value(client, "SHOW work_mem"), f"{5 + number}MB")
                self.assertEqual(self.value(client, "EXECUTE q"), number)
