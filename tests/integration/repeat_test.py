"""Reads whose server goes are made again: a side stopped under load, and both pool modes through a restart of blue."""

import signal
import subprocess
import threading

import psycopg2

import proxy
from clusters import BIN, Cluster, house
from through import Through, side_of
from waiting import until

QUICK = {"interval": "400ms", "timeout": "400ms", "fall": 2, "rise": 2}
PAIRS = {"shop": {"mode": "transaction", "size": 12}, "by_session": {"mode": "session"}}


class Victim(Through):
    """A third cluster plays one of the sides of two pairs, one for each pool mode."""

    victim_side = "green"
    green = 50

    @classmethod
    def settings(cls):
        cls.victim = Cluster(f"leaving_{cls.victim_side}", house().scratch)
        cls.victim.create()
        cls.addClassCleanup(cls.victim.stop, signal.SIGQUIT)
        cls.victim.start()
        cls.victim.fill()
        pairs = {name: proxy.pair(rules=[proxy.rule(green=cls.green, stickiness="statement")], health=QUICK, pool=pool,
                                  **{cls.victim_side: cls.victim.port})
                 for name, pool in PAIRS.items()}
        return proxy.configuration(pairs["shop"], {"by_session": pairs["by_session"]})

    def setUp(self):
        super().setUp()
        self.victim.restart_if_down()
        for name in PAIRS:
            until(lambda name=name: self.health(name) == "up", f"the victim is up in {name}")
            self.proxy.shift(self.green, pair_name=name)

    def health(self, pair_name="shop"):
        return self.proxy.status(pair_name)["sides"][self.victim_side]["health"]["state"]

    def victims_requests(self):
        return sum(self.proxy.status(name)["sides"][self.victim_side]["requests"] for name in PAIRS)

    def repeated(self):
        lines = self.proxy.ask("GET", "/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("crossfade_reads_repeated_total{"))


class Readers:
    """Clients that read until told to stop, and the errors that they met."""

    def __init__(self, case):
        self.errors, self.reads, self.stopping = [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.read, args=(case, name)) for name in PAIRS for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def read(self, case, pair_name):
        try:
            connection = case.connect(pair_name=pair_name)
            while not self.stopping.is_set():
                side_of(connection)
                self.reads += 1
        except psycopg2.Error as error:
            self.errors.append(f"{pair_name}: {error!r}")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class GreenUnderLoad(Victim):
    def pgbench(self, pair_name, mode):
        host, port = self.proxy.address(pair_name)
        return subprocess.Popen([BIN / "pgbench", "-n", "-S", "-M", mode, "-c", "3", "-T", "6", "-h", host, "-p", str(port), "-U", "postgres",
                                 "bench"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def test_stopped_at_once(self):
        """an immediate stop of green under load, half of the reads there → not one client error; started again, reads come back"""
        readers = Readers(self)
        benches = [self.pgbench("shop", "simple"), self.pgbench("by_session", "prepared"), self.pgbench("shop", "extended")]
        try:
            until(lambda: self.victims_requests() > 2000, "green answers reads")
            self.victim.stop(signal.SIGQUIT)
            until(lambda: self.health() == "down" and self.health("by_session") == "down", "green is down", 5)
            done = readers.reads
            until(lambda: readers.reads > done + 50 or readers.errors, "reads go on", 10)
            self.victim.start()
            until(lambda: self.health() == "up" and self.health("by_session") == "up", "green is up", 10)
            answered = self.victims_requests()
            until(lambda: self.victims_requests() > answered + 500, "green answers reads again", 10)
        finally:
            readers.stop()
            words = [bench.communicate(timeout=30)[0] for bench in benches]
        self.assertEqual(readers.errors, [])
        for bench, said in zip(benches, words):
            self.assertEqual(bench.returncode, 0, said)
            self.assertIn("number of failed transactions: 0 ", said)
        self.assertGreater(self.repeated(), 0)


class BlueRestarts(Victim):
    victim_side = "blue"
    green = 0

    def connections(self):
        return {name: self.connect(pair_name=name) for name in PAIRS}

    def test_idle(self):
        """blue restarts while clients idle, in every shutdown mode → both pool modes notice nothing: reads and writes go on"""
        connections = self.connections()
        for how in (signal.SIGINT, signal.SIGQUIT):
            for connection in connections.values():
                self.query(connection, "SET work_mem = '5MB'")
                self.query(connection, "INSERT INTO log VALUES ('before')")
            self.victim.stop(how)
            self.victim.start()
            for name, connection in connections.items():
                with self.subTest(pair=name):
                    until(lambda name=name: self.health(name) == "up", "blue is up")
                    self.assert_side(connection, self.victim.name)
                    self.query(connection, "INSERT INTO log VALUES ('after')")
                    self.assertEqual(self.value(connection, "SHOW work_mem"), "5MB")

    def test_terminated_read(self):
        """the server process of a running read is ended → the read is made again on a new connection, the client sees its rows"""
        slow = "SELECT count(*) FROM generate_series(1, 3000000) /* {} */"
        for name, connection in self.connections().items():
            with self.subTest(pair=name):
                answers = []
                reader = threading.Thread(target=lambda: answers.append(self.value(connection, slow.format(name))))
                reader.start()
                find = f"state = 'active' AND query LIKE '%{name} */%'"
                pids = until(lambda: [row[0] for row in self.victim.sessions(find)] or (not reader.is_alive() and ["late"]), "it runs")
                self.assertNotEqual(pids, ["late"])
                self.victim.query("SELECT pg_terminate_backend(%s)", (pids[0],))
                reader.join(30)
                self.assertEqual(answers, [3000000])

    def test_running_write(self):
        """blue stops while a write runs → an error of class 57 or 08, once; a new connection goes on after the restart"""
        for name, connection in self.connections().items():
            with self.subTest(pair=name):
                errors = []

                def write(connection=connection, errors=errors):
                    try:
                        self.query(connection, "INSERT INTO log SELECT 'half' FROM pg_sleep(30)")
                    except psycopg2.Error as error:
                        errors.append(error)

                writer = threading.Thread(target=write)
                writer.start()
                until(lambda: self.victim.sessions("state = 'active' AND query LIKE '%half%'"), "it runs")
                self.victim.stop(signal.SIGINT)
                writer.join(30)
                self.assertEqual(len(errors), 1)
                self.assertRegex(str(errors[0]), "terminating connection|connection to the database server was lost|closed the connection")
                self.victim.start()
                until(lambda name=name: self.health(name) == "up", "blue is up")
                self.assertEqual(self.value(self.connect(pair_name=name), "SELECT count(*) FROM log WHERE line = 'half'"), 0)
