"""Programs in other languages see the same straight at the server, by session and by transaction."""

import difflib
import functools
import os
import pathlib
import re
import shutil
import subprocess

import proxy
from clusters import DATABASE
from through import Through

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
JDBC = "/usr/share/java/postgresql.jar"
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
MODES = ("by_session", "by_transaction")
# The text of a request that was cancelled or timed out holds nothing of ours; ports do.
MASKS = ((re.compile(r"127\.0\.0\.1:\d+"), "address"),)


class Programs(Through):
    """One pair by session, one by transaction with two connections per side."""

    @classmethod
    def settings(cls):
        pools = {"by_session": {"mode": "session"}, "by_transaction": {"mode": "transaction", "size": 8}}
        pairs = {mode: proxy.pair(pool=pool) for mode, pool in pools.items()}
        return {"workers": 2, "admin": {"listen": "127.0.0.1:0"}, "log": {"level": "info"}, "pairs": pairs}

    @functools.cached_property
    def scratch(self):
        path = self.proxy.home / "programs"
        path.mkdir(exist_ok=True)
        return path

    def build(self, *command, **environment):
        result = subprocess.run(command, env={**os.environ, **environment}, cwd=self.scratch, capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)

    def run_at(self, port, command, **environment):
        words = [str(each).replace("PORT", str(port)) for each in command]
        result = subprocess.run(words, cwd=self.scratch, capture_output=True, text=True, timeout=120,
                                env={**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres", "PGDATABASE": DATABASE,
                                     "PGSSLMODE": "disable", **environment})
        self.assertEqual(result.returncode, 0, f"{result.stdout[-1500:]}\n{result.stderr[-3000:]}")
        text = result.stdout
        for pattern, replacement in MASKS:
            text = pattern.sub(replacement, text)
        return text.splitlines()

    def compare(self, command, lines_at_least, **environment):
        wanted = self.run_at(self.house.blue.port, command, **environment)
        self.assertGreaterEqual(len(wanted), lines_at_least)
        for mode in MODES:
            with self.subTest(mode=mode):
                seen = self.run_at(self.proxy.address(mode)[1], command, **environment)
                difference = "\n".join(difflib.unified_diff(wanted, seen, "direct", mode, lineterm="", n=2))
                self.assertFalse(difference, difference[:6000])

    def test_jdbc(self):
        """a JDBC program in three query modes → the same rows, errors, counts and notifications"""
        self.build("javac", "-d", str(self.scratch), "-cp", JDBC, str(PROGRAMS / "Session.java"))
        url = "jdbc:postgresql://127.0.0.1:PORT/shop?user=postgres&sslmode=disable"
        self.compare(["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{self.scratch}:{JDBC}", "Session", url], 150,
                     TZ="UTC")

    def test_go(self):
        """a Go program with pgx and lib/pq → the same, with the statement cache in every mode"""
        self.build("go", "build", "-o", str(self.scratch / "session"), str(PROGRAMS / "session.go"),
                   GOCACHE=os.environ.get("GOCACHE", str(pathlib.Path(proxy.CROSSFADE).parents[1] / "go-cache")), **GO)
        self.compare([self.scratch / "session", "postgres://postgres@127.0.0.1:PORT/shop?sslmode=disable"], 100)

    def test_ruby(self):
        """a Ruby program with ruby-pg → the same, COPY, pipeline and cancel among it"""
        self.compare(["/usr/bin/ruby", PROGRAMS / "session.rb"], 25)

    def test_libpq_pipeline(self):
        """libpq's pipeline mode, errors, Flush and transactions in it → the same results in the same order"""
        self.build("gcc", "-Wall", "-I/usr/include/postgresql", "-o", str(self.scratch / "pipeline"), str(PROGRAMS / "pipeline.c"), "-lpq")
        self.compare([self.scratch / "pipeline"], 900)

    def test_postgres_js(self):
        """a program with postgres.js → the same, its pipelined pool, cursors, COPY and LISTEN among it"""
        modules = os.environ.get("POSTGRES_JS_PATH")
        if not modules or not shutil.which("node"):
            self.skipTest("postgres.js comes through npm, which is not here")
        self.compare(["node", PROGRAMS / "postgres_js.js"], 18, NODE_PATH=modules)
