#!/usr/bin/python3
"""What one transaction touches inside the proxy: instructions, and distinct cache lines and pages of code and data.

    tests/bench/footprint.py [--build build/release] [--peers crossfade,pgbouncer] [--sessions 16] [--functions 20]

Runs the proxy under valgrind's lackey before the null server and lets sessions ask in turn, one transaction at a time, so
that the figures depend on no clock and on no load. With many sessions and busy servers on the same cores hardly a line is
still in a near cache when its session's turn comes again: what is counted here is what has to be fetched then. (The relay
touches too little: its few lines stay in the tool's output buffer. Some figures differ by 2 % from run to run: addresses.)
"""

import argparse
import bisect
import collections
import os
import pathlib
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import peers as proxies  # noqa: E402  (found through the line above)
import processes  # noqa: E402
import servers  # noqa: E402

MODES = ("SELECT 1", "-S simple", "-S extended", "-S prepared")
LINE_BITS, PAGE_BITS = 6, 12
QUIET_SECONDS = 0.03  # a trace that says nothing for so long has come to its end


def message(tag, payload):
    return tag + struct.pack(">i", len(payload) + 4) + payload


def execution(statement):
    return (message(b"B", b"\0" + statement + b"\0" + struct.pack(">hhh", 0, 0, 0)) + message(b"D", b"P\0") +
            message(b"E", b"\0" + struct.pack(">i", 0)) + message(b"S", b""))


def bytes_of(mode, choice):
    if mode == "SELECT 1":
        return message(b"Q", b"SELECT 1;\0")
    if mode == "-S simple":
        aid = choice.randint(1, 2_000_000)
        return message(b"Q", f"SELECT abalance FROM pgbench_accounts WHERE aid = {aid};".encode() + b"\0")
    if mode == "-S extended":
        text = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;\0"
        return message(b"P", b"\0" + text + struct.pack(">h", 0)) + execution(b"")
    return execution(b"P0_1")


class Session:
    """A client in the plainest way: a transaction is over with the last byte of ReadyForQuery."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        startup = struct.pack(">i", 196608) + b"user\0bench\0database\0bench\0\0"
        self.socket.sendall(struct.pack(">i", len(startup) + 4) + startup)
        self.await_ready()

    def await_ready(self):
        seen = b""
        while not seen.endswith(b"Z\0\0\0\5I"):
            part = self.socket.recv(65536)
            if not part:
                raise SystemExit("the proxy closed a connection")
            seen = (seen + part)[-4096:]

    def ask(self, request):
        self.socket.sendall(request)
        self.await_ready()

    def prepare(self):
        text = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;\0"
        self.ask(message(b"P", b"P0_1\0" + text + struct.pack(">h", 0)) + message(b"S", b""))


class Trace:
    """Reads lackey's output as it comes and keeps it while `is_kept`."""

    def __init__(self, pipe):
        self.pipe, self.is_kept, self.parts, self.last = pipe, False, [], time.monotonic()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while part := os.read(self.pipe, 1 << 20):
            self.last = time.monotonic()
            if self.is_kept:
                self.parts.append(part)

    def await_quiet(self):
        while time.monotonic() - self.last < QUIET_SECONDS:
            time.sleep(QUIET_SECONDS / 4)

    def take(self):
        self.await_quiet()
        text = b"".join(self.parts)
        self.parts.clear()
        return text


class Symbols:
    """Names for addresses of code, from the process's map and `nm`."""

    def __init__(self, pid):
        self.maps, self.tables = [], {}
        with open(f"/proc/{pid}/maps") as maps:
            for line in maps:
                fields = line.split()
                if len(fields) >= 6 and fields[5].startswith("/"):
                    begin, end = (int(part, 16) for part in fields[0].split("-"))
                    self.maps.append((begin, end, int(fields[2], 16), fields[5]))

    def table(self, path):
        if path not in self.tables:
            found = set()
            for options in (["-C"], ["-C", "-D"]):
                done = subprocess.run(["nm", *options, path], capture_output=True, text=True, check=False)
                for line in done.stdout.splitlines():
                    address, _, rest = line.partition(" ")
                    if rest[:1] in "tTwWiuV" and address.strip():
                        found.add((int(address, 16), rest[2:]))
            # Without a table of all symbols the space between the exported ones belongs to nobody that can be named.
            self.tables[path] = sorted(found)
        return self.tables[path]

    def name(self, address):
        for begin, end, offset, path in self.maps:
            if begin <= address < end:
                base = min(m[0] - m[2] for m in self.maps if m[3] == path)
                table = self.table(path)
                at = bisect.bisect_right(table, (address - base, "\x7f")) - 1
                label = table[at][1].split("(")[0] if at >= 0 else "?"
                return os.path.basename(path), label
        return "?", "?"


class Touched:
    """What one transaction touched: how often each instruction, and for each line of data who was there first."""

    def __init__(self, text, session):
        self.session = session
        self.instructions, self.first_at = collections.Counter(), {}
        at = 0
        for line in text.split(b"\n"):
            kind = line[:2]
            if kind == b"I ":
                at = int(line[3:].partition(b",")[0], 16)
                self.instructions[at] += 1
            elif kind in (b" L", b" S", b" M"):
                address, _, size = line[3:].partition(b",")
                address = int(address, 16)
                for touched in {address >> LINE_BITS, (address + int(size) - 1) >> LINE_BITS}:
                    self.first_at.setdefault(touched, at)
        self.count = self.instructions.total()


class Count:
    """Sums over the transactions of one mode, without those in which a timer or another thread had its turn."""

    def __init__(self, touched):
        usual = statistics.median(one.count for one in touched)
        touched = [one for one in touched if one.count < 1.25 * usual]
        self.transactions, self.instructions = len(touched), sum(one.count for one in touched)
        self.distinct = collections.Counter()
        self.instructions_at = collections.Counter()
        self.code_lines_at = collections.Counter()
        self.data_lines_from = collections.Counter()
        self.sessions_of_line = collections.defaultdict(set)
        for one in touched:
            self.add(one)

    def add(self, touched):
        code_lines = {address >> LINE_BITS for address in touched.instructions}
        self.distinct["code lines"] += len(code_lines)
        self.distinct["code pages"] += len({address >> PAGE_BITS for address in touched.instructions})
        self.distinct["data lines"] += len(touched.first_at)
        self.distinct["data pages"] += len({line >> (PAGE_BITS - LINE_BITS) for line in touched.first_at})
        self.instructions_at.update(touched.instructions)
        self.code_lines_at.update(code_lines)
        for line, first in touched.first_at.items():
            self.data_lines_from[first] += 1
            self.sessions_of_line[line].add(touched.session)

    def own_lines(self, sessions):
        """Data lines that one session alone touched, per session."""
        return sum(1 for users in self.sessions_of_line.values() if len(users) == 1) / sessions


def print_functions(count, symbols, shown):
    names = {}
    def name(address):
        if address not in names:
            names[address] = symbols.name(address)
        return names[address]

    instructions, lines, code = collections.Counter(), collections.Counter(), collections.Counter()
    for address, times in count.instructions_at.items():
        instructions[name(address)] += times
    for address, times in count.data_lines_from.items():
        lines[name(address)] += times
    seen = collections.defaultdict(set)
    for address in count.instructions_at:
        seen[name(address)].add(address >> LINE_BITS)
    for who, its_lines in seen.items():
        code[who] = sum(count.code_lines_at[line] for line in its_lines)
    total = count.transactions
    objects = collections.Counter()
    for (path, _), times in instructions.items():
        objects[path] += times
    print("    " + ", ".join(f"{path} {times / total:.0f}" for path, times in objects.most_common(6)))
    for who, times in instructions.most_common(shown):
        print(f"    {times / total:7.0f} instructions {code[who] / total:5.1f} code lines {lines[who] / total:5.1f} data lines first"
              f"  {who[0]}: {who[1][:90]}")


def measure(options, name, server, build, directory, user):
    reading, writing = os.pipe()
    trace = Trace(reading)
    wrapper = ["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-fd={writing}"]
    setting = proxies.Setting("footprint", server.port, directory, user, str(build), wrapper, (writing,))
    peer = proxies.PEERS[name](setting)
    os.close(writing)
    sessions = [Session(peer.port) for _ in range(options.sessions)]
    symbols = Symbols(peer.pid)
    choice = random.Random(1)
    for mode in options.modes:
        if mode == "-S prepared":
            for session in sessions:
                session.prepare()
        all_touched = []
        for number in range(options.warm + options.rounds):
            for index, session in enumerate(sessions):
                trace.is_kept = number >= options.warm
                session.ask(bytes_of(mode, choice))
                if trace.is_kept:
                    all_touched.append(Touched(trace.take(), index))
            trace.await_quiet()
        count = Count(all_touched)
        each = {what: times / count.transactions for what, times in count.distinct.items()}
        print(f"{name:10} {mode:12} {count.instructions / count.transactions:7.0f} instructions, " +
              ", ".join(f"{times:.0f} {what}" for what, times in each.items()) +
              f"; {count.own_lines(options.sessions):.0f} data lines of each session alone")
        if options.functions:
            print_functions(count, symbols, options.functions)
        sys.stdout.flush()
    for session in sessions:
        session.socket.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="a build folder with a release build")
    parser.add_argument("--peers", default="crossfade,pgbouncer")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--warm", type=int, default=20, help="rounds that are not counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--functions", type=int, default=0, help="also show so many functions")
    options = parser.parse_args()
    options.modes = options.modes.split(",")
    build = HERE.parents[1] / options.build
    user = processes.unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="crossfade-footprint-") as directory:
        if user:
            os.chown(directory, user.pw_uid, user.pw_gid)
        try:
            server = servers.NullServer(f"{build}/tests/bench/bench_null_server", directory)
            for name in options.peers.split(","):
                measure(options, name, server, build, directory, user)
        finally:
            processes.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
