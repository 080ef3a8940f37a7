"""The proxies that are measured side by side. Each is given the settings that its manual recommends for speed.

`direct` is no proxy, `relay` the floor. HAProxy and Crossfade run as many threads as they do by default: HAProxy one per
core, Crossfade one per core but one. `haproxy-1` and `crossfade-1` run a single thread, as PgBouncer always does, and
`crossfade-all` one per core. `crossfade-split` sends every second read over a connection to green (the same server under
its second name), so that choosing a side is part of the figure. `pgbouncer` and `crossfade` pool by session;
`pgbouncer-pool` and `crossfade-pool` share 20 connections by transaction. `beside` and `beside-pool` are another build of
Crossfade (`--beside PROGRAM`), to see what a change is worth. Under a TLS load HAProxy and the relay pass the clients'
TLS through to the server; PgBouncer and Crossfade end it and speak plainly to the server.
"""

import os
import shutil
import subprocess

from certificates import make_certificate
from processes import Process, free_port

HAPROXY = """
global
  nbthread {threads}
  maxconn 4000
defaults
  mode tcp
  maxconn 4000
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend clients
  bind 127.0.0.1:{port}
  default_backend servers
backend servers
  server one 127.0.0.1:{server_port}
"""

PGBOUNCER = """
[databases]
bench = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users.txt
pool_mode = {pool}
max_client_conn = 4000
default_pool_size = {pool_size}
ignore_startup_parameters = extra_float_digits
client_tls_sslmode = allow
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
log_connections = 0
log_disconnections = 0
"""

CROSSFADE = """
workers: {workers}
log:
  level: warning
admin:
  listen: 127.0.0.1:0
pairs:
  bench:
    dialect: postgres
    listen: 127.0.0.1:{port}
    blue: {{host: 127.0.0.1, port: {server_port}, tls: {{mode: disable}}}}
    green: {{host: 127.0.0.1, port: {server_port}, tls: {{mode: disable}}}}
    allow_same_endpoint: true
    authentication: trust
    tls: {{mode: prefer, certificate_file: {certificate}, key_file: {key}}}
    pool: {{mode: {pool}, size: {pool_size}}}
    health: {{interval: 1h}}
    users:
      bench: {{}}
    rules:
      - name: all
        reads: {{green: {green}}}
        writes: blue
        stickiness: {stickiness}
"""


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


class Setting:
    """Where the peers of one server live: its port, a directory, the user and the built programs; and the words before a
    peer's command, with the descriptors that they need, when it is to run under a tool; another build of Crossfade."""

    def __init__(self, name, server_port, directory, user, build, wrapper=(), inherited=(), beside=None):
        self.name, self.server_port, self.directory, self.user, self.build = name, server_port, directory, user, build
        self.wrapper, self.inherited, self.beside = wrapper, inherited, beside
        self.certificate, self.key = make_certificate(directory, user)
        self.threads = os.cpu_count() or 1


class Peer:
    def __init__(self, name, port, process=None):
        self.name, self.port, self.process = name, port, process

    @property
    def pid(self):
        return self.process.popen.pid if self.process else None


def start(name, setting, command, port, user=None):
    process = Process(name, [*setting.wrapper, *command], f"{setting.directory}/{name}.{setting.name}.log", user,
                      inherited=setting.inherited)
    process.await_port(port, 120 if setting.wrapper else 20)
    return Peer(name, port, process)


def direct(setting):
    return Peer("direct", setting.server_port)


def relay(setting):
    port = free_port()
    return start("relay", setting, [f"{setting.build}/tests/bench/bench_relay", str(port), str(setting.server_port)], port)


def haproxy(setting, name="haproxy", threads=None):
    port = free_port()
    file = write(f"{setting.directory}/{name}.{setting.name}.cfg",
                 HAPROXY.format(threads=threads or setting.threads, port=port, server_port=setting.server_port))
    return start(name, setting, [shutil.which("haproxy", path="/usr/sbin:" + os.environ["PATH"]), "-db", "-q", "-f", file], port)


def pgbouncer(setting, name="pgbouncer", pool="session", pool_size=400):
    port = free_port()
    directory = f"{setting.directory}/{name}.{setting.name}"
    os.makedirs(directory)
    write(directory + "/users.txt", '"bench" ""\n')
    file = write(directory + "/pgbouncer.ini",
                 PGBOUNCER.format(port=port, server_port=setting.server_port, directory=directory,
                                  pool=pool, pool_size=pool_size, certificate=setting.certificate, key=setting.key))
    return start(name, setting, [shutil.which("pgbouncer", path="/usr/sbin:" + os.environ["PATH"]), "-q", file],
                 port, setting.user)


def crossfade(setting, name="crossfade", workers="auto", green=0, stickiness="session", pool="session", pool_size=0, program=None):
    port = free_port()
    file = write(f"{setting.directory}/{name}.{setting.name}.yaml",
                 CROSSFADE.format(workers=workers, port=port, server_port=setting.server_port,
                                  green=green, stickiness=stickiness, pool=pool, pool_size=pool_size,
                                  certificate=setting.certificate, key=setting.key))
    return start(name, setting, [program or f"{setting.build}/proxy/crossfade", "run", file], port, setting.user)


PEERS = {
    "direct": direct,
    "relay": relay,
    "haproxy": haproxy,
    "haproxy-1": lambda setting: haproxy(setting, "haproxy-1", 1),
    "pgbouncer": pgbouncer,
    "crossfade": crossfade,
    "crossfade-1": lambda setting: crossfade(setting, "crossfade-1", 1),
    "crossfade-all": lambda setting: crossfade(setting, "crossfade-all", setting.threads),
    "crossfade-split": lambda setting: crossfade(setting, "crossfade-split", "auto", 50, "statement"),
    "pgbouncer-pool": lambda setting: pgbouncer(setting, "pgbouncer-pool", "transaction", 20),
    "crossfade-pool": lambda setting: crossfade(setting, "crossfade-pool", pool="transaction", pool_size=20),
    "beside": lambda setting: crossfade(setting, "beside", program=setting.beside),
    "beside-pool": lambda setting: crossfade(setting, "beside-pool", pool="transaction", pool_size=20, program=setting.beside),
}
DEFAULT_PEERS = ["direct", "relay", "haproxy", "pgbouncer", "crossfade"]


def versions(build):
    """What was measured, for the head of the report."""
    found = {}
    for name, command in (("HAProxy", ["/usr/sbin/haproxy", "-v"]), ("PgBouncer", ["/usr/sbin/pgbouncer", "--version"]),
                          ("Crossfade", [f"{build}/proxy/crossfade", "--version"])):
        if shutil.which(command[0]):
            first = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[:1]
            words = first[0].split() if first else []
            found[name] = next((word for word in words if word[0].isdigit()), "?")
    return found
