"""Reads that wait until green has what their session has written (`causal_wait`)."""

import signal
import threading

import proxy
from clusters import house
from mirror_test import DATABASE, Mirrored
from waiting import until


class Causal(Mirrored):
    @classmethod
    def settings(cls):
        settings = super().settings()
        patient = proxy.rule("patient", green=100, causal_wait="10s")
        patient["match"] = {**patient["match"], "application_name": ["patient"]}
        settings["pairs"]["shop"]["rules"] = [patient, proxy.rule("hasty", green=100, causal_wait="20ms")]
        return settings

    def counts(self):
        mirror = self.proxy.ask("GET", "/api/v1/pairs/shop/mirror").json
        return mirror["reads_waited"], mirror["reads_given_up"]

    def test_causal_wait(self):
        """green is slow to apply → a read waits for its session's write and is green's; longer than causal_wait, it is blue's, and the next one does not wait"""
        self.make("CREATE TABLE caused (id int PRIMARY KEY, n int); INSERT INTO caused VALUES (1, 0)")
        read = "SELECT n, current_setting('cluster_name') FROM caused"
        seen = []
        patient, hasty = self.connect(application_name="patient"), self.connect()
        for connection in (patient, hasty):
            self.assertEqual(self.query(connection, read), [(0, "green")])
        with house().green.connect(database=DATABASE) as other, other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE caused IN EXCLUSIVE MODE")
            self.query(patient, "UPDATE caused SET n = 1")
            reader = threading.Thread(target=lambda: seen.extend(self.query(patient, read)))
            reader.start()
            until(lambda: self.counts() == (1, 0), "the read waits")
            self.query(hasty, "UPDATE caused SET n = 2")
            self.assertEqual(self.query(hasty, read), [(2, "blue")])
            self.assertEqual(self.query(hasty, read), [(2, "blue")])
            self.assertEqual(self.counts(), (2, 1))
            self.assertTrue(reader.is_alive())
            cursor.execute("COMMIT")
        reader.join()
        self.assertEqual([side for _, side in seen], ["green"])
        self.assertGreaterEqual(seen[0][0], 1)
        until(self.applied, "it is applied")
        self.assertEqual(self.query(hasty, read), [(2, "green")])

    def test_green_goes(self):
        """green is killed while a read waits for it → the read is blue's, long before causal_wait is over"""
        self.make("CREATE TABLE orphaned (id int PRIMARY KEY, n int); INSERT INTO orphaned VALUES (1, 0)")
        connection = self.connect(application_name="patient")
        house().green.stop(signal.SIGQUIT)
        try:
            for n in range(1, 20):
                self.query(connection, "UPDATE orphaned SET n = %s", (n,))
                self.assertEqual(self.query(connection, "SELECT n, current_setting('cluster_name') FROM orphaned"), [(n, "blue")])
        finally:
            house().green.start()
        self.assert_equal("orphaned")
