"""Processes that do not outlive the benchmark, and what the kernel charged them for."""

import atexit
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def unprivileged_user():
    """Whom servers run as: nobody in particular when we are not root, else `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SystemExit("neither a user postgres nor a user nobody to run the servers as")


def user_options(user):
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [user.pw_gid]} if user else {}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One long-running program, ended with us however we end."""

    alive = []

    def __init__(self, name, command, log, user=None, stop_signal=signal.SIGTERM, inherited=()):
        self.name, self.log, self.stop_signal = name, log, stop_signal
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
                pass_fds=inherited,
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, int(stop_signal)), **user_options(user))
        Process.alive.append(self)

    def await_port(self, port, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{self.name} does not listen; its log ends with:\n{self.log_tail()}")

    def log_tail(self):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-15:])

    def stop(self):
        if self in Process.alive:
            Process.alive.remove(self)
        if self.popen.poll() is None:
            self.popen.send_signal(self.stop_signal)
            try:
                self.popen.wait(8)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


@atexit.register
def stop_all():
    for process in reversed(list(Process.alive)):
        process.stop()


def family_of(pid):
    """The process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
            except (OSError, IndexError):
                continue
    family, unseen = [], [pid]
    while unseen:
        one = unseen.pop()
        family.append(one)
        unseen += children.get(one, [])
    return family


def cpu_seconds(pids):
    """User and system time of all threads. The scheduler's own count is in nanoseconds; where it is missing, the
    ticks of utime and stime, which are too coarse for windows below a few seconds."""
    total = 0.0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as schedstat:
                    total += int(schedstat.read().split()[0]) / 1e9
        except FileNotFoundError:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return total
