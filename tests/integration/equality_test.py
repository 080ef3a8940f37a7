"""psql scripts print the same straight at the server, by session, by transaction, and by transaction while reads move."""

import contextlib
import difflib
import itertools
import os
import pathlib
import re
import subprocess
import threading

import clusters
import proxy
from clusters import BIN
from disturber import Disturber
from script_generator import Generator
from through import Through

SCRIPTS = pathlib.Path(__file__).resolve().parent / "scripts"
FIRST_SEED = int(os.environ.get("EQUALITY_SEED", "1"))  # others than a test run's: to look for more
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("EQUALITY_SEEDS", "4")))
STATEMENTS = 600
MODES = ("direct", "by_session", "by_transaction")
MASKS = (
    (re.compile(r"equal_(direct|by_session|by_transaction|moving)"), "DATABASE"),
    (re.compile(r"port \"?\d+\"?"), "port n"),
    (re.compile(r"server process with PID \d+"), "server process with PID n"),
    (re.compile(r"\b(lo_import|lo_unlink|pg_toast_|pg_temp_)( ?)\d{1,5}"), r"\1\2n"),
)
ITEMS = clusters.SCHEMA.format(name="both")


def masked(text):
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def database_of(mode):
    return f"equal_{mode}"


class Equality(Through):
    """Two pairs: by session and by transaction, the latter with one connection per side."""

    @classmethod
    def settings(cls):
        pools = {"by_session": {"mode": "session"}, "by_transaction": {"mode": "transaction", "size": 1}}
        pairs = {mode: proxy.pair(pool=pool) for mode, pool in pools.items()}
        return {"workers": 1, "admin": {"listen": "127.0.0.1:0"}, "log": {"level": "info"}, "pairs": pairs}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for database in map(database_of, (*MODES, "moving")):
            for cluster in cls.house.both:
                cluster.query(f"CREATE DATABASE {database}", database="postgres")
                cls.addClassCleanup(cluster.query, f"DROP DATABASE {database} WITH (FORCE)", database="postgres")
                cluster.query(ITEMS, database=database)

    def run_script(self, script, mode, database, encoding="utf-8"):
        """What psql prints, and its status, of a script as text."""
        port = self.house.blue.port if mode == "direct" else self.proxy.address(mode)[1]
        home = self.proxy.home / f"{database}-{mode}"
        home.mkdir(exist_ok=True)
        environment = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres", "PGDATABASE": database,
                       "PGSSLMODE": "disable", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C.UTF-8"}
        result = subprocess.run([BIN / "psql", "-X", "-a", "-f", "-"], input=script.encode(encoding), env=environment, cwd=home,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return masked(result.stdout.decode(encoding, "backslashreplace")), result.returncode

    def compare(self, name, modes=MODES[1:], databases=None, **script):
        wanted = self.run_script(mode="direct", database=database_of("direct"), **script)
        for mode in modes:
            with self.subTest(script=name, mode=mode):
                seen = self.run_script(mode=mode, database=databases or database_of(mode), **script)
                lines = difflib.unified_diff(wanted[0].splitlines(), seen[0].splitlines(), "direct", mode, lineterm="", n=4)
                difference = "\n".join(itertools.islice(lines, 60))
                self.assertFalse(difference, difference)
                self.assertEqual(seen[1], wanted[1])

    def disturbed(self):
        """Somebody else on the only connection that the clients by transaction have."""
        return Disturber(self.proxy.address("by_transaction"), database_of("by_transaction"))

    def test_written_scripts(self):
        """each script of scripts/ → the same text in every mode, whatever another client does to the shared connection"""
        for path in sorted(SCRIPTS.glob("*.sql")):
            with self.disturbed():
                self.compare(path.stem, script=path.read_text())

    def test_generated_scripts(self):
        """thousands of statements of every kind in any order → the same text in every mode"""
        for seed in SEEDS:
            with self.disturbed():
                self.compare(f"seed {seed}", script=Generator(seed).script(STATEMENTS))

    def test_moving_reads(self):
        """reads on two equal servers while weights move → the same text as from one"""
        ended, shifts = threading.Event(), itertools.cycle((100, 0, 50))

        def fade():
            while not ended.is_set():
                for mode in MODES[1:]:
                    self.proxy.shift(next(shifts), pair_name=mode)

        fader = threading.Thread(target=fade)
        fader.start()
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(Disturber(self.proxy.address("by_transaction"), database_of("moving")))
                for path in sorted((SCRIPTS / "reads").glob("*.sql")):
                    self.compare(path.stem, databases=database_of("moving"), script=path.read_text())
        finally:
            ended.set()
            fader.join()

    def test_encodings(self):
        """scripts in SJIS, LATIN1 and EUC_JP → the server's bytes, errors of untranslatable text among them"""
        for name, encoding, words in (("SJIS", "shift_jis", "表示ソ能"), ("LATIN1", "latin-1", "äöüß"), ("EUC_JP", "euc_jp", "日本語")):
            script = (f"\\encoding {name}\nSHOW client_encoding;\nCREATE TABLE spoken (w text);\nINSERT INTO spoken VALUES ('{words}');\n"
                      f"SELECT w, length(w), w = '{words}' FROM spoken;\nCOPY spoken TO STDOUT;\nCOPY spoken FROM STDIN;\n{words}\n\\.\n"
                      f"SELECT count(*) FROM spoken WHERE w = '{words}';\nSELECT U&'\\2603';\nSELECT missing_{words};\nDROP TABLE spoken;\n")
            with self.disturbed():
                self.compare(name, script=script, encoding=encoding)

    def test_large_values(self):
        """by transaction, values of 50 MB in and out, a long text, many columns → the same sizes and sums"""
        script = ("CREATE TABLE wide (t text);\nINSERT INTO wide VALUES (repeat('0123456789', 5000000));\n"
                  "SELECT length(t), md5(t) FROM wide;\n\\o large.out\n\\a\nSELECT t FROM wide;\n\\o\n"
                  "\\a\n\\! wc -c large.out\n\\copy wide TO 'large.copy'\nTRUNCATE wide;\n\\copy wide FROM 'large.copy'\n"
                  "SELECT length(t), md5(t) FROM wide;\n\\! rm large.out large.copy\nDROP TABLE wide;\n"
                  f"SELECT length('{'long text ' * 300000}');\n"
                  f"SELECT {', '.join(f'{i} AS c{i}' for i in range(1600))};\n"
                  f"SELECT {', '.join(f'{i} AS c{i}' for i in range(1700))};\n")
        with self.disturbed():
            self.compare("large", modes=("by_transaction",), script=script)
