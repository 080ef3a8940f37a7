"""Throw-away PostgreSQL clusters for the model test."""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BINARIES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1:]

SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_connections = 60
shared_buffers = 64MB
log_min_messages = fatal
log_min_error_statement = panic
max_prepared_transactions = 0
"""

ROLES = """
CREATE ROLE model LOGIN;
CREATE ROLE model_other;
GRANT model_other TO model;
"""


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unprivileged():
    """The account that a server runs as; None for our own when we are not root."""
    return "postgres" if os.geteuid() == 0 else None


class Cluster:
    """One server on a free port and a local socket, in a temporary folder; a context."""

    def __init__(self, databases):
        self.databases = databases
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="model-")
        self.process = None

    def __enter__(self):
        account = unprivileged()
        if account:
            owner = pwd.getpwnam(account)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        data = self.folder + "/data"
        self.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "--locale=C", "--encoding=UTF8")
        with open(data + "/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(SETTINGS + f"port = {self.port}\nlisten_addresses = '127.0.0.1'\n"
                       f"unix_socket_directories = '{self.folder}'\n")
        with open(self.folder + "/log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([BINARIES[0] / "postgres", "-D", data], stdout=log, stderr=log, user=account,
                                            cwd=self.folder, start_new_session=True)
        try:
            self.await_ready()
            self.sql("postgres", ROLES)
            for database in self.databases:
                self.sql("postgres", f"CREATE DATABASE {database} OWNER model")
                self.sql("postgres", f"ALTER DATABASE {database} SET search_path = m")
                # Known from the start, since a pooled connection cannot forget that somebody has set it.
                self.sql("postgres", f"ALTER DATABASE {database} SET custom.flag = ''")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program, *arguments, **options):
        """Runs one of the server's programs in the server's account."""
        done = subprocess.run([BINARIES[0] / program, *arguments], user=unprivileged(), cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}")

    def await_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                return self.run("pg_isready", "-h", self.folder, "-p", str(self.port), "-t", "5")
            except RuntimeError:
                if self.process.poll() is not None:
                    break
        with open(self.folder + "/log", encoding="utf-8") as log:
            raise RuntimeError("the server did not start: " + log.read())

    def sql(self, database, text):
        self.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port), "-U", "postgres",
                 "-d", database, input=text)

    @property
    def local_address(self):
        return f"{self.folder}:{self.port}"
