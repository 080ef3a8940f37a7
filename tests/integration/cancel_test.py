"""CancelRequest reaches the statement of the session that it names, and no other. Manual: 55.2.8."""

import threading

import psycopg2

from through import Through
from waiting import Stopwatch, until
from wire import PROTOCOL_3_0, Wire, cancel, query


class Cancel(Through):
    def running(self, cluster, mark):
        return cluster.sessions(f"state = 'active' AND query LIKE '%{mark}%'")

    def start(self, mark):
        """A session that sleeps on a side, and its wire."""
        wire = Wire(self.proxy.address(), seconds=60)
        self.addCleanup(wire.close)
        wire.log_in()
        wire.send(query(f"/* {mark} */ SELECT pg_sleep(50), name FROM side"))
        return wire

    def test_right_query_only(self):
        """two sleeping sessions, one cancelled → 57014 for that one, the other sleeps on"""
        first, second = self.start("sleeper one"), self.start("sleeper two")
        until(lambda: self.running(self.house.blue, "sleeper one") and self.running(self.house.blue, "sleeper two"), "both run")
        with Stopwatch(10):
            cancel(self.proxy.address(), first.key)
            error = [each for each in first.read_until("Z") if each.kind == "E"][0]
        self.assertEqual(error.fields["C"], "57014")
        self.assertTrue(self.running(self.house.blue, "sleeper two"))
        self.assertEqual(first.rows("SELECT 4"), [[b"4"]])
        cancel(self.proxy.address(), second.key)
        self.assertEqual([each for each in second.read_until("Z") if each.kind == "E"][0].fields["C"], "57014")

    def test_after_move(self):
        """a session that moved to green, cancelled → green's statement ends"""
        wire = Wire(self.proxy.address(), seconds=60)
        self.addCleanup(wire.close)
        wire.log_in()
        self.assertEqual(wire.rows("SELECT name FROM side"), [[b"blue"]])
        self.proxy.shift(100)
        wire.send(query("/* sleeper green */ SELECT count(*), name FROM side, generate_series(1, 3000000000) GROUP BY name"))
        until(lambda: self.running(self.house.green, "sleeper green"), "it runs on green")
        cancel(self.proxy.address(), wire.key)
        self.assertEqual([each for each in wire.read_until("Z") if each.kind == "E"][0].fields["C"], "57014")

    def test_idle_session(self):
        """a cancel while nothing runs → nothing happens to the next statement"""
        wire = Wire(self.proxy.address())
        self.addCleanup(wire.close)
        wire.log_in()
        for turn in range(20):
            cancel(self.proxy.address(), wire.key)
            self.assertEqual(wire.rows(f"SELECT {turn}"), [[str(turn).encode()]])

    def test_wrong_key(self):
        """a cancel with a wrong secret, or one too short → closed in silence, nothing cancelled"""
        wire = self.start("sleeper three")
        until(lambda: self.running(self.house.blue, "sleeper three"), "it runs")
        wrong = wire.key[:-1] + bytes([wire.key[-1] ^ 1])
        for key in (wrong, wire.key[:4], b"", wire.key[:4] + bytes(4)):
            cancel(self.proxy.address(), key)
        self.assertTrue(self.running(self.house.blue, "sleeper three"))
        cancel(self.proxy.address(), wire.key)
        self.assertEqual([each for each in wire.read_until("Z") if each.kind == "E"][0].fields["C"], "57014")

    def test_long_key(self):
        """a client of protocol 3.2 → a key of 32 bytes, which cancels whole and in no part; nothing is negotiated"""
        wire = Wire(self.proxy.address(), seconds=60)
        self.addCleanup(wire.close)
        self.assertEqual([each for each in wire.log_in(version=PROTOCOL_3_0 + 2) if each.kind == "v"], [])
        self.assertEqual(len(wire.key), 4 + 32)
        wire.send(query("/* sleeper 32 */ SELECT pg_sleep(50)"))
        until(lambda: self.running(self.house.blue, "sleeper 32"), "it runs")
        for key in (wire.key[:8], wire.key[:-1], wire.key + b"\0", wire.key[:-1] + bytes([wire.key[-1] ^ 1]), wire.key + bytes(221)):
            cancel(self.proxy.address(), key)
        self.assertTrue(self.running(self.house.blue, "sleeper 32"))
        cancel(self.proxy.address(), wire.key)
        self.assertEqual([each for each in wire.read_until("Z") if each.kind == "E"][0].fields["C"], "57014")

    def test_keys_differ(self):
        """many sessions → many keys"""
        keys = set()
        for _ in range(20):
            with Wire(self.proxy.address()) as wire:
                wire.log_in()
                keys.add(wire.key)
        self.assertEqual(len(keys), 20)

    def test_driver(self):
        """psycopg 2's cancel() → QueryCanceled, the session goes on"""
        connection = self.connect()

        def cancel_when_running():
            until(lambda: self.running(self.house.blue, "sleeper four"), "it runs")
            connection.cancel()

        canceller = threading.Thread(target=cancel_when_running)
        canceller.start()
        with self.assertRaises(psycopg2.errors.QueryCanceled):
            self.query(connection, "/* sleeper four */ SELECT pg_sleep(50)")
        canceller.join()
        self.assertEqual(self.value(connection, "SELECT 1"), 1)
