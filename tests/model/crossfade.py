"""A Crossfade of our own between two clusters, for the model test."""

import json
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

CONFIGURATION = """
workers: 2
admin:
  listen: 127.0.0.1:0
limits:
  shutdown_timeout: 1s
pairs:
  model:
    dialect: postgres
    listen: 127.0.0.1:0
    blue: {{host: 127.0.0.1, port: {blue}}}
    green: {{host: 127.0.0.1, port: {green}}}
    writes: blue
    authentication: trust
    pool:
      mode: {pool}
      connections_max: 20
    users:
      model: {{}}
    catalogue:
      user: postgres
    rules:
      - name: two_sides
        match:
          database: [two_sides]
        reads: {{blue: 50, green: 50}}
        stickiness: statement
      - name: one_side
        reads: blue
"""


class Crossfade:
    """The proxy as a child process; a context. `address` is where clients connect."""

    def __init__(self, program, blue, green, pool):
        self.program, self.blue, self.green, self.pool = program, blue, green, pool
        self.folder = tempfile.TemporaryDirectory(prefix="model-")
        self.process, self.address, self.admin = None, None, None

    def __enter__(self):
        folder = pathlib.Path(self.folder.name)
        (folder / "crossfade.yaml").write_text(CONFIGURATION.format(blue=self.blue.port, green=self.green.port, pool=self.pool), "utf-8")
        ready = folder / "ready.json"
        self.log = open(folder / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([self.program, "run", folder / "crossfade.yaml", "--ready-file", ready],
                                        stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("Crossfade did not start:\n" + self.words())
            threading.Event().wait(0.01)
        addresses = json.loads(ready.read_text("utf-8"))
        self.admin, self.address = addresses["admin"], addresses["pairs"]["model"]
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        self.folder.cleanup()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def words(self, length_max=4000):
        """The end of what it logged."""
        self.log.flush()
        return (pathlib.Path(self.folder.name) / "log").read_text("utf-8", errors="replace")[-length_max:]

    def has_died(self):
        return self.process.poll() is not None

    def set_green(self, percent):
        body = json.dumps({"reads": {"green": percent}}).encode()
        url = f"http://{self.admin}/api/v1/pairs/model/rules/two_sides/weights"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


class Fader:
    """Moves the read weights at random moments until the context ends."""

    def __init__(self, crossfade, seed):
        self.crossfade, self.random, self.change_count = crossfade, random.Random(seed), 0
        self.is_over = threading.Event()
        self.trouble = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.is_over.wait(self.random.uniform(0.001, 0.05)):
                self.crossfade.set_green(self.random.choice([0, 100, 50, 50, 10, 90]))
                self.change_count += 1
        except OSError as trouble:
            self.trouble = trouble

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
