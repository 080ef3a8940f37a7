"""The mirror behind its desk, with two real servers: equal sides after everything that can happen to it."""

import os
import pathlib
import random
import resource
import signal
import subprocess
import unittest

from clusters import house
from waiting import until

DATABASE = "mirrored"
SCHEMA = """
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
INSERT INTO accounts SELECT i, i FROM generate_series(1, 20) i;
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who int REFERENCES accounts DEFERRABLE, what text);
CREATE TABLE names (id serial PRIMARY KEY, name text UNIQUE);
CREATE TABLE lines (id int, line text);
CREATE TYPE feeling AS ENUM ('fine', 'so so');
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE TABLE "Odd""Ones" ("Key" uuid, "part" even, n numeric, f float8, b bytea, j jsonb, a text[], t timestamptz, i interval, e feeling,
  r int4range, x text, g int GENERATED ALWAYS AS (length(x)) STORED, PRIMARY KEY ("Key", "part"));
"""
TABLES = {"accounts": "id", "events": "id", "names": "id", "lines": "id, line", '"Odd""Ones"': '"Key", "part"'}


class Feeder:
    """The program that uses a mirror as sessions do."""

    def __init__(self, folder, *options, limit=None):
        blue, green = house().both
        program = pathlib.Path(os.environ["CROSSFADE"]).resolve().parent.parent / "tests/proxy/migrate/mirror_feeder"
        words = [program, folder, blue.home, blue.port, green.home, green.port, DATABASE, *options]
        limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))} if limit else {}
        self.process = subprocess.Popen([*map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **limited)
        self.first = self.read()

    def read(self):
        return self.process.stdout.readline().strip()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.say(line)
        return self.read()

    def kill(self):
        self.process.kill()
        self.end()

    def quit(self):
        answer = self.ask("quit")
        self.end()
        return answer

    def end(self):
        self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()


class MirrorApply(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        for side in house().both:
            side.restart_if_down()
            side.query(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", database="postgres")
            side.query(f"CREATE DATABASE {DATABASE}", database="postgres")
            side.query(SCHEMA, database=DATABASE)
            side.query("CHECKPOINT")  # these servers forget what they said they had when they are killed
        self.folder = house().scratch / f"journal-{self.id().rpartition('.')[2]}"
        self.feeders = []

    def tearDown(self):
        for feeder in self.feeders:
            if feeder.process.poll() is None:
                feeder.kill()
        for side in house().both:
            side.restart_if_down()
            side.query(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", database="postgres")

    def feeder(self, *options, **more):
        feeder = Feeder(self.folder, *options, **more)
        self.feeders.append(feeder)
        self.assertEqual(feeder.first, "open")
        return feeder

    def rows(self, side, table):
        return side.query(f"SELECT every::text FROM {table} AS every ORDER BY {TABLES[table]}", database=DATABASE)

    def assert_equal_sides(self, *tables):
        blue, green = house().both
        for table in tables or TABLES:
            self.assertEqual(self.rows(blue, table), self.rows(green, table), table)

    def applied(self):
        return house().green.query("SELECT count(*) FROM crossfade.applied", database=DATABASE)[0][0]

    def test_load(self):
        """many writers on the same rows → equal, each unit once, and nothing left behind"""
        feeder = self.feeder()
        self.assertRegex(feeder.ask("work 6 1500 1"), r"^worked [1-9]\d\d")
        self.assertEqual(feeder.ask("wait"), "applied")
        self.assertEqual(feeder.ask("ledger"), "ledger")
        self.assert_equal_sides()
        self.assertEqual(feeder.quit(), "closed")
        again = self.feeder()
        self.assertRegex(again.ask("status"), "^status running 0 0 ")

    def test_kinds_of_values(self):
        """extreme values, odd names, composite keys, generated columns, COPY, schema changes → equal"""
        feeder = self.feeder()
        values = ["'NaN', 'Infinity', '\\x00ff', '{\"a\": [1, null]}', '{\"x,\",NULL,\"y z\"}', 'infinity', '1 mon -2 days', 'so so', '[1,5)', 'ä''\"\\'",
                  "1e-40::numeric, 5e-324, '', 'null', '{}', '4713-01-01 00:00:00+00 BC', NULL, 'fine', 'empty', NULL",
                  "repeat('9', 400)::numeric, -0.0, NULL, '[]', NULL, '294276-12-31 23:59:59.999999+00', '1 sec', NULL, NULL, repeat('x', 3000000)"]
        for number, each in enumerate(values):
            key = f"'{number:08d}-0000-0000-0000-000000000000', {2 * number}"
            self.assertEqual(feeder.ask(f'put Odd"Ones Key,part INSERT INTO "Odd""Ones" VALUES ({key}, {each}) '
                                        'RETURNING "Key", "part", n, f, b, j, a, t, i, e, r, x'), "committed")
        self.assertEqual(feeder.ask("copy 5000 COPY lines FROM STDIN"), "committed")
        self.assertEqual(feeder.ask("put lines - INSERT INTO lines SELECT 7000 + i, 'twice' FROM generate_series(1, 1000) i RETURNING *"), "committed")
        self.assertEqual(feeder.ask("schema ALTER TABLE lines ADD COLUMN more int DEFAULT 4"), "committed")
        self.assertEqual(feeder.ask("put lines - INSERT INTO lines VALUES (9000, 'with more', 5) RETURNING *"), "committed")
        self.assertEqual(feeder.ask("put accounts id UPDATE accounts SET balance = balance + 1 RETURNING *"), "committed")
        self.assertEqual(feeder.ask("remove events id DELETE FROM events RETURNING id"), "not committed")
        self.assertEqual(feeder.ask("wait"), "applied")
        self.assertEqual(feeder.ask("ledger"), "ledger")
        self.assert_equal_sides()

    def test_follower_dies(self):
        """the follower is killed and comes back, again and again under load → clients go on, and it is equal in the end"""
        feeder = self.feeder()
        green = house().green
        feeder.say("work 4 2500 2")
        for _ in range(2):
            until(lambda: self.sessions(green), "the mirror is at work")
            green.stop(signal.SIGQUIT)
            green.start()
        self.assertRegex(feeder.read(), r"^worked [1-9]\d\d")
        self.assertEqual(feeder.ask("wait"), "applied")
        self.assert_equal_sides()

    def sessions(self, side):
        return side.sessions("application_name = 'crossfade mirror'")

    def test_process_dies(self):
        """the process with the journal is killed at random moments → the next one ends with equal sides"""
        dice = random.Random(7)
        for turn in range(4):
            feeder = self.feeder(*(["relaxed"] if turn % 2 else []))
            feeder.say(f"work 4 100000 {turn}")
            wanted = dice.randint(50, 400)
            before = house().blue.query("SELECT pg_current_xact_id()::text::bigint", database=DATABASE)[0][0]
            until(lambda: house().blue.query("SELECT pg_current_xact_id()::text::bigint", database=DATABASE)[0][0] > before + wanted, "it works")
            feeder.kill()
        last = self.feeder()
        self.assertEqual(last.ask("wait"), "applied")
        self.assertEqual(last.ask("ledger"), "ledger")
        self.assert_equal_sides()

    def test_disk_full(self):
        """no file may grow → broken off and in the ledger, clients go on; accepted with the rows made equal, it goes on"""
        feeder = self.feeder(limit=200_000)
        self.assertRegex(feeder.ask("work 4 1500 3"), r"^worked [1-9]\d\d")
        self.assertRegex(feeder.ask("status"), "^status broken_off")
        ledger = feeder.ask("ledger")
        self.assertIn("broken_off", ledger)
        self.assertIn("unit_lost:public.accounts", ledger)
        feeder.quit()
        again = self.feeder()
        self.assertRegex(again.ask("status"), "^status broken_off")
        blue, green = house().both
        self.copy(blue, green)
        for entry in again.ask("ledger").split()[1:]:
            self.assertEqual(again.ask(f"accept {entry.split(':')[3]}"), "accepted")
        self.assertRegex(again.ask("work 4 300 4"), r"^worked [1-9]\d")
        self.assertEqual(again.ask("wait"), "applied")
        self.assertEqual(again.ask("ledger"), "ledger")
        self.assert_equal_sides()

    def copy(self, source, target):
        """The rows of the load's tables."""
        for table in ("accounts", "names", "events"):
            rows = source.query(f"SELECT * FROM {table}", database=DATABASE)
            target.query(f"TRUNCATE {table} CASCADE", database=DATABASE)
            for row in rows:
                marks = ", ".join(["%s"] * len(row))
                target.query(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE VALUES ({marks})", row, database=DATABASE)

    def test_refused_unit(self):
        """a row that the follower refuses → in the ledger with its key; other rows go on"""
        feeder = self.feeder()
        house().green.query("ALTER TABLE accounts ADD CHECK (balance <> 12345)", database=DATABASE)
        self.assertEqual(feeder.ask("put accounts id UPDATE accounts SET balance = 12345 WHERE id = 1 RETURNING *"), "committed")
        self.assertEqual(feeder.ask("put accounts id UPDATE accounts SET balance = 6 WHERE id = 2 RETURNING *"), "committed")
        until(lambda: "unit_failed:public.accounts:1" in feeder.ask("ledger"), "it is in the ledger")
        balance = "SELECT balance FROM accounts WHERE id = "
        until(lambda: house().green.query(balance + "2", database=DATABASE) == [(6,)], "the other row arrives")
        self.assertEqual(house().green.query(balance + "1", database=DATABASE), [(1,)])

    def test_rows_missing(self):
        """a row to remove that the follower does not have → in the ledger"""
        feeder = self.feeder()
        house().green.query("DELETE FROM accounts WHERE id = 3", database=DATABASE)
        self.assertEqual(feeder.ask("remove accounts id DELETE FROM accounts WHERE id IN (3, 4) RETURNING id"), "committed")
        self.assertEqual(feeder.ask("wait"), "applied")
        self.assertIn("rows_differ:public.accounts:1", feeder.ask("ledger"))
        self.assert_equal_sides("accounts")
