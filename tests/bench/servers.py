"""The servers behind the proxies: one throw-away PostgreSQL, and the null server that answers at once."""

import glob
import os
import re
import signal
import subprocess
import time

from certificates import make_certificate
from processes import Process, free_port, user_options

# Nothing here waits for a disk or wakes up by itself, so that rounds are alike.
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{directory}'
max_connections = 500
shared_buffers = 512MB
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 16GB
checkpoint_timeout = 1h
autovacuum = off
jit = off
ssl = on
ssl_cert_file = '{directory}/server.crt'
ssl_key_file = '{directory}/server.key'
logging_collector = off
log_checkpoints = off
log_min_messages = fatal
"""


def find_programs():
    """The directory of the newest server's programs."""
    found = [path for path in glob.glob("/usr/lib/postgresql/*/bin") if os.access(path + "/postgres", os.X_OK)]
    if not found:
        raise SystemExit("no PostgreSQL server in /usr/lib/postgresql")
    return max(found, key=lambda path: float(re.search(r"/([\d.]+)/bin", path).group(1)))


class Postgres:
    def __init__(self, directory, user, scale, settings=SETTINGS):
        self.programs, self.user, self.port = find_programs(), user, free_port()
        store = f"{directory}/postgres"
        make_certificate(directory, user)
        self.run("initdb", "-D", store, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with open(store + "/postgresql.auto.conf", "w") as file:
            file.write(settings.format(port=self.port, directory=directory))
        # Immediate shutdown: there is nothing to save.
        self.process = Process("PostgreSQL", [self.programs + "/postgres", "-D", store], f"{directory}/postgres.log",
                               user, signal.SIGQUIT)
        self.process.await_port(self.port)
        self.await_service()
        self.run("createdb", *self.target(), "bench")
        self.run("pgbench", "-i", "-q", "-s", str(scale), *self.target(), "bench")
        self.run("psql", *self.target(), "-c", "CHECKPOINT", "bench")

    def target(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "bench"]

    def run(self, program, *arguments):
        done = subprocess.run([f"{self.programs}/{program}", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, cwd="/", **user_options(self.user))
        if done.returncode != 0:
            raise SystemExit(f"{program} failed:\n{done.stdout[-2000:]}")

    def await_service(self):
        deadline = time.monotonic() + 20
        while subprocess.run([self.programs + "/pg_isready", *self.target()], stdout=subprocess.DEVNULL, check=False).returncode:
            if time.monotonic() > deadline:
                raise SystemExit("PostgreSQL does not accept connections:\n" + self.process.log_tail())
            time.sleep(0.05)

    @property
    def version(self):
        done = subprocess.run([self.programs + "/postgres", "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[-1] if "Debian" not in done.stdout else done.stdout.split()[2]


class NullServer:
    def __init__(self, program, directory):
        self.port = free_port()
        self.process = Process("null server", [program, str(self.port), "2"], f"{directory}/null.log")
        self.process.await_port(self.port)
