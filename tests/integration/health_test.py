"""Health of the sides: probes find what stands still or is gone, reads stay away from it and come back by themselves."""

import os
import signal

import proxy
from clusters import Cluster, house
from through import Through, side_of
from waiting import Stopwatch, until

QUICK = {"interval": "400ms", "timeout": "400ms", "fall": 2, "rise": 2}


class Sides(Through):
    """A third cluster plays green, so that the shared ones stay whole."""

    @classmethod
    def settings(cls):
        cls.victim = Cluster("watched", house().scratch)
        cls.victim.create()
        cls.addClassCleanup(cls.victim.stop, signal.SIGQUIT)
        cls.victim.start()
        cls.victim.fill()
        return proxy.configuration(proxy.pair(green=cls.victim.port, rules=[proxy.rule(green=50, stickiness="statement")], health=QUICK,
                                              pool={"mode": "transaction", "size": 8}),
                                   limits={"connect_timeout": "2s"})

    def setUp(self):
        super().setUp()
        self.victim.restart_if_down()
        until(lambda: self.health() == "up", "green is up")
        self.proxy.shift(50)

    def health(self, side="green"):
        return self.proxy.status()["sides"][side]["health"]["state"]

    def metric(self, name, side="green"):
        for line in self.proxy.ask("GET", "/metrics").text.splitlines():
            if line.startswith(name + "{") and f'side="{side}"' in line:
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no {name}")

    def sides_of_reads(self, connection, count=40):
        return {side_of(connection) for _ in range(count)}

    def test_shown(self):
        """both sides well → up in the status, the metrics and the command line's view, with the server's version"""
        self.connect()
        until(lambda: self.proxy.status()["sides"]["green"]["server_version"], "a probe has logged in")
        side = self.proxy.status()["sides"]["green"]
        self.assertEqual(side["health"]["state"], "up")
        self.assertIsNone(side["health"]["reason"])
        self.assertEqual((side["in_recovery"], side["read_only"]), (False, False))
        self.assertEqual(self.metric("crossfade_side_up"), 1)

    def test_read_only(self):
        """a side that begins its sessions read-only → shown"""
        self.connect()
        self.victim.query("ALTER SYSTEM SET default_transaction_read_only = on")
        self.victim.query("SELECT pg_reload_conf()")
        until(lambda: self.proxy.status()["sides"]["green"]["read_only"], "it is shown")
        self.victim.query("ALTER SYSTEM RESET default_transaction_read_only")
        self.victim.query("SELECT pg_reload_conf()")
        until(lambda: not self.proxy.status()["sides"]["green"]["read_only"], "it is shown")

    def test_stands_still(self):
        """SIGSTOP of all of green → down by its probes' timeouts, reads on blue; SIGCONT → up, reads come back"""
        connection = self.connect()
        self.assertEqual(self.sides_of_reads(connection), {"blue", "watched"})
        processes = [self.victim.process.pid, *(row[0] for row in self.victim.sessions())]
        before = self.metric("crossfade_side_health_changes_total")
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: self.health() == "down", "green is down", 10)
            self.assertEqual(self.proxy.status()["sides"]["green"]["health"]["reason"], "timeout")
            self.assertEqual(self.metric("crossfade_side_up"), 0)
            with Stopwatch(5):
                self.assertEqual(self.sides_of_reads(self.connect()), {"blue"})
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
        until(lambda: self.health() == "up", "green is up", 10)
        self.assertEqual(self.sides_of_reads(self.connect()), {"blue", "watched"})
        self.assertGreaterEqual(self.metric("crossfade_side_health_changes_total") - before, 2)
        self.assertIn("the health of a side changed", self.proxy.log.read_text())

    def test_killed(self):
        """green is stopped at once → down by the first connection that is refused; started again → up, reads come back"""
        connection = self.connect()
        self.assertEqual(self.sides_of_reads(connection), {"blue", "watched"})
        self.victim.stop(signal.SIGQUIT)
        self.assertEqual(self.sides_of_reads(connection), {"blue"})
        until(lambda: self.health() == "down", "green is down", 5)
        until(lambda: self.proxy.status()["sides"]["green"]["health"]["reason"] == "refused", "nobody listens there")
        self.victim.start()
        until(lambda: self.health() == "up", "green is up", 10)
        self.assertEqual(self.sides_of_reads(connection), {"blue", "watched"})

    def test_one_user_refused(self):
        """green lets one user not in → that user's reads on blue, the side stays up for everybody else"""
        self.victim.query("ALTER ROLE app_trust NOLOGIN")
        self.addCleanup(self.victim.query, "ALTER ROLE app_trust LOGIN")
        other, refused = self.connect(), self.connect(user="app_trust")
        self.assertEqual(self.sides_of_reads(refused), {"blue"})
        self.assertEqual(self.sides_of_reads(other), {"blue", "watched"})
        self.assertEqual(self.health(), "up")


class Pings(Through):
    """Nobody to log in as."""

    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(health={**QUICK, "interval": "100ms"}))

    def test_silence(self):
        """pinged again and again → up, and not a word in the server's log"""
        before = self.house.green.log.read_text(), self.house.blue.log.read_text()
        until(lambda: self.proxy.status()["sides"]["green"]["health"]["for_seconds"] >= 1, "a second has passed")
        self.assertEqual(self.proxy.status()["sides"]["green"]["health"]["state"], "up")
        self.assertIsNone(self.proxy.status()["sides"]["green"]["server_version"])
        self.assertEqual(self.house.green.log.read_text(), before[0])
        self.assertEqual(self.house.blue.log.read_text(), before[1])
