"""The soak: many clients that know every answer, while weights, signals, cancels and lost backends go on around them.

  run.py                                what a test run does: 20 s, 40 clients
  run.py --minutes 30 --clients 500     the long one; --seed S for another
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import psycopg2

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import proxy  # noqa: E402  (found through the line above)
from client import Client  # noqa: E402
from clusters import house  # noqa: E402
from own import Ledger  # noqa: E402
from waiting import until  # noqa: E402

QUEUE_SECONDS = 60
SESSION_SECONDS = 600  # longer than any session lasts that begins before a takeover, on a busy machine too
SLACK_DESCRIPTORS = 8


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1 / 3)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", choices=["session", "transaction"], default="transaction")
    parser.add_argument("--pool-size", type=int, default=0, help="connections per side; default: a fifth of the clients")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--calm", action="store_true", help="no server process is terminated")
    return parser.parse_args()


class Run:
    """What the clients share."""

    def __init__(self, options):
        self.options, self.seed, self.ledger = options, options.seed, Ledger()
        self.size = options.pool_size or max(6, options.clients // 5)
        self.pins = asyncio.Semaphore(max(2, self.size // 3))  # clients that keep a connection must not be all of them
        self.until = time.monotonic() + options.minutes * 60
        self.terminated = self.shifts = self.reloads = 0
        pool = {"mode": "transaction", "size": self.size, "queue_timeout": f"{QUEUE_SECONDS}s"}
        if options.pool == "session":
            pool = {"mode": "session"}
        self.settings = {**proxy.configuration(proxy.pair(pool=pool, console={"admins": ["postgres"]})), "workers": options.workers}
        helped = subprocess.run([proxy.CROSSFADE, "run", "--help"], capture_output=True, text=True, check=True).stdout
        self.can_renew = "--takeover" in helped
        if self.can_renew:
            self.settings["takeover"] = {"socket": str(house().scratch / "takeover"), "session_timeout": f"{SESSION_SECONDS}s"}
        self.proxy, self.before, self.one_process = proxy.Proxy(self.settings), [], asyncio.Lock()

    def is_over(self):
        return time.monotonic() >= self.until

    def look(self, command):
        """Rows of the console."""
        host, port = self.proxy.address()
        connection = psycopg2.connect(host=host, port=port, user="postgres", dbname="crossfade", sslmode="disable")
        connection.autocommit = True
        with connection, connection.cursor() as cursor:
            cursor.execute(command)
            return cursor.fetchall()

    async def aside(self, *call):
        """A blocking call, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(None, *call)

    async def fade(self):
        """Other weights every second, and now and then a reload."""
        chance = random.Random(self.seed)
        while not self.is_over():
            await asyncio.sleep(1)
            async with self.one_process:
                await self.aside(self.proxy.shift, chance.choice((0, 100, 50, 100, 0, 10)))
                self.shifts += 1
                if self.shifts % 3 == 0:
                    self.proxy.process.send_signal(signal.SIGHUP)
                    self.reloads += 1

    async def terminate(self):
        """A server process ended every three seconds, whoever's it is."""
        chance = random.Random(self.seed)
        while not self.is_over() and not self.options.calm:
            await asyncio.sleep(3)
            pids = await self.aside(chance.choice(house().both).query,
                                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop' AND "
                                    "application_name LIKE 'c%.%' ORDER BY random() LIMIT 1")
            self.terminated += len(pids)

    async def renew(self):
        """One takeover, so that what follows shows whether the new process grows."""
        await asyncio.sleep(self.options.minutes * 20)
        if not self.can_renew:
            return
        async with self.one_process:
            self.before.append(self.proxy)
            self.proxy = await self.aside(proxy.Proxy, self.settings, ["--takeover"])

    async def watch(self, seconds=30):
        """Says how it goes, and remembers the memory of the first third."""
        self.memory_then = self.proxy.resident_kilobytes()
        began, length = time.monotonic(), self.until - time.monotonic()
        while not self.is_over():
            await asyncio.sleep(min(seconds, length / 3))
            now = self.proxy.resident_kilobytes()
            if time.monotonic() - began < length / 2:
                self.memory_then = now
            print(f"  {time.monotonic() - began:5.0f} s  {sum(self.ledger.steps.values())} steps, {self.ledger.sessions} sessions, "
                  f"{now // 1024} MiB, {self.proxy.descriptors()} descriptors, lost {self.ledger.lost}, "
                  f"wrong {len(self.ledger.wrong)}, pinned {self.proxy.status()['pinned']}", flush=True)

    async def everybody(self):
        address = self.proxy.address()
        clients = [Client(number, address, self) for number in range(self.options.clients)]
        await asyncio.gather(self.fade(), self.renew(), self.terminate(), self.watch(), *(client.live() for client in clients))


def server_sessions():
    return {side.name: len(side.sessions("datname = 'shop' AND application_name <> 'crossfade'")) for side in house().both}


def check_end(run, descriptors):
    """What is left over when everybody has left."""
    wrong = run.ledger.wrong
    try:
        status = until(lambda: (lambda now: now if now["clients"] == 0 else None)(run.proxy.status()), "all sessions have ended", 90)
    except AssertionError:
        print("left behind:", *run.look("SHOW CLIENTS"), *run.look("SHOW SERVERS"), sep="\n  ")
        raise
    for each in run.before:
        until(lambda gone=each: gone.process.poll() is not None, "the process before the takeover has ended", 90)
        each.stop()
    for side, count in server_sessions().items():
        held = status["sides"][side]["connections"]
        if held != count:
            wrong.append(f"{side} has {count} sessions, the proxy says {held} connections")
        if run.options.pool == "transaction" and count > run.size:
            wrong.append(f"{side} has {count} sessions, the pool {run.size}")
    idle = sum(status["sides"][side]["connections"] for side in ("blue", "green"))
    if run.proxy.descriptors() > descriptors + idle + SLACK_DESCRIPTORS:
        wrong.append(f"{run.proxy.descriptors()} descriptors, {descriptors} at the start, {idle} connections idle")
    grown = run.proxy.resident_kilobytes() - run.memory_then
    if grown > proxy.ROOM_KILOBYTES:
        wrong.append(f"memory grew by {grown} KiB since the first part of the run")
    rows = house().blue.query("SELECT count(*), count(DISTINCT mark) FROM soak_journal")[0]
    if not run.ledger.committed <= rows[0] <= run.ledger.committed + run.ledger.unknown or rows[0] != rows[1]:
        wrong.append(f"{rows} rows, {run.ledger.committed} committed, {run.ledger.unknown} of unknown outcome")
    left = house().green.query("SELECT count(*) FROM soak_journal")[0][0]
    if left:
        wrong.append(f"{left} rows were written to green")
    lost = sum(run.ledger.lost.values())
    if lost > run.terminated:
        wrong.append(f"{lost} sessions were lost, {run.terminated} server processes terminated")


def main():
    options = arguments()
    wanted = options.clients * 3 + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    for side in house().both:
        side.query("CREATE TABLE soak_journal (mark text); GRANT ALL ON soak_journal TO PUBLIC")
    run = Run(options)
    descriptors = run.proxy.descriptors()
    asyncio.run(run.everybody())
    try:
        check_end(run, descriptors)
        run.proxy.stop()
    except AssertionError as failure:
        run.ledger.wrong.append(str(failure))
    print(json.dumps({"steps": run.ledger.steps, "sessions": run.ledger.sessions, "lost": run.ledger.lost,
                      "terminated": run.terminated, "cancelled": run.ledger.cancelled, "shifts": run.shifts, "takeovers": len(run.before),
                      "reloads": run.reloads, "committed": run.ledger.committed, "unknown": run.ledger.unknown}))
    for words in run.ledger.wrong[:20]:
        print(f"WRONG {words}")
    print(f"seed {options.seed}: {len(run.ledger.wrong)} wrong")
    return 1 if run.ledger.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
