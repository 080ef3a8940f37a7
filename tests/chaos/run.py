"""The chaos run: clients move money and insert lines through a mirrored pair, and keep book of every outcome, while everything around
them goes down, comes back, and changes sides.

  run.py                                what a test run does: 30 s, 8 clients
  run.py --minutes 30 --clients 16      the long one; --seed S for the same faults in the same order
  run.py --faults weights,switchover    only these
"""

import argparse
import io
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import proxy  # noqa: E402  (found through the line above)
from book import Book  # noqa: E402
from clusters import house  # noqa: E402
from waiting import until  # noqa: E402

DATABASE = "chaos"
ACCOUNTS = 100
EACH = 1000
FAULTS = ("weights", "switchover", "rollback", "follower", "authority", "proxy", "cut", "slow", "disk")
TABLES = ("accounts", "lines")
DISK_BYTES = 16 * 1024  # no file of the proxy grows beyond while its disk is full; the mirror's state is shorter
SCHEMA = f"""
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL);
INSERT INTO accounts SELECT i, {EACH} FROM generate_series(1, {ACCOUNTS}) i;
CREATE TABLE lines (id bigint PRIMARY KEY, client int NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY);
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--pool", choices=["session", "transaction"], default="transaction")
    return parser.parse_args()


class World:
    """Two servers and the proxy between; what can be done to them."""

    def __init__(self, options):
        self.dice = random.Random(options.seed)
        self.log = []
        self.sides = {side.name: side for side in house().both}
        for side in self.sides.values():
            side.query(f"CREATE DATABASE {DATABASE}", database="postgres")
            # What was answered must outlive a kill of the server.
            side.query(f"ALTER DATABASE {DATABASE} SET synchronous_commit = on", database="postgres")
            side.query(SCHEMA, database=DATABASE)
            side.query("CHECKPOINT")
        folder = pathlib.Path(tempfile.mkdtemp(dir=house().scratch))
        pool = {"mode": options.pool, **({"size": 8} if options.pool == "transaction" else {})}
        pair = proxy.pair(pool=pool, sync="mirror", mirror={"directory": str(folder / "journal"), "user": "postgres"},
                          switchover={"user": "postgres", "databases": [DATABASE], "cooldown": "0s", "soak": "0s", "drain_timeout": "3s"})
        self.proxy = proxy.Proxy({**proxy.configuration(pair), "state": {"directory": str(folder / "state")}})

    def standing(self):
        return self.proxy.ask("GET", "/api/v1/pairs/shop/switchover").json

    def mirror(self):
        return self.proxy.ask("GET", "/api/v1/pairs/shop/mirror").json

    def ledger(self):
        return self.proxy.ask("GET", "/api/v1/pairs/shop/ledger").json["entries"]

    def side(self, is_authority):
        authority = self.standing()["authority"]
        return self.sides[authority if is_authority else {"blue": "green", "green": "blue"}[authority]]

    def revive_proxy(self):
        ready = self.proxy.home / "ready.json"
        ready.unlink()
        with open(self.proxy.log, "ab") as log:
            self.proxy.process = subprocess.Popen([proxy.CROSSFADE, "run", str(self.proxy.file), "--ready-file", str(ready)],
                                                  cwd=self.proxy.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.proxy.addresses = until(lambda: self.proxy._read_ready(ready), "the proxy is ready", 60)

    # Faults. Each returns what it did.
    def weights(self):
        green = self.dice.choice([0, 10, 50, 100])
        self.proxy.shift(green)
        return f"reads {green} % on green"

    def move(self, path, wish):
        reply = self.proxy.ask("POST", f"/api/v1/pairs/shop/{path}", {"who": "chaos", "why": "chaos", **wish})
        if reply.status != 202:
            return f"{path}: {reply.status} {reply.text[:200]}"
        number = reply.json["number"]
        ended = until(lambda: [s["attempt"] for s in [self.standing()] if s["attempt"]["number"] == number and s["attempt"]["end"] != "running"],
                      f"{path} is over", 60)[0]
        blockers = [blocker["id"] for blocker in ended.get("blockers", [])] if ended["end"] != "moved" else []
        return f"{path}: {ended['end']}, authority {self.standing()['authority']} {' '.join(blockers)}"

    def switchover(self):
        return self.move("switchover", {"to": "green" if self.standing()["authority"] == "blue" else "blue"})

    def rollback(self):
        return self.move("rollback", {})

    def restart(self, side):
        side.stop(self.dice.choice([signal.SIGINT, signal.SIGQUIT]))
        time.sleep(self.dice.uniform(0, 1))  # how long it is away
        side.start()

    def follower(self):
        side = self.side(is_authority=False)
        self.restart(side)
        return f"{side.name}, the follower, was down"

    def authority(self):
        side = self.side(is_authority=True)
        self.restart(side)
        return f"{side.name}, the authority, was down"

    def kill_proxy(self):
        self.proxy.kill()
        self.revive_proxy()
        return "the proxy was killed"

    def cut(self):
        side = self.dice.choice(list(self.sides.values()))
        cut = side.query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() AND random() < 0.5",
                         (DATABASE,))
        return f"{cut[0][0]} connections of {side.name} cut"

    def slow(self):
        side = self.side(is_authority=False)
        with side.connect(database=DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN; SET TRANSACTION READ WRITE; LOCK TABLE accounts IN EXCLUSIVE MODE; SELECT pg_sleep(0.3); ROLLBACK")
        return f"{side.name}, the follower, was slow"

    def disk(self):
        """The proxy's disk is full for a moment: the mirror breaks off, and an operator puts the sides right again."""
        limits = resource.prlimit(self.proxy.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.proxy.process.pid, resource.RLIMIT_FSIZE, (DISK_BYTES, limits[1]))
        time.sleep(self.dice.uniform(0.1, 0.5))  # how long it is full
        resource.prlimit(self.proxy.process.pid, resource.RLIMIT_FSIZE, limits)
        if self.mirror()["state"] != "broken_off":
            return "the disk was full, and nobody needed it"
        return f"the disk was full; {self.repair()} entries of the ledger repaired"

    def repair(self):
        """Nobody works meanwhile: the follower's tables become those of the authority, then what the ledger says is accepted."""
        self.proxy.ask("POST", "/api/v1/pairs/shop/pause", {})
        try:
            until(lambda: self.proxy.status()["sessions_working"] == 0, "nobody works", 30)
            until(lambda: self.mirror()["lag"]["units"] == 0, "what was recorded is applied", 30)
            source, target = self.side(is_authority=True), self.side(is_authority=False)
            here, there = source.connect(database=DATABASE), target.connect(database=DATABASE)
            with here.cursor() as reading, there.cursor() as writing:
                writing.execute("BEGIN READ WRITE")
                for table in TABLES:
                    rows = io.BytesIO()
                    reading.copy_expert(f"COPY {table} TO STDOUT", rows)
                    rows.seek(0)
                    writing.execute(f"DELETE FROM {table}")
                    writing.copy_expert(f"COPY {table} FROM STDIN", rows)
                writing.execute("COMMIT")
            here.close()
            there.close()
            entries = self.ledger()
            for entry in entries:
                reply = self.proxy.ask("POST", f"/api/v1/pairs/shop/ledger/{entry['id']}/accept", {"who": "chaos"})
                assert reply.status == 200, reply.text
            return len(entries)
        finally:
            self.proxy.ask("POST", "/api/v1/pairs/shop/resume", {})

    def do(self, fault):
        try:
            told = (self.kill_proxy if fault == "proxy" else getattr(self, fault))()
        except Exception as error:  # the fault itself may fail for another's sake; what counts is the end
            told = f"{fault} failed: {type(error).__name__} {str(error)[:200]}"
        self.log.append(f"{time.monotonic() - self.began:7.2f} s  {told}")
        print(self.log[-1], flush=True)

    def settle(self):
        """Everything is up again and nothing is under way."""
        for side in self.sides.values():
            side.restart_if_down()
        if self.proxy.process.poll() is not None:
            self.revive_proxy()
        until(lambda: self.standing()["attempt"] is None or self.standing()["attempt"]["end"] != "running", "no switchover is under way", 60)
        until(lambda: self.mirror()["lag"]["units"] == 0, f"all is applied: {self.mirror()}", 120)


def verdict(world, book):
    """What is wrong; nothing is as it should be."""
    wrong = []
    contents = {name: {table: side.query(f"SELECT x::text FROM {table} x ORDER BY 1", database=DATABASE) for table in TABLES}
                for name, side in world.sides.items()}
    named = {entry["table"] for entry in world.ledger()}
    for table in TABLES:
        if contents["blue"][table] != contents["green"][table] and f"public.{table}" not in named and None not in named:
            only = set(contents["blue"][table]) ^ set(contents["green"][table])
            where = {row: [name for name in contents if row in contents[name][table]] for row in sorted(only)[:6]}
            wrong.append(f"{table} differs in {len(only)} rows, and the ledger does not say so: {where}; in time: {book.times_of(where)}")
    for name, side in world.sides.items():
        total = side.query("SELECT sum(balance) FROM accounts", database=DATABASE)[0][0]
        if total != ACCOUNTS * EACH:
            wrong.append(f"{name}: the balances sum up to {total}")
        ids = [row[0] for row in side.query("SELECT id FROM lines", database=DATABASE)]
        lost, risen = book.compare(set(ids))
        if lost:
            wrong.append(f"{name}: {len(lost)} acknowledged lines are not there: {sorted(lost)[:6]}")
        if risen:
            wrong.append(f"{name}: {len(risen)} lines are there that were told to have failed: {sorted(risen)[:6]}")
    if book.unread:
        wrong.append(f"{len(book.unread)} own writes were not read: {book.unread[:12]}")
    unexpected = [entry for entry in world.ledger() if entry["kind"] != "in_doubt"]  # nobody can tell after some crashes
    if unexpected:
        wrong.append(f"the ledger is not empty: {[(entry['kind'], entry['table'], entry['cause']) for entry in unexpected][:6]}")
    return wrong


def main():
    options = arguments()
    world = World(options)
    book = Book(world, options.clients, DATABASE, ACCOUNTS, options.seed)
    faults = options.faults.split(",")
    world.began = time.monotonic()
    print(f"seed {options.seed}, {options.clients} clients, {options.minutes} minutes, faults {' '.join(faults)}", flush=True)
    book.open()
    end = world.began + options.minutes * 60
    while time.monotonic() < end:
        time.sleep(world.dice.uniform(0.1, 1.5))  # between two faults
        world.do(world.dice.choice(faults))
    book.close()
    world.settle()
    wrong = verdict(world, book)
    print(book.summary())
    for each in wrong:
        print("WRONG:", each)
    print(world.mirror())
    world.proxy.kill() if wrong else world.proxy.stop()
    print(f"{0 if wrong else 1} passed, {1 if wrong else 0} failed, 0 skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
