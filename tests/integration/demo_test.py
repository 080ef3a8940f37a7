"""`crossfade demo`: its story goes as told, and however it ends, nothing of it is left."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import proxy
from waiting import until

SECONDS_MAX = 120


def scratch_of(temporary):
    return [path for path in pathlib.Path(temporary).iterdir() if path.name.startswith("crossfade-demo-")]


def processes_naming(text):
    """Command lines of processes that name the text: servers carry their store, the proxy its configuration."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in line:
                found.append(f"{entry.name} {line}")
    return found


class Demo(unittest.TestCase):
    def setUp(self):
        # Short, for it holds local sockets; open to enter, for the servers run as another user.
        holder = tempfile.TemporaryDirectory(prefix="cf-")
        self.addCleanup(holder.cleanup)
        self.temporary = holder.name
        os.chmod(self.temporary, 0o711)

    def start(self, *words):
        process = subprocess.Popen([proxy.CROSSFADE, "demo", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env={**os.environ, "TMPDIR": self.temporary})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read_until(self, process, wanted):
        """Lines up to the first that matches; the story's own order is the clock."""
        lines = []
        for line in process.stdout:
            lines.append(line)
            if re.search(wanted, line):
                return lines
        self.fail(f"ended before {wanted!r}:\n" + "".join(lines))

    def assert_nothing_left(self):
        self.assertEqual(scratch_of(self.temporary), [])
        self.assertEqual(processes_naming(self.temporary), [])

    def stopped_at(self, scene, number):
        process = self.start("--seconds", "1")
        self.read_until(process, scene)
        process.send_signal(number)
        output, _ = process.communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, 128 + number, output)
        self.assert_nothing_left()

    def test_story(self):
        """the whole story → status 0, every step as promised, no error, no drop, nothing left"""
        output, _ = (process := self.start("--seconds", "2")).communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, 0, output)
        self.assertRegex(output, r"\d transactions .* 0 errors, 0 dropped connections")
        self.assertNotIn("NOT AS PROMISED", output)
        for share in ("0", "10", "50", "100"):
            self.assertRegex(output, rf"reads {share} % on green")
        for move in ("switchover to green", "rollback to blue", "switchover to green again"):
            self.assertRegex(output, rf"── {move}\n +(blue|green) has the authority")
        self.assertRegex(output, r"the longest stall: [0-9.]+ m?s without a write of any client")
        self.assertRegex(output, r"[1-9][0-9,]* times a client read what it had just written")
        for table in ("accounts", "branches", "history", "tellers"):
            self.assertRegex(output, rf"public\.pgbench_{table}: [1-9][0-9,]* rows, equal")
        self.assert_nothing_left()

    def test_interrupted_while_servers_are_made(self):
        """Ctrl-C while the servers are being made → 130, nothing left"""
        self.stopped_at("throw-away servers", signal.SIGINT)

    def test_interrupted_under_load(self):
        """Ctrl-C in the middle of the load → 130, nothing left"""
        self.stopped_at("reads 10 % on green", signal.SIGINT)

    def test_terminated_under_load(self):
        """SIGTERM in the middle of the load → 143, nothing left"""
        self.stopped_at("reads 50 % on green", signal.SIGTERM)

    def test_reader_gone(self):
        """nobody reads the output any more → it ends, nothing left"""
        process = self.start("--seconds", "1")
        self.read_until(process, "reads 0 % on green")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=SECONDS_MAX), 1)
        self.assert_nothing_left()

    def test_server_killed(self):
        """a server that dies under load → told by name, status 1, nothing left"""
        process = self.start("--seconds", "1")
        self.read_until(process, "reads 0 % on green")
        store = str(scratch_of(self.temporary)[0] / "green" / "store")
        os.kill(int(processes_naming("-D " + store)[0].split()[0]), signal.SIGKILL)
        output, _ = process.communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, 1, output)
        self.assertIn("green's server ended unexpectedly", output)
        self.assert_nothing_left()

    def test_hold(self):
        """--hold → the lines that it prints work, and Ctrl-C then is its ordinary end"""
        process = self.start("--seconds", "1", "--hold")
        lines = self.read_until(process, "/metrics")
        psql = next(line for line in lines if line.strip().startswith("psql")).strip()
        put = next(line for line in lines if "-X PUT" in line).strip()
        said = subprocess.run(psql, shell=True, capture_output=True, text=True, timeout=30)
        self.assertIn("green", said.stdout, said.stderr)
        said = subprocess.run(put, shell=True, capture_output=True, text=True, timeout=30)
        self.assertIn('"acknowledged_by_all":true', said.stdout.replace(" ", ""), said.stderr)
        until(lambda: re.search(r"\b(?:2[0-9]) %", process.stdout.readline()), "a quarter of the reads on green")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=SECONDS_MAX)
        self.assertEqual(process.returncode, 0, output)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
