"""One measurement: pgbench at work, and in the middle of it a window in which everything is counted."""

import dataclasses
import glob
import os
import re
import signal
import subprocess
import time

import processes

SETTLE_SECONDS = 0.4  # after the last client is connected; dropped
MARGIN_SECONDS = 0.1  # at the end; dropped
SECONDS_MAX = 60  # no measurement takes longer


class Failure(Exception):
    """One measurement did not work; the others may."""


@dataclasses.dataclass
class Figures:
    """Of one peer under one workload in one round."""

    rate: float  # transactions per second
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the proxy's own processes, per transaction; 0 without a proxy
    calls: float = 0.0  # system calls of the proxy per transaction; 0 when not counted
    calls_by_name: dict = dataclasses.field(default_factory=dict)


def pgbench_command(programs, peer, workload, scale, seconds, script, log_prefix):
    command = [programs + "/pgbench", "-n", *(["-C"] if workload.load.is_connecting else []),
               "-h", "127.0.0.1", "-p", str(peer.port), "-U", "bench", "-c", str(workload.clients),
               "-j", str(min(workload.clients, 2)), "-T", str(seconds), "-M", workload.load.mode, "-l", "--log-prefix", log_prefix]
    if workload.load.script:
        return command + ["-D", f"scale={scale}", "-f", script, "bench"]
    return command + ["-b", "tpcb-like", "bench"]


def read_log(prefix, begin, end):
    """The latencies, in µs and sorted, of the transactions that ended between the two instants."""
    latencies = []
    for path in glob.glob(prefix + ".*"):
        with open(path) as log:
            for line in log:
                fields = line.split()  # client, number, latency, script, seconds, microseconds
                ended = int(fields[4]) + int(fields[5]) / 1e6
                if begin <= ended < end:
                    latencies.append(int(fields[2]))
        os.unlink(path)
    latencies.sort()
    return latencies


def quantile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def await_clients(load, peer, count):
    """Until pgbench has all its connections: they are opened before the first transaction."""
    deadline = time.monotonic() + 15
    port = f":{peer.port:04X}"
    while time.monotonic() < deadline and load.poll() is None:
        with open("/proc/net/tcp") as table:
            open_count = sum(1 for line in table if line.split()[2].endswith(port) and line.split()[3] == "01")
        if open_count >= count:
            return
        time.sleep(0.02)


def count_calls(pids, seconds):
    """System calls of the processes during `seconds`, counted by `perf` at next to no cost; needs the right to trace."""
    done = subprocess.run(["perf", "stat", "-x", ";", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids)),
                           "--", "sleep", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    found = re.search(r"^(\d+);", done.stderr, re.MULTILINE)
    if not found:
        raise SystemExit("perf cannot count system calls here:\n" + done.stderr)
    return int(found.group(1))


def calls_by_name(pid, seconds):
    """The share of each system call, from strace, which slows everything: a mixture, not a rate."""
    done = subprocess.run(["timeout", "-s", "INT", str(seconds), "strace", "-c", "-f", "-p", str(pid)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    counts = {}
    for line in done.stderr.splitlines():
        fields = line.split()
        if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
            counts[fields[-1]] = int(fields[3])
    total = sum(counts.values()) or 1
    return {name: count / total for name, count in sorted(counts.items(), key=lambda item: -item[1])}


def environment_of(load):
    return dict(os.environ, PGSSLMODE="require" if load.is_tls else "disable", PGGSSENCMODE="disable")


def measure_copy(peer, workload, programs, seconds, directory):
    """Whole copies, one after the other, until the time is up; every one is a transaction."""
    file, megabytes = f"{directory}/rows.txt", workload.load.megabytes
    if not os.path.exists(file):
        with open(file, "w") as rows:
            rows.writelines("x" * 99 + "\n" for _ in range(int(megabytes * 10_000)))
        os.chmod(file, 0o644)
    sql = "BEGIN; CREATE TABLE copied (line text); COPY copied FROM STDIN; ROLLBACK"
    durations = []
    pids = processes.family_of(peer.pid) if peer.pid else []
    cpu_before = processes.cpu_seconds(pids)
    while sum(durations) < seconds:
        began = time.monotonic()
        with open(file) as rows:
            done = subprocess.run([programs + "/psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(peer.port), "-U", "bench",
                                   "-v", "ON_ERROR_STOP=1", "-c", sql, "bench"], stdin=rows, capture_output=True, text=True,
                                  cwd="/", env=environment_of(workload.load), timeout=SECONDS_MAX, check=False)
        if done.returncode != 0:
            raise Failure(f"{peer.name}, {workload.name}: psql did not copy:\n{done.stderr[-2000:]}")
        durations.append(time.monotonic() - began)
    total = megabytes * len(durations)
    durations.sort()
    return Figures(total / sum(durations), quantile(durations, 0.5) * 1e3, quantile(durations, 0.99) * 1e3,
                   (processes.cpu_seconds(pids) - cpu_before) * 1e6 / total)


def measure(peer, workload, programs, scale, seconds, directory, what="time"):
    """`what` is "time", or "calls" to count system calls instead of trusting the times."""
    if workload.load.mode == "copy":
        return measure_copy(peer, workload, programs, seconds, directory)
    script = f"{directory}/script.sql"
    with open(script, "w") as file:
        file.write(workload.load.script)
    prefix = f"{directory}/transactions"
    is_counting = what == "calls" and peer.pid
    load = subprocess.Popen(pgbench_command(programs, peer, workload, scale, SECONDS_MAX, script, prefix),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", env=environment_of(workload.load))
    calls, names = 0, {}
    try:
        if not workload.load.is_connecting:
            await_clients(load, peer, workload.clients)
        time.sleep(SETTLE_SECONDS)
        pids = processes.family_of(peer.pid) if peer.pid else []
        begin, cpu_before = time.time(), processes.cpu_seconds(pids)
        if is_counting:
            calls = count_calls(pids, seconds)
        else:
            time.sleep(seconds)
        end, cpu_after = time.time(), processes.cpu_seconds(pids)
        if is_counting:
            calls *= (end - begin) / seconds
            names = calls_by_name(peer.pid, 1)
        time.sleep(MARGIN_SECONDS)
        load.send_signal(signal.SIGALRM)  # its own sign that the time is up: it ends in order and writes its log out
        output, _ = load.communicate(timeout=SECONDS_MAX)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    latencies = read_log(prefix, begin, end)
    if not latencies or load.returncode != 0 or "aborted" in output:
        raise Failure(f"{peer.name}, {workload.name}: pgbench did not work:\n{output[-2000:]}")
    count = len(latencies) * (workload.load.megabytes or 1)
    return Figures(count / (end - begin), quantile(latencies, 0.50) / 1e3, quantile(latencies, 0.99) / 1e3,
                   (cpu_after - cpu_before) * 1e6 / count, calls / count, names)
