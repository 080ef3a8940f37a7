"""What is in `state.directory` outlives the process: weights that were set at run time, and that only one process has it."""

import pathlib
import signal
import tempfile
import unittest

import psycopg2

import proxy
from clusters import house
from waiting import until


class Durable(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=house().scratch))
        self.running = None

    def settings(self, green=0, **more):
        return proxy.configuration(proxy.pair(rules=[proxy.rule(reads={"green": green})]), state={"directory": str(self.folder / "state")}, **more)

    def start(self, settings=None, words=()):
        self.running = proxy.Proxy(settings or self.settings(), words)
        self.addCleanup(self.running.kill)
        return self.running

    def weights(self):
        return [rule["reads"]["green"] for rule in self.running.status()["rules"]]

    def test_weights(self):
        """weights are set, the process is killed → the next one has them, and a rollback takes them back; and that too is kept"""
        self.assertTrue(self.start().shift(30)["durable"])
        self.running.shift(70)
        self.running.kill()
        self.start()
        self.assertEqual(self.weights(), [70])
        reply = self.running.ask("POST", "/api/v1/pairs/shop/rollback")
        self.assertEqual((reply.status, reply.json["durable"]), (200, True), reply.text)
        self.running.kill()
        self.start()
        self.assertEqual(self.weights(), [30])

    def test_configuration_changes(self):
        """the file's weights were changed while nothing ran → the file decides; unchanged → what was set at run time"""
        self.start().shift(30)
        self.running.kill()
        self.start(self.settings(green=5))
        self.assertEqual(self.weights(), [5])
        self.running.kill()
        self.start()
        self.assertEqual(self.weights(), [30])

    def test_damaged(self):
        """the file of the weights is damaged → said, and the configuration's weights are in force"""
        self.start().shift(30)
        self.running.kill()
        file = self.folder / "state" / "shop.weights"
        file.write_text(file.read_text().replace("3000", "3001"))
        self.start()
        self.assertEqual(self.weights(), [0])
        self.assertIn("weights that were set at run time are lost", self.running.words())

    def test_no_room(self):
        """the disk does not take the weights → in force all the same, and the answer says that they would not outlive the process"""
        self.start()
        (self.folder / "state" / "shop.weights.part").mkdir()
        self.assertFalse(self.running.shift(30)["durable"])
        self.assertEqual(self.weights(), [30])

    def test_two_processes(self):
        """a second process with the same state → refused with words; after the first has died → let in"""
        first = self.start()
        with self.assertRaisesRegex(AssertionError, "another process has the state"):
            proxy.Proxy(self.settings())
        first.shift(40)
        first.kill()
        self.start()
        self.assertEqual(self.weights(), [40])

    def test_takeover(self):
        """a takeover → the new process has the state before the old one ends, a third one is kept out all the time, and what it sets is kept"""
        settings = self.settings(takeover={"socket": str(self.folder / "control"), "start_timeout": "20s", "session_timeout": "60s"})
        before = self.start(settings)
        before.shift(20)
        host, port = before.address()
        held = psycopg2.connect(host=host, port=port, user="postgres", dbname="postgres", sslmode="disable")
        self.addCleanup(held.close)
        held.cursor().execute("SELECT 1")  # a transaction that keeps the process before alive
        self.start(settings, ["--takeover"])
        self.assertIsNone(before.process.poll())
        self.assertEqual(self.weights(), [20])
        self.running.shift(60)
        with self.assertRaisesRegex(AssertionError, "another process has the state"):
            proxy.Proxy(self.settings())
        held.close()
        until(lambda: before.process.poll() is not None, "the process before ends", 20)
        with self.assertRaisesRegex(AssertionError, "another process has the state"):
            proxy.Proxy(self.settings())
        self.running.process.send_signal(signal.SIGKILL)
        self.running.process.wait(10)
        self.start()
        self.assertEqual(self.weights(), [60])


if __name__ == "__main__":
    unittest.main()
