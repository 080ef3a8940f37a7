"""Limits and times: what is refused or ended is told in the server's own words and codes, and leaves nothing behind."""

import struct

import psycopg2
import psycopg2.errors

import proxy
from through import Through
from waiting import until
from wire import SYNC, TERMINATE, Wire, execute, message, query, startup


def with_own(**of_users):
    """The usual users, some with limits or a pool of their own."""
    users = proxy.users()
    for name, own in of_users.items():
        users[name].update(own)
    return users


class Times(Through):
    """In pair `shop` by transaction, in `kept` by session; the same limits, given by user, by database or for all."""

    @classmethod
    def settings(cls):
        limits = {
            "limits": {"query_timeout": "300ms"},
            "databases": {"postgres": {"limits": {"client_idle_timeout": "300ms"}},
                          "bench": {"limits": {"transaction_timeout": "300ms", "query_timeout": "0ms"}}},
            "users": with_own(
                app_trust={"limits": {"idle_in_transaction_timeout": "300ms", "query_timeout": "0ms"}},
            ),
        }
        shop = proxy.pair(pool={"mode": "transaction", "size": 1}, **limits)
        return proxy.configuration(shop, {"kept": proxy.pair(pool={"mode": "session"}, **limits)})

    pairs = ("shop", "kept")

    def running(self, tag):
        return self.house.blue.sessions(f"state = 'active' AND query LIKE '%{tag}%' AND pid <> pg_backend_pid()")

    def test_query(self):
        """a statement that runs too long → cancelled as if the client had asked, 57014, and the session goes on"""
        for pair in self.pairs:
            client = self.connect(pair_name=pair)
            with self.assertRaises(psycopg2.errors.QueryCanceled) as caught:
                self.query(client, "SELECT pg_sleep(60) /* too long */")
            self.assertEqual(caught.exception.diag.severity, "ERROR")
            self.assertEqual(self.value(client, "SELECT 1"), 1)
            until(lambda: not self.running("too long"), "nothing runs on")

    def test_query_in_transaction(self):
        """the same inside a transaction → it has failed, and ROLLBACK ends it"""
        for pair in self.pairs:
            client = self.connect(pair_name=pair)
            self.query(client, "BEGIN")
            with self.assertRaises(psycopg2.errors.QueryCanceled):
                self.query(client, "SELECT pg_sleep(60)")
            with self.assertRaises(psycopg2.errors.InFailedSqlTransaction):
                self.query(client, "SELECT 1")
            self.query(client, "ROLLBACK")
            self.assertEqual(self.value(client, "SELECT 1"), 1)

    def test_many_queries(self):
        """statements that end in time, one after the other, together longer than the limit → none is disturbed"""
        client = self.connect()
        for _ in range(6):
            self.query(client, "SELECT pg_sleep(0.08)")

    def last_word(self, wire, code):
        error = wire.read_until("E")[-1]
        self.assertEqual((error.fields["S"], error.fields["C"]), ("FATAL", code))
        self.assertEqual(wire.read_all(), [])
        return error.fields["M"]

    def test_idle_in_transaction(self):
        """silence inside a transaction → 25P03 as the server says it; what was done is undone"""
        for pair in self.pairs:
            with Wire(self.proxy.address(pair)) as wire:
                wire.log_in("app_trust")
                wire.ask("BEGIN")
                wire.ask("SELECT pg_advisory_xact_lock(4711)")
                words = self.last_word(wire, "25P03")
                self.assertEqual(words, "terminating connection due to idle-in-transaction timeout")
            until(lambda: self.house.blue.query("SELECT count(*) FROM pg_locks WHERE objid = 4711") == [(0,)], "it is undone")

    def test_idle_outside(self):
        """the same client silent outside a transaction → left alone"""
        client = self.connect(user="app_trust")
        self.query(client, "SELECT pg_sleep(0.5)")
        other = self.connect(user="app_trust")
        self.query(other, "SELECT pg_sleep(0.4)")
        self.assertEqual(self.value(client, "SELECT 1"), 1)

    def test_transaction(self):
        """a transaction open too long, however busy → 25P04 as PostgreSQL 17 says it, and nothing runs on"""
        for pair in self.pairs:
            with Wire(self.proxy.address(pair)) as wire:
                wire.log_in(database="bench")
                wire.ask("BEGIN")
                wire.ask("SELECT pg_sleep(0.1)")
                wire.send(query("SELECT pg_sleep(60) /* on and on */"))
                words = self.last_word(wire, "25P04")
                self.assertEqual(words, "terminating connection due to transaction timeout")
            until(lambda: not self.running("on and on"), "nothing runs on")

    def test_client_idle(self):
        """a client of one database silent → 57P05; those of the other databases stay"""
        other = self.connect()
        for pair in self.pairs:
            with Wire(self.proxy.address(pair)) as wire:
                wire.log_in(database="postgres")
                wire.ask("SELECT 1")
                words = self.last_word(wire, "57P05")
                self.assertEqual(words, "terminating connection due to idle-session timeout")
        self.assertEqual(self.value(other, "SELECT 1"), 1)


class Clients(Through):
    @classmethod
    def settings(cls):
        shop = proxy.pair(limits={"user_clients_max": 2}, users=with_own(app_trust={"limits": {"clients_max": 3}}))
        store = proxy.pair(limits={"database_clients_max": 3}, databases={"bench": {"limits": {"clients_max": 1}}})
        return proxy.configuration(shop, {"store": store})

    def refusal(self, pair, user="postgres", database="shop"):
        with Wire(self.proxy.address(pair)) as wire:
            wire.send(startup({"user": user, "database": database}))
            error = wire.read_until("E")[-1]
            self.assertEqual((error.fields["S"], error.fields["C"]), ("FATAL", "53300"))
            return error.fields["M"]

    def test_of_a_user(self):
        """more clients of a user than allowed → 53300 in the server's words; another user is let in; a free place is used"""
        first, second = self.connect(), self.connect(database="postgres")
        self.assertEqual(self.refusal("shop"), 'too many connections for role "postgres"')
        three = [self.connect(user="app_trust") for _ in range(3)]
        self.assertEqual(self.refusal("shop", "app_trust"), 'too many connections for role "app_trust"')
        second.close()
        until(lambda: self.try_connect(), "the place is free")
        self.assertEqual([self.value(each, "SELECT 1") for each in [first, *three]], [1] * 4)

    def try_connect(self):
        try:
            return self.connect()
        except psycopg2.OperationalError:
            return None

    def test_of_a_database(self):
        """more clients of a database than allowed → 53300 in the server's words, whoever they are"""
        kept = [self.connect(pair_name="store", user=user) for user in ("postgres", "postgres", "app_trust")]
        self.assertEqual(self.refusal("store", "app_trust"), 'too many connections for database "shop"')
        kept.append(self.connect(pair_name="store", database="bench"))
        self.assertEqual(self.refusal("store", database="bench"), 'too many connections for database "bench"')
        self.assertEqual([self.value(each, "SELECT 1") for each in kept], [1] * 4)


class Modes(Through):
    """The pool mode of a pair, of a database in it and of a user."""

    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(
            pool={"mode": "transaction", "size": 1},
            databases={"bench": {"pool": {"mode": "session", "size": 2}}},
            users=with_own(app_trust={"pool": {"mode": "session"}}),
        )) | {"workers": 1}

    def pids(self, count, **who):
        clients = [self.connect(**who) for _ in range(count)]
        return {self.value(client, "SELECT pg_backend_pid()") for client in clients}

    def test_modes(self):
        """by transaction for all, by session for one database and for one user → one connection shared, or each its own"""
        self.assertEqual(len(self.pids(3)), 1)
        self.assertEqual(len(self.pids(2, database="bench")), 2)

    def test_own_size(self):
        """by session with one connection for the user → a second client waits until the first leaves"""
        first = self.connect(user="app_trust")
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "app_trust", "database": "shop"}))
            wire.socket.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                while True:
                    self.assertNotEqual(wire.read().kind, "Z")
            wire.socket.settimeout(20)
            first.close()
            wire.read_until("Z")
            wire.send(query("SELECT 1"))
            wire.read_until("Z")


class Bounds(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 2, "queue_clients_max": 3}))

    def test_most_parameters(self):
        """Parse and Bind with 65535 parameters, the most that the count can say → what the server answers by itself"""
        count = 65535
        batch = (parse_of_many(count), bind_of_many(count), execute(), SYNC)
        replies = []
        for address in (self.proxy.address(), ("127.0.0.1", self.house.blue.port)):
            with Wire(address) as wire:
                wire.log_in()
                wire.send(*batch)
                replies.append([(each.kind, each.body) for each in wire.read_until("Z")])
        self.assertEqual(replies[0], replies[1])
        self.assertEqual([kind for kind, _ in replies[0]], ["1", "2", "D", "C", "Z"])

    def test_queue_is_full(self):
        """more clients wait than may → 53300 at once for one more; those who wait are served"""
        holders = [self.connect(), self.connect()]
        for each in holders:
            self.query(each, "BEGIN")
        waiting = []
        for _ in range(3):
            wire = Wire(self.proxy.address())
            self.addCleanup(wire.close)
            wire.send(startup({"user": "postgres", "database": "shop"}))
            wire.read_until("R")
            waiting.append(wire)
        with Wire(self.proxy.address()) as wire:
            wire.send(startup({"user": "postgres", "database": "shop"}))
            self.assertEqual(wire.read_until("E")[-1].fields["C"], "53300")
        for each in holders:
            self.query(each, "COMMIT")
        for wire in waiting:
            wire.read_until("Z")

    def test_clients_come_and_go(self):
        """clients that come and go by the hundred, politely or not → descriptors and memory as before"""
        def come_and_go(count):
            for number in range(count):
                with Wire(self.proxy.address()) as wire:
                    wire.log_in()
                    if number % 3 == 0:
                        wire.ask("SELECT 1")
                    if number % 2 == 0:
                        wire.send(TERMINATE)
            until(lambda: self.proxy.status()["clients"] == 0, "all have gone")
        come_and_go(300)
        descriptors, kilobytes = self.proxy.descriptors(), self.proxy.resident_kilobytes()
        come_and_go(600)
        until(lambda: self.proxy.descriptors() <= descriptors, "no descriptor is left behind")
        self.assertLess(self.proxy.resident_kilobytes() - kilobytes, proxy.ROOM_KILOBYTES // 16)


def parse_of_many(count):
    return message("P", b"\0SELECT 1\0" + struct.pack("!H", count) + struct.pack("!i", 23) * count)


def bind_of_many(count):
    values = (struct.pack("!i", 1) + b"7") * count
    return message("B", b"\0\0" + struct.pack("!HH", 0, count) + values + struct.pack("!H", 0))
