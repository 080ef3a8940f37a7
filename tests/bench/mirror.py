#!/usr/bin/env python3
"""What the mirror costs, how fast it applies, and how long a switchover is felt.

  mirror.py rates        rate and p99 with the mirror off and on, interleaved, as ratios to off
  mirror.py applied      units per second that the follower takes when it is behind, beside what pgbench does on it by itself
  mirror.py switchovers  20 switchovers and 20 rollbacks under 64 clients of TPC-B: longest silence, longest transaction

Two throw-away servers of its own; the pairs of one Crossfade, each with a database of its own.
"""

import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import measure
import processes
from servers import SETTINGS, Postgres
from workloads import Load, Workload

ROOT = pathlib.Path(__file__).resolve().parents[2]
TWO_PHASES = "max_prepared_transactions = 300\n"
DURABLE = SETTINGS.replace("fsync = off", "fsync = on").replace("synchronous_commit = off", "synchronous_commit = on")
SCALE = 20
SUPERUSER = "bench"
WRITE_ONLY = "\\set aid random(1, 100000 * :scale)\nUPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;\n"
LOADS = {"TPC-B": Load("TPC-B", "postgres", "simple", ""), "write only": Load("write only", "postgres", "simple", WRITE_ONLY)}
MODES = {"off": None, "authority": {}, "relaxed": {"durability": "relaxed"}, "both": {"ack": "both"}, "atomic": {"ack": "atomic"}}
PATIENCE_SECONDS = 60


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rates", "applied", "switchovers"])
    parser.add_argument("--crossfade", default=str(ROOT / "build/release/proxy/crossfade"))
    parser.add_argument("--modes", default="off,authority,relaxed,both,atomic")
    parser.add_argument("--loads", default=",".join(LOADS))
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--pause", type=float, default=0.7, help="between two moves")
    parser.add_argument("--fast-servers", action="store_true", help="servers that never wait for a disk")
    parser.add_argument("--folder", help="where servers and journal lie; default: a temporary folder")
    return parser.parse_args()


class World:
    """Two servers with a database per mode, and one Crossfade with a pair per mode."""

    def __init__(self, options, modes):
        self.scratch = tempfile.TemporaryDirectory(prefix="crossfade-bench-", dir=options.folder)
        self.home = pathlib.Path(self.scratch.name)
        self.home.chmod(0o711)
        user = processes.unprivileged_user()
        settings = (SETTINGS if options.fast_servers else DURABLE) + TWO_PHASES
        self.sides = {}
        for name in ("blue", "green"):
            folder = self.home / name
            folder.mkdir()
            if user:
                processes.os.chown(folder, user.pw_uid, user.pw_gid)
            self.sides[name] = Postgres(str(folder), user, SCALE, settings)
            for mode in modes:
                self.sides[name].run("createdb", *self.sides[name].target(), "-T", "bench", mode)
        self.start_proxy(options, modes)

    def start_proxy(self, options, modes):
        folder = self.home / "proxy"
        folder.mkdir(mode=0o700)
        pairs = {mode: self.pair_of(mode) for mode in modes}
        (folder / "crossfade.yaml").write_text(json.dumps({"admin": {"listen": "127.0.0.1:0"}, "log": {"level": "warning"},
                                                           "state": {"directory": "state"}, "pairs": pairs}))
        (folder / "crossfade.yaml").chmod(0o600)
        ready = folder / "ready.json"
        self.proxy = processes.Process("crossfade", [options.crossfade, "run", str(folder / "crossfade.yaml"), "--ready-file", str(ready)],
                                       str(folder / "log"))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (ready.exists() and ready.read_text()):
            if time.monotonic() > deadline or self.proxy.popen.poll() is not None:
                raise SystemExit("crossfade is not ready:\n" + self.proxy.log_tail())
            time.sleep(0.02)
        self.addresses = json.loads(ready.read_text())

    def pair_of(self, mode):
        pair = {"dialect": "postgres", "listen": "127.0.0.1:0", "authentication": "trust", "users": {SUPERUSER: {}},
                **{name: {"host": "127.0.0.1", "port": side.port} for name, side in self.sides.items()},
                "switchover": {"user": SUPERUSER, "databases": [mode], "cooldown": "0s", "soak": "0s"}, "rules": [{"name": "all"}]}
        if MODES[mode] is not None:
            pair |= {"sync": "mirror", "mirror": {"directory": f"journal-{mode}", "user": SUPERUSER, **MODES[mode]}}
        return pair

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.addresses["admin"], timeout=30)
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        if reply.status >= 300:
            raise SystemExit(f"{method} {path}: {reply.status} {text}")
        return json.loads(text)

    def port(self, mode):
        return int(self.addresses["pairs"][mode].rpartition(":")[2])

    def mirror(self, mode):
        return self.ask("GET", f"/api/v1/pairs/{mode}/mirror")

    def await_applied(self, mode):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (left := self.mirror(mode))["lag"]["units"]:
            if time.monotonic() > deadline:
                raise SystemExit(f"{mode}: the follower does not catch up: {left}")
            time.sleep(0.005)


class Peer:
    """What measure.measure() asks of one."""

    def __init__(self, name, port, database, pid=0):
        self.name, self.port, self.database, self.pid = name, port, database, pid


def pgbench(world, peer, load, clients, seconds):
    """pgbench's figures; the database is that of the peer."""
    command = measure.pgbench_command
    measure.pgbench_command = lambda *words: [*command(*words)[:-1], peer.database]
    try:
        return measure.measure(peer, Workload(load, clients), world.sides["blue"].programs, SCALE, seconds, str(world.home))
    finally:
        measure.pgbench_command = command


def spread(values):
    return f"{statistics.median(values):,.2f} ±{(max(values) - min(values)) / 2 / statistics.median(values) * 100:.0f} %"


def rates(options):
    modes, loads = options.modes.split(","), [LOADS[name] for name in options.loads.split(",")]
    world = World(options, modes)
    found = {(load.name, mode): [] for load in loads for mode in modes}
    for _ in range(options.rounds):
        for load in loads:
            for mode in modes:
                figures = pgbench(world, Peer(mode, world.port(mode), mode), load, options.clients, options.seconds)
                left = 0
                if MODES[mode] is not None:
                    left = world.mirror(mode)["lag"]["units"]
                    world.await_applied(mode)
                found[load.name, mode].append((figures.rate, figures.p99_ms, left))
                print(f"  {load.name}, {mode}: {figures.rate:,.0f}/s, p99 {figures.p99_ms:.1f} ms, {left} units behind at the end", flush=True)
    print(f"\n| load, {options.clients} clients | mode | per second | ÷ off | p99 in ms | ÷ off | behind at the end |\n|---|---|--:|--:|--:|--:|--:|")
    for load in loads:
        for mode in modes:
            mine, off = found[load.name, mode], found[load.name, modes[0]]
            print(f"| {load.name} | {mode} | {statistics.median(rate for rate, _, _ in mine):,.0f} | "
                  f"{spread([one[0] / other[0] for one, other in zip(mine, off)])} | {statistics.median(p99 for _, p99, _ in mine):.1f} | "
                  f"{spread([one[1] / other[1] for one, other in zip(mine, off)])} | {max(left for _, _, left in mine):,} |")
    for mode in modes:
        if MODES[mode] is not None:
            state = world.mirror(mode)
            print(f"{mode}: {state['ledger_open']} entries in the ledger, state {state['state']}")


def applied(options):
    world = World(options, ["authority"])
    green = world.sides["green"]
    held = subprocess.Popen([f"{green.programs}/psql", *green.target(), "-q", "authority"], stdin=subprocess.PIPE, text=True, cwd="/")
    held.stdin.write("BEGIN; LOCK TABLE pgbench_accounts IN EXCLUSIVE MODE;\n")
    held.stdin.flush()
    for _ in range(max(1, int(options.seconds / 2))):
        pgbench(world, Peer("authority", world.port("authority"), "authority"), LOADS["TPC-B"], options.clients, 2)
    behind = world.mirror("authority")["lag"]["units"]
    began = time.monotonic()
    held.stdin.write("ROLLBACK;\n\\q\n")
    held.stdin.close()
    held.wait(20)
    world.await_applied("authority")
    took = time.monotonic() - began
    print(f"{behind:,} units of TPC-B applied in {took:.2f} s: {behind / took:,.0f}/s")
    green.run("createdb", *green.target(), "-T", "bench", "alone")
    for clients in (4, 16, options.clients):
        figures = pgbench(world, Peer("green alone", green.port, "alone"), LOADS["TPC-B"], clients, 2)
        print(f"pgbench, TPC-B, {clients} clients straight on the follower: {figures.rate:,.0f}/s; ratio {behind / took / figures.rate:.2f}")


def quantile(values, share):
    return measure.quantile(sorted(values), share) if values else float("nan")


def move(world, mode, path):
    number = world.ask("POST", f"/api/v1/pairs/{mode}/{path}", {"accept": ["sync_none", f"table_without_key:{mode}.public.pgbench_history"], "who": "the benchmark"})["number"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        attempt = world.ask("GET", f"/api/v1/pairs/{mode}/switchover")["attempt"]
        if attempt["number"] == number and attempt["end"] != "running":
            if attempt["end"] != "moved":
                raise SystemExit(json.dumps(attempt, indent=1))
            return attempt
        time.sleep(0.02)
    raise SystemExit("a switchover takes too long")


def switchovers(options):
    """Silence: between the ends of two transactions of any client, from a moment before the hold to half a second after the release."""
    mode = options.modes.split(",")[1 if options.modes.startswith("off,") else 0]
    world = World(options, [mode])
    prefix = f"{world.home}/transactions"
    programs = world.sides["blue"].programs
    load = subprocess.Popen([f"{programs}/pgbench", "-n", "-h", "127.0.0.1", "-p", str(world.port(mode)), "-U", SUPERUSER, "-c", str(options.clients),
                             "-j", "2", "-T", "110", "-l", "--log-prefix", prefix, mode], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            cwd="/")
    time.sleep(3)
    attempts = []
    for number in range(options.moves):
        attempts.append(move(world, mode, "switchover" if number % 2 == 0 else "rollback"))
        time.sleep(options.pause)
    load.send_signal(measure.signal.SIGALRM)
    output, _ = load.communicate(timeout=PATIENCE_SECONDS)
    ends = []
    for path in measure.glob.glob(prefix + ".*"):
        for line in pathlib.Path(path).read_text().splitlines():
            fields = line.split()
            ends.append((int(fields[4]) * 1e3 + int(fields[5]) / 1e3, int(fields[2]) / 1e3))
    ends.sort()
    tell(options, world, mode, attempts, ends, output)


def tell(options, world, mode, attempts, ends, output):
    began = attempts[0]["began_ms"]
    p99 = quantile([took for at, took in ends if began - 2000 < at < began], 0.99)
    silences, longest, held = [], [], []
    steps = {}
    for attempt in attempts:
        hold_at = next(step["at_ms"] for step in attempt["steps"] if step["step"] == "hold") + attempt["began_ms"]
        inside = [(at, took) for at, took in ends if hold_at - 50 < at < attempt["began_ms"] + attempt["took_ms"] + 500]
        gaps = [later[0] - earlier[0] for earlier, later in zip(inside, inside[1:])]
        silences.append(max(gaps))
        longest.append(max(took for _, took in inside))
        held.append(attempt["held_us"] / 1e3)
        for step in attempt["steps"]:
            steps.setdefault(step["step"], []).append(step["took_ms"])
    ordinary = [later[0] - earlier[0] for earlier, later in zip(ends, ends[1:]) if began - 2000 < earlier[0] < began - 100]
    print(f"{len(attempts)} moves, {mode}, {options.clients} clients of TPC-B; before: p99 {p99:.0f} ms, longest silence {max(ordinary):.0f} ms")
    for name, values in (("held", held), ("silence", silences), ("longest transaction", longest)):
        print(f"  {name}: median {statistics.median(values):.0f} ms, 90 % below {quantile(values, 0.9):.0f}, longest {max(values):.0f}")
    print(f"  silences below 50 ms: {sum(value < 50 for value in silences)} of {len(silences)}: {' '.join(f'{value:.0f}' for value in silences)}")
    print("  steps, median and longest in ms: " + ", ".join(f"{name} {statistics.median(took):.0f}/{max(took):.0f}" for name, took in steps.items()))
    trouble = [line for line in output.splitlines() if "error" in line.lower() or "aborted" in line or "fail" in line.lower()]
    print("  pgbench says: " + (" | ".join(trouble[:6]) or "nothing of errors"))
    if MODES[mode] is not None:
        world.await_applied(mode)
        print(f"  in the ledger: {world.mirror(mode)['ledger_open']}")


if __name__ == "__main__":
    chosen = arguments()
    {"rates": rates, "applied": applied, "switchovers": switchovers}[chosen.what](chosen)
