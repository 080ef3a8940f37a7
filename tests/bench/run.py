#!/usr/bin/python3
"""Measures Crossfade beside other proxies on this machine: `run.py --quick`, `run.py`. README.md says how and why.

Needs root (servers run as an unprivileged user) or a user who may run PostgreSQL; everything lives in a temporary
directory and ends with it.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import measure  # noqa: E402  (found through the line above)
import peers as proxies  # noqa: E402
import processes  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402
import workloads  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the few workloads that tell most, short windows")
    parser.add_argument("--peers", help="comma-separated; of " + ", ".join(proxies.PEERS))
    parser.add_argument("--workloads", default="", help='comma-separated beginnings of names ("-S prepared, 8"), or numbers of clients')
    parser.add_argument("--rounds", type=int, help="default 3, quick 2")
    parser.add_argument("--seconds", type=float, help="length of a window; default 2, quick 1")
    parser.add_argument("--scale", type=int, default=20, help="of the pgbench tables (default 20)")
    parser.add_argument("--syscalls", action="store_true", help="count system calls instead of times (perf, strace)")
    parser.add_argument("--json", help="also write every single figure to this file")
    parser.add_argument("--build", help="a build folder to take instead of building one (below the repository's root)")
    parser.add_argument("--beside", help="another program of Crossfade, for the peers beside and beside-pool")
    parser.add_argument("--list", action="store_true", help="name the workloads and end")
    options = parser.parse_args()
    options.peers = options.peers.split(",") if options.peers else list(proxies.DEFAULT_PEERS)
    unknown = [peer for peer in options.peers if peer not in proxies.PEERS]
    if unknown:
        parser.error("no such peer: " + ", ".join(unknown))
    if any(peer.startswith("beside") for peer in options.peers) and not options.beside:
        parser.error("which program is beside? --beside PROGRAM")
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or (1.0 if options.quick else 2.0)
    # A name holds a comma, so a number after one belongs to it.
    wanted, loads = [], [load.name.lower() for load in workloads.LOADS]
    for word in (part.strip() for part in options.workloads.split(",") if part.strip()):
        if word.isdigit() and wanted and wanted[-1].lower() in loads:
            wanted[-1] += ", " + word
        else:
            wanted.append(word)
    options.chosen = workloads.chosen(wanted, options.quick)
    if not options.chosen:
        parser.error("no such workload; --list names them")
    return options


def prepare(options):
    """Installs the peers and builds our own programs; gives the build folder."""
    support = ROOT / "tests" / "support"
    subprocess.run([support / "install_packages.sh", "build", "run", "bench"], check=True)
    if options.build:
        return ROOT / options.build
    targets = ["tests/bench/bench_relay", "tests/bench/bench_null_server"]
    if any(peer.startswith("crossfade") for peer in options.peers):
        targets.append("proxy/crossfade")
    print("building a release into build/release", file=sys.stderr)
    subprocess.run([support / "build.sh", "build/release", *targets, "--buildtype=release"], check=True)
    return ROOT / "build" / "release"


def start_all(options, build, directory, user):
    """Every server that is needed, with every peer before it: {server name: [peer]}."""
    fleets = {}
    for kind in dict.fromkeys(workload.load.server for workload in options.chosen):
        print(f"starting {kind} and the proxies before it", file=sys.stderr)
        if kind == "postgres":
            server = servers.Postgres(directory, user, options.scale)
        else:
            server = servers.NullServer(f"{build}/tests/bench/bench_null_server", directory)
        setting = proxies.Setting(kind, server.port, directory, user, str(build), beside=options.beside)
        fleets[kind] = [proxies.PEERS[name](setting) for name in options.peers]
    return fleets


def run_rounds(options, fleets, directory):
    """Round by round, workload by workload, every peer once: A B C A B C."""
    programs = servers.find_programs()
    what = "calls" if options.syscalls else "time"
    results = collections.defaultdict(list)
    total = options.rounds * len(options.chosen)
    for number in range(options.rounds):
        for index, workload in enumerate(options.chosen):
            print(f"{number * len(options.chosen) + index + 1}/{total} {workload.name}", file=sys.stderr)
            for peer in fleets[workload.load.server]:
                try:
                    figures = measure.measure(peer, workload, programs, options.scale, options.seconds, directory, what)
                except measure.Failure as failure:
                    print(failure, file=sys.stderr)
                    figures = None
                results[workload.name, peer.name].append(figures)
    return results


def head(options, build):
    found = ", ".join(f"{name} {version}" for name, version in proxies.versions(build).items())
    cores = os.cpu_count()
    return (f"PostgreSQL {os.path.basename(os.path.dirname(servers.find_programs()))}, {found}; {cores} cores; "
            f"{options.rounds} rounds of {options.seconds:g} s; load average {os.getloadavg()[0]:.1f} at the end.\n")


def main():
    options = arguments()
    if options.list:
        print("\n".join(workload.name for workload in workloads.every_workload()))
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    build = prepare(options)
    user = processes.unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="crossfade-bench-") as directory:
        if user:
            os.chown(directory, user.pw_uid, user.pw_gid)
        try:
            began = time.monotonic()
            fleets = start_all(options, build, directory, user)
            results = run_rounds(options, fleets, directory)
            names = [workload.name for workload in options.chosen]
            print(head(options, build))
            print((report.calls_report if options.syscalls else report.times_report)(results, names, options.peers))
            print(f"(took {time.monotonic() - began:.0f} s)", file=sys.stderr)
        finally:
            processes.stop_all()
    if options.json:
        rows = [{"workload": workload, "peer": peer, "rounds": [f and dataclasses.asdict(f) for f in figures]}
                for (workload, peer), figures in results.items()]
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
