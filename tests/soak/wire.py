"""One client's socket in asyncio: messages in, messages out, and every rude way to leave."""

import asyncio
import socket
import struct

PROTOCOL_3_0 = 196608
CANCEL_REQUEST = 80877102
SYNC, FLUSH, TERMINATE, COPY_DONE = (kind + b"\0\0\0\4" for kind in (b"S", b"H", b"X", b"c"))
REPLY_SECONDS = 150  # longer than the pool's queue holds anybody


class Lost(Exception):
    """The other end closed, or said FATAL. The text is the SQLSTATE, if there was one."""


class Wrong(Exception):
    """An answer that this session must not get."""


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def text(words):
    return words.encode() + b"\0"


def query(words):
    return message(b"Q", text(words))


def parse(name, words):
    return message(b"P", text(name) + text(words) + b"\0\0")


def bind(statement="", values=(), portal=""):
    packed = b"".join(struct.pack("!i", len(value)) + value for value in map(str.encode, values))
    return message(b"B", text(portal) + text(statement) + struct.pack("!hh", 0, len(values)) + packed + b"\0\0")


def describe(name):
    return message(b"D", b"S" + text(name))


def execute(rows_max=0, portal=""):
    return message(b"E", text(portal) + struct.pack("!i", rows_max))


def close(name):
    return message(b"C", b"S" + text(name))


def fields(body):
    return {part[:1].decode(): part[1:].decode() for part in body.rstrip(b"\0").split(b"\0") if part}


def row(body):
    """Columns of a DataRow, as text."""
    count, offset, columns = struct.unpack_from("!h", body)[0], 2, []
    for _ in range(count):
        size = struct.unpack_from("!i", body, offset)[0]
        offset += 4
        columns.append(None if size < 0 else body[offset : offset + size].decode())
        offset += max(size, 0)
    return columns


class Wire(asyncio.Protocol):
    """Messages are kept until somebody asks for them; what comes unasked (S, N, A) goes to its own place."""

    def __init__(self):
        self.received, self.messages, self.parameters, self.notifications = bytearray(), [], {}, []
        self.key, self.is_open, self.waiter, self.fatal = None, False, None, ""

    @classmethod
    async def connect(cls, address, parameters):
        _, wire = await asyncio.get_running_loop().create_connection(cls, *address)
        body = struct.pack("!i", PROTOCOL_3_0) + b"".join(text(k) + text(v) for k, v in parameters.items()) + b"\0"
        wire.send(struct.pack("!i", len(body) + 4) + body)
        try:
            await wire.reply()
        except BaseException:
            wire.transport.abort()
            raise
        return wire

    def connection_made(self, transport):
        self.transport, self.is_open = transport, True

    def connection_lost(self, _):
        self.is_open = False
        self._wake()

    def data_received(self, data):
        self.received += data
        offset, count = 0, len(self.received)
        while count - offset >= 5:
            size = 1 + struct.unpack_from("!i", self.received, offset + 1)[0]
            if count - offset < size:
                break
            self._take(chr(self.received[offset]), bytes(self.received[offset + 5 : offset + size]))
            offset += size
        if offset:
            del self.received[:offset]
            self._wake()

    def _take(self, kind, body):
        if kind == "S":
            name, value = body.split(b"\0")[:2]
            self.parameters[name.decode()] = value.decode()
        elif kind == "A":
            self.notifications.append(body[4:].split(b"\0")[:2])
        elif kind == "K":
            self.key = body
        elif kind == "E" and fields(body).get("V") in ("FATAL", "PANIC"):
            self.fatal = fields(body)["C"]
        elif kind not in "NR":
            self.messages.append((kind, body))

    def _wake(self):
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def send(self, *pieces):
        if not self.is_open:
            raise Lost(self.fatal)
        self.transport.write(b"".join(pieces))

    async def _more(self, seconds):
        if not self.is_open:
            raise Lost(self.fatal)
        self.waiter = asyncio.get_running_loop().create_future()
        await asyncio.wait_for(self.waiter, seconds)

    async def until(self, kinds, count=1, seconds=REPLY_SECONDS):
        """Messages up to the count-th of one of these kinds."""
        seen = looked = 0
        while True:
            while looked < len(self.messages):
                seen += self.messages[looked][0] in kinds
                looked += 1
                if seen == count:
                    taken, self.messages = self.messages[:looked], self.messages[looked:]
                    return taken
            try:
                await self._more(seconds)
            except asyncio.TimeoutError:
                if seconds < REPLY_SECONDS:
                    raise
                raise Wrong(f"no answer in {seconds} s, only {[each[0] for each in self.messages]}") from None

    async def reply(self, count=1):
        """Everything up to the count-th ReadyForQuery."""
        return await self.until("Z", count)

    def leave(self, how):
        """`politely`, by `end` of file, by `reset`."""
        if not self.is_open:
            return
        if how == "politely":
            self.transport.write(TERMINATE)
        if how == "reset":
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()
        else:
            self.transport.close()


async def cancel(address, key):
    """A CancelRequest, up to the close that answers it."""
    try:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(struct.pack("!ii", 8 + len(key), CANCEL_REQUEST) + key)
        await reader.read()
        writer.close()
    except OSError:
        pass  # a reset answers as well
