"""node-postgres: text, parameters, named statements, errors, notices, notifications, a pool."""

import json
import os
import pathlib
import subprocess

from through import Through

SCRIPT = pathlib.Path(__file__).resolve().parent / "node" / "session.js"


class Node(Through):
    def run_session(self, port=None):
        environment = {**self.environment(port=port), "NODE_PATH": os.environ["NODE_PATH"], "PGSSLMODE": "disable"}
        result = subprocess.run(["node", SCRIPT], env=environment, capture_output=True, text=True, timeout=60, cwd="/")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_session(self):
        """a session of node-postgres through the proxy → what it sees straight at blue"""
        through = self.run_session()
        self.assertEqual(through, self.run_session(port=self.house.blue.port))
        self.assertEqual(through["parameters"], [{"sum": 42, "words": "ä"}])
        self.assertEqual(through["error"]["code"], "42P01")
        self.assertEqual(through["notification"], "ding")
        self.assertEqual(through["pool"], [n * 2 for n in range(50)])

    def test_on_green(self):
        """the same session with all reads on green → the same answers"""
        self.proxy.shift(100)
        self.assertEqual(self.run_session(), self.run_session(port=self.house.blue.port))
