"""Switchovers while the mirror carries the writes: both sides have all of them in the end, whatever happens on the way."""

import threading

import psycopg2

import switching
import switchover_test
from switching import WRITES, settings, sides
from waiting import until


class Mirrored(switching.Switching):
    """The mirror carries the writes: both sides have all of them in the end."""

    @classmethod
    def settings(cls):
        made = settings()
        made["pairs"]["shop"].update(sync="mirror", mirror={"directory": "journal", "user": "postgres"})
        return made

    def test_there_and_back(self):
        """writers with sums that must hold, the authority goes over and back → no error, each acknowledged write once on both sides, equal rows"""
        self.query(self.connect(), "INSERT INTO counts SELECT i, 100 FROM generate_series(1, 20) i")
        stop = threading.Event()
        written, errors = [], []

        def write(client):
            connection = self.connect()
            number = 0
            try:
                while not stop.is_set():
                    source, target = 1 + (number + client) % 20, 1 + (number * 7 + client) % 20
                    self.query(connection, "BEGIN")
                    for place in sorted((source, target)):
                        self.query(connection, "UPDATE counts SET count = count + %s WHERE client = %s", (1 if place == target else -1, place))
                    self.query(connection, f"INSERT INTO {WRITES} (client, number) VALUES (%s, %s)", (client, number))
                    self.query(connection, "COMMIT")
                    number += 1
            except psycopg2.Error as error:
                errors.append(str(error))
            written.append((client, number))

        threads = [threading.Thread(target=write, args=(client,)) for client in range(8)]
        for thread in threads:
            thread.start()
        try:
            for side in ("green", "blue", "green", "blue"):
                self.move(to=side)
                self.assert_fences()
                count = sides()[side].query(f"SELECT count(*) FROM {WRITES}", database="moved")[0][0]
                until(lambda: sides()[side].query(f"SELECT count(*) FROM {WRITES}", database="moved")[0][0] > count + 20, f"writes go to {side}")
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        self.assertEqual(errors, [])
        expected = {(client, number) for client, count in written for number in range(count)}
        for name, cluster in sides().items():
            until(lambda: cluster.query(f"SELECT count(*) FROM {WRITES}", database="moved")[0][0] >= len(expected), f"{name} has everything")
        for table in ("writes", "counts"):
            rows = [cluster.query(f"SELECT * FROM {table} ORDER BY 1, 2", database="moved") for cluster in sides().values()]
            self.assertEqual(rows[0], rows[1])
        self.assertEqual(set(sides()["blue"].query(f"SELECT client, number FROM {WRITES}", database="moved")), expected)


class Soaking(switching.Switching):
    """After a switchover the new authority is looked after."""

    @classmethod
    def settings(cls):
        made = settings(soak="1h", on_breach="reverse", soak_questions=["SELECT count(*) < 5 FROM public.counts"])
        made["pairs"]["shop"].update(sync="mirror", mirror={"directory": "journal", "user": "postgres"})
        return made

    def test_question(self):
        """a question of the operator is answered with false after the switchover → the authority goes back with all that was written; the audit says why"""
        self.move(to="green")
        writer = self.connect()
        self.query(writer, "INSERT INTO counts SELECT i, 0 FROM generate_series(1, 6) i")
        until(lambda: self.standing()["authority"] == "blue" and self.standing()["attempt"]["end"] == "moved", "the authority is back", 20)
        attempt = self.standing()["attempt"]
        self.assertEqual(attempt["who"], "crossfade")
        self.assertIn("question 1 of the soak", attempt["why"])
        self.query(writer, "INSERT INTO counts VALUES (7, 0)")
        self.assertEqual(sides()["blue"].query("SELECT count(*) FROM counts", database="moved"), [(7,)])
        # Wherever the answer is false, nothing goes back from where it has been brought back to.
        until(lambda: (self.proxy.home / "state" / "audit").read_text().count('"soak"') == 2, "it is told of blue too")
        standing = self.standing()
        self.assertEqual((standing["authority"], standing["attempt"]["number"]), ("blue", attempt["number"]))
        self.assertIn('"soak"', (self.proxy.home / "state" / "audit").read_text())


class DyingMirrored(switchover_test.Dying):
    """The same while the mirror carries the writes: whatever step it dies at, both sides have all of them in the end."""

    @classmethod
    def settings(cls):
        return Mirrored.settings()

    def wait_caught_up(self):
        """After a restart units of the journal are applied once more; until then the lag is a blocker."""
        until(lambda: self.proxy.ask("GET", "/api/v1/pairs/shop/mirror").json["lag"]["units"] == 0, "the follower has everything")

    def assert_holders(self, client, before, now):
        both = {(name, number) for name in sides() for number in (0, 1)}
        until(lambda: self.holders(client) == both, f"both sides have both writes of {client}")
        self.assertEqual(self.proxy.ask("GET", "/api/v1/pairs/shop/ledger").json["entries"], [])

    test_torn_state = None
