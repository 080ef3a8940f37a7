"""A PostgreSQL client of a few lines, for what no driver sends. Protocol 3: PostgreSQL manual, chapter 55."""

import dataclasses
import socket
import struct

PROTOCOL_3_0 = 196608
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102


@dataclasses.dataclass(frozen=True)
class Message:
    kind: str
    body: bytes

    @property
    def fields(self):
        """Of an ErrorResponse or NoticeResponse: by field type."""
        parts = self.body.rstrip(b"\0").split(b"\0")
        return {part[:1].decode(): part[1:].decode(errors="replace") for part in parts if part}

    @property
    def row(self):
        """Of a DataRow: the columns, NULL as None."""
        count, offset, columns = struct.unpack_from("!h", self.body)[0], 2, []
        for _ in range(count):
            size = struct.unpack_from("!i", self.body, offset)[0]
            offset += 4
            columns.append(None if size < 0 else self.body[offset : offset + size])
            offset += max(size, 0)
        return columns


def message(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def text(words):
    return words.encode() + b"\0"


def query(words):
    return message("Q", text(words))


def parse(name, words, types=()):
    return message("P", text(name) + text(words) + struct.pack(f"!h{len(types)}i", len(types), *types))


def bind(portal="", statement="", values=()):
    packed = b"".join(struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v for v in values)
    return message("B", text(portal) + text(statement) + struct.pack("!hh", 0, len(values)) + packed + struct.pack("!h", 0))


def describe(kind, name=""):
    return message("D", kind.encode() + text(name))


def execute(portal="", rows_max=0):
    return message("E", text(portal) + struct.pack("!i", rows_max))


def close(kind, name=""):
    return message("C", kind.encode() + text(name))


SYNC, FLUSH, TERMINATE = message("S"), message("H"), message("X")


def startup(parameters, version=PROTOCOL_3_0):
    body = struct.pack("!i", version) + b"".join(text(k) + text(v) for k, v in parameters.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


class Closed(Exception):
    """The other end closed, or reset, the connection."""


class Wire:
    """One socket. Reads wait at most `seconds`."""

    def __init__(self, address, seconds=20.0):
        self.socket = socket.create_connection(address, timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.parameters, self.key = {}, None

    def send(self, *pieces):
        try:
            self.socket.sendall(b"".join(pieces))
        except (ConnectionResetError, BrokenPipeError):
            raise Closed from None

    def read_exactly(self, count):
        received = b""
        while len(received) < count:
            try:
                piece = self.socket.recv(count - len(received))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed(f"after {received!r}")
            received += piece
        return received

    def read(self):
        kind = self.read_exactly(1).decode("latin-1")
        size = struct.unpack("!i", self.read_exactly(4))[0]
        return Message(kind, self.read_exactly(size - 4))

    def read_until(self, kind):
        """All messages up to the first of this kind, it included."""
        messages = [self.read()]
        while messages[-1].kind != kind:
            messages.append(self.read())
        return messages

    def read_all(self):
        """All messages up to the end of the connection."""
        messages = []
        try:
            while True:
                messages.append(self.read())
        except Closed:
            return messages

    def read_bytes(self):
        """Every byte up to the end of the connection, whatever it is."""
        received = b""
        try:
            while True:
                received += self.read_exactly(1)
        except Closed:
            return received

    def log_in(self, user="postgres", database="shop", version=PROTOCOL_3_0, **parameters):
        """Start-up of a user who needs no password; returns the messages up to ReadyForQuery."""
        self.send(startup({"user": user, "database": database, **parameters}, version))
        messages = self.read_until("Z")
        for each in messages:
            if each.kind == "S":
                name, value = each.body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            elif each.kind == "K":
                self.key = each.body
        return messages

    def ask(self, words):
        """A simple query; the messages of its reply."""
        self.send(query(words))
        return self.read_until("Z")

    def rows(self, words):
        return [each.row for each in self.ask(words) if each.kind == "D"]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def cancel(address, key):
    """Sends a CancelRequest and waits for the close that answers it."""
    with Wire(address) as wire:
        wire.send(struct.pack("!ii", 8 + len(key), CANCEL_REQUEST) + key)
        wire.read_all()
