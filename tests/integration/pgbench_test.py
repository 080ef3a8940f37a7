"""pgbench in every mode, with weights that move while it runs: not one error, not one lost connection."""

import itertools
import re
import subprocess

from clusters import BIN
from through import Through
from waiting import until

READS = "\\set id random(1, 100000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :id;\n"
PIPELINE = """\\set id random(1, 100000)
\\startpipeline
SELECT abalance FROM pgbench_accounts WHERE aid = :id;
SELECT bbalance FROM pgbench_branches WHERE bid = 1;
SELECT tbalance FROM pgbench_tellers WHERE tid = 3;
\\endpipeline
\\startpipeline
SELECT 1;
UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = 4;
SELECT 2;
\\endpipeline
"""
MIXED = """\\set id random(1, 100000)
SELECT abalance FROM pgbench_accounts WHERE aid = :id;
BEGIN;
SELECT bbalance FROM pgbench_branches WHERE bid = 1;
UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = 5;
END;
BEGIN READ ONLY;
SELECT tbalance FROM pgbench_tellers WHERE tid = 3;
SELECT abalance FROM pgbench_accounts WHERE aid = :id;
COMMIT;
"""
TRANSACTIONS = 250
CLIENTS = 8


class Pgbench(Through):
    THREADS = 2

    def run_moving(self, script, mode, *more):
        """Runs pgbench and moves the weights round and round until it ends."""
        path = self.proxy.home / "script.sql"
        path.write_text(script)
        words = [BIN / "pgbench", "-n", "-M", mode, "-c", str(CLIENTS), "-j", str(self.THREADS), "-t", str(TRANSACTIONS), "-f", str(path), *more]
        before = {side: self.side_requests(side) for side in ("blue", "green")}
        process = subprocess.Popen(words, env=self.environment(database="bench"), text=True, cwd="/",
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.kill)
        weights = itertools.cycle((10, 50, 100, 0, 100, 50, 0))
        until(lambda: self.proxy.shift(next(weights)) and process.poll() is not None, "pgbench ends", 120)
        text = process.stdout.read()
        process.stdout.close()
        self.assertEqual(process.returncode, 0, text)
        expected = CLIENTS * TRANSACTIONS
        self.assertIn(f"number of transactions actually processed: {expected}/{expected}", text)
        self.assertRegex(text, r"number of failed transactions: 0 ")
        self.assertIsNone(re.search(r"error|aborted", text), text)
        for side in before:
            self.assertGreater(self.side_requests(side), before[side], f"nothing went to {side}")

    def side_requests(self, side):
        return self.proxy.status()["sides"][side]["requests"]

    def test_reads_in_every_mode(self):
        """reads while weights move, simple, extended and prepared → no error, both sides served"""
        for mode in ("simple", "extended", "prepared"):
            with self.subTest(mode=mode):
                self.run_moving(READS, mode)

    def test_mixed_in_every_mode(self):
        """reads, writes and transactions while weights move → no error"""
        for mode in ("simple", "extended", "prepared"):
            with self.subTest(mode=mode):
                self.run_moving(MIXED, mode)

    def test_pipelines(self):
        """\\startpipeline … \\endpipeline while weights move → no error"""
        for mode in ("extended", "prepared"):
            with self.subTest(mode=mode):
                self.run_moving(PIPELINE, mode)

    def test_tpcb(self):
        """the standard script through the proxy → every transaction on blue, balances agree"""
        words = [BIN / "pgbench", "-n", "-c", "4", "-j", "2", "-t", "100"]
        result = subprocess.run(words, env=self.environment(database="bench"), text=True, cwd="/", capture_output=True,
                                timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        sums = "SELECT (SELECT sum(delta) FROM pgbench_history), (SELECT sum(bbalance) FROM pgbench_branches)"
        deltas, balances = self.house.blue.query(sums, database="bench")[0]
        self.assertEqual(deltas, balances)
        self.assertEqual(self.house.green.query("SELECT count(*) FROM pgbench_history", database="bench"), [(0,)])

    def test_connection_per_transaction(self):
        """-C, a connection for each transaction → no error"""
        words = [BIN / "pgbench", "-n", "-C", "-S", "-c", "4", "-j", "2", "-t", "50"]
        result = subprocess.run(words, env=self.environment(database="bench"), text=True, cwd="/", capture_output=True,
                                timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("200/200", result.stdout)
