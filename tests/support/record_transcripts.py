"""Records the golden transcripts against a throw-away PostgreSQL 15 server.

    /usr/bin/python3 tests/support/record_transcripts.py build/tests/support/print_transcript [name ...]

Speaks the protocol byte by byte, so that a transcript shows what the server answers and not what a driver makes of it.
Needs root (the server runs as the user postgres) and Debian's postgresql-15. Writes tests/transcripts/postgres/*.trace.
"""

import base64
import contextlib
import hashlib
import hmac
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

import transcript_scenes as scenes

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
FOLDER = pathlib.Path(__file__).resolve().parents[1] / "transcripts" / "postgres"
HBA = """
local all trusted    trust
local all postgres   trust
local all plain      password
local all digest     md5
local all scram      scram-sha-256
local all nobody     scram-sha-256
"""
ROLES = """
SET password_encryption = 'scram-sha-256';
CREATE ROLE trusted LOGIN;
CREATE ROLE plain LOGIN PASSWORD 'pencil';
CREATE ROLE scram LOGIN PASSWORD 'pencil';
SET password_encryption = 'md5';
CREATE ROLE digest LOGIN PASSWORD 'pencil';
CREATE DATABASE shop OWNER trusted;
"""


@contextlib.contextmanager
def throwaway_server():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crossfade-transcripts-"))
    shutil.chown(folder, "postgres", "postgres")
    cluster = folder / "cluster"

    def run(*command, **options):
        subprocess.run(command, check=True, user="postgres", group="postgres", cwd=folder, stdout=subprocess.DEVNULL, **options)

    run(BIN / "initdb", "-D", cluster, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
    (cluster / "pg_hba.conf").write_text(HBA)
    with open(cluster / "postgresql.conf", "a", encoding="utf-8") as settings:
        settings.write(f"listen_addresses=''\nunix_socket_directories='{folder}'\nfsync=off\ntimezone='UTC'\nssl=off\n")
    run(BIN / "pg_ctl", "-D", cluster, "-w", "-l", folder / "log", "start")
    try:
        run("psql", "-h", folder, "-d", "postgres", "-q", input=ROLES.encode())
        yield str(folder / ".s.PGSQL.5432")
    finally:
        run(BIN / "pg_ctl", "-D", cluster, "-m", "immediate", "stop")
        shutil.rmtree(folder)


class Recorder:
    """One raw connection; notes every byte of both directions in the order in which it was seen."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.path, self.capture, self.unread = path, [], b""
        self.process_id = self.secret = None

    def send(self, *messages):
        data = b"".join(messages)
        self.capture.append("> " + data.hex())
        self.socket.sendall(data)

    def read_byte(self):
        byte = self.socket.recv(1)
        self.capture.append("< " + byte.hex())
        return byte

    def read_message(self):
        """One message, or None when the server has closed."""
        while len(self.unread) < 5 or len(self.unread) < 1 + struct.unpack(">I", self.unread[1:5])[0]:
            data = self.socket.recv(65536)
            if not data:
                # Protocol 2 has no length: what is left is its error.
                if self.unread:
                    self.capture.append("# protocol 2: " + repr(self.unread))
                self.capture.append("< (closed)")
                return None
            self.unread += data
        length = 1 + struct.unpack(">I", self.unread[1:5])[0]
        message, self.unread = self.unread[:length], self.unread[length:]
        self.capture.append("< " + message.hex())
        if message[:1] == b"K":
            self.process_id, self.secret = message[5:9], message[9:]
        return message

    def read_until(self, *tags):
        """Reads up to a message of one of these types; its body."""
        while (message := self.read_message()) is not None:
            if message[:1].decode() in tags:
                return message[5:]
        return None

    def read_to_end(self):
        while self.read_message() is not None:
            pass

    def close(self, is_polite=True):
        if is_polite:
            self.send(scenes.message("X", b""))
        self.capture.append("> (closed)")
        self.socket.close()


class ScramClient:
    """The client's end of SCRAM-SHA-256 with a nonce that never changes, so that recordings can be replayed."""

    RAW_NONCE = bytes(range(18))

    def __init__(self, password):
        self.password, self.nonce = password.encode(), base64.b64encode(self.RAW_NONCE)
        self.bare = b"n=,r=" + self.nonce

    def first(self):
        return b"n,," + self.bare

    def final(self, challenge):
        fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = b"c=biws,r=" + fields[b"r"]
        signed = b",".join((self.bare, challenge, without_proof))
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        return without_proof + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signature)))


def main():
    printer, wanted = sys.argv[1], sys.argv[2:]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with throwaway_server() as path:
        for name, scene in scenes.ALL.items():
            if wanted and name not in wanted:
                continue
            recorder = Recorder(path)
            scene(recorder)
            head = "# " + scene.__doc__.strip() + "\n# Recorded from PostgreSQL 15.\n"
            text = subprocess.run([printer], input="\n".join(recorder.capture) + "\n", text=True, check=True, stdout=subprocess.PIPE).stdout
            (FOLDER / f"{name}.trace").write_text(head + text)
            print(f"{name}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    os.environ.pop("PGHOST", None)
    main()
