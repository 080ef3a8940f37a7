"""The rows of protocol/postgres/README.md as conversations: each byte that a client reads is the server's own, in both pool modes."""

import struct

import proxy
from rows import ROWS, TABLES
from through import Through
from wire import Wire

USER_OBJECTS = 16384


def plain(message):
    """Kind and bytes; the number of a user's table in RowDescription is masked, it differs between two of the same name."""
    if message.kind != "T":
        return message.kind, message.body
    body, offset = bytearray(message.body), 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        offset = body.index(0, offset) + 1
        if struct.unpack_from("!I", body, offset)[0] >= USER_OBJECTS:
            body[offset : offset + 4] = bytes(4)
        offset += 18
    return message.kind, bytes(body)


def replies(address, steps):
    """What comes back, step by step."""
    with Wire(address) as wire:
        wire.log_in(application_name="rows")
        told = [sorted(wire.parameters.items())]
        for sent, wanted in steps:
            wire.send(sent)
            if wanted is None:
                read = wire.read_all()
            elif isinstance(wanted, str):
                read = wire.read_until(wanted)
            else:
                read = [each for _ in range(wanted) for each in wire.read_until("Z")]
            told.append([plain(each) for each in read])
        return told


class Rows(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(more_pairs={"shared": proxy.pair(pool={"mode": "transaction", "size": 1})})

    def test_rows(self):
        """each conversation straight, by session and by transaction → the same messages, byte by byte"""
        self.house.blue.query(TABLES)
        self.addCleanup(self.house.blue.query, "DROP TABLE row_test, row_plan; DROP SEQUENCE row_sequence")
        for row, steps in ROWS.items():
            wanted = replies(("127.0.0.1", self.house.blue.port), steps)
            for pair in ("shop", "shared"):
                with self.subTest(row=row, pair=pair):
                    self.assertEqual(replies(self.proxy.address(pair), steps), wanted)
