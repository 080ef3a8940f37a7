#!/usr/bin/python3
"""What a logged-in idle client costs Crossfade in memory, in plain text and in TLS, its backend connection back in the pool.

    idle.py --crossfade build/proxy/crossfade --null-server build/tests/bench/bench_null_server [--clients 2000]

The resident memory of the process before and after the clients, divided by their number.
"""

import argparse
import json
import pathlib
import resource
import select
import socket
import ssl
import struct
import subprocess
import sys
import tempfile

from certificates import make_certificate
from processes import free_port


def resident(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024


def log_in(port, context):
    connection = socket.create_connection(("127.0.0.1", port))
    if context is not None:
        connection.sendall(struct.pack("!ii", 8, 80877103))
        assert connection.recv(1) == b"S"
        connection = context.wrap_socket(connection)
    body = struct.pack("!i", 196608) + b"user\0bench\0database\0bench\0\0"
    connection.sendall(struct.pack("!i", len(body) + 4) + body)
    received = b""
    while not received.endswith(b"Z\0\0\0\5I"):
        received += connection.recv(4096)
    return connection


def ask(connection):
    connection.sendall(b"Q\0\0\0\rSELECT 1\0")
    received = b""
    while not received.endswith(b"Z\0\0\0\5I"):
        received += connection.recv(4096)


def measure(options, scratch, server_port, context):
    settings = {"workers": 1, "admin": "off",
                "pairs": {"p": {"dialect": "postgres", "listen": "127.0.0.1:0", "allow_same_endpoint": True,
                                "blue": {"host": "127.0.0.1", "port": server_port, "tls": {"mode": "disable"}},
                                "green": {"host": "127.0.0.1", "port": server_port, "tls": {"mode": "disable"}},
                                "users": {"bench": {"authentication": "trust"}}, "rules": [{"name": "r"}]}}}
    if context is not None:
        settings["pairs"]["p"]["tls"] = {"certificate_file": str(scratch / "server.crt"), "key_file": str(scratch / "server.key")}
    (scratch / "c.yaml").write_text(json.dumps(settings))
    ready = scratch / "ready.json"
    ready.unlink(missing_ok=True)
    process = subprocess.Popen([options.crossfade, "run", scratch / "c.yaml", "--ready-file", ready],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not ready.exists():
            assert process.poll() is None, "crossfade ended at once"
            select.select([], [], [], 0.01)
        port = int(json.loads(ready.read_text())["pairs"]["p"].rpartition(":")[2])
        clients = [log_in(port, context) for _ in range(20)]
        before = resident(process)
        clients += [log_in(port, context) for _ in range(options.clients)]
        for client in clients:
            ask(client)
        return (resident(process) - before) / options.clients
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crossfade", required=True)
    parser.add_argument("--null-server", required=True)
    parser.add_argument("--clients", type=int, default=2000)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        make_certificate(scratch, None)
        port = free_port()
        server = subprocess.Popen([options.null_server, str(port)], stdout=subprocess.DEVNULL)
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    select.select([], [], [], 0.01)
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            for name, used in (("plain", None), ("TLS", context)):
                print(f"{name:6} {measure(options, scratch, port, used) / 1024:6.2f} KiB per idle client", flush=True)
        finally:
            server.kill()
            server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
