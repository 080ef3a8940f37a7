"""Clients that go in the middle of a batch: what they have begun is undone at once, as on the server, and nothing stays locked."""

import proxy
from through import Through
from waiting import until
from wire import FLUSH, SYNC, TERMINATE, Wire, bind, describe, execute, message, parse, query

INSERT = parse("", "INSERT INTO log VALUES ('vanished')") + bind() + describe("P") + execute()
COPY = parse("", "COPY log FROM STDIN") + bind() + execute()
DATA = message("d", b"vanished\n")
# What the client sends, up to which message it reads, and what it sends then.
DEPARTURES = {
    "no Sync": (INSERT, None, b""),
    "Flush and no Sync": (INSERT + FLUSH, "C", b""),
    "half a message": (INSERT + b"B\0\0\0\x20\0\0", None, b""),
    "half a Sync": (INSERT + b"S\0\0", None, b""),
    "an answered batch before": (query("SELECT 1") + INSERT, "Z", b""),
    "an error and no Sync": (parse("", "SELECT 1/0") + bind() + execute() + FLUSH, "E", INSERT),
    "COPY": (query("COPY log FROM STDIN"), "G", DATA),
    "COPY by messages": (COPY + FLUSH, "G", DATA),
    "COPY by messages, ended, no Sync": (COPY + FLUSH, "G", DATA + message("c")),
    "goodbye within a batch": (INSERT + TERMINATE, None, b""),
    "goodbye within a batch, behind a request in the same write": (query("SELECT 1") + INSERT + TERMINATE, None, b""),
    "goodbye in COPY, behind a request in the same write": (query("SELECT 1") + COPY + DATA + TERMINATE, None, b""),
    "goodbye in COPY": (query("COPY log FROM STDIN"), "G", DATA + TERMINATE),
}


class Vanished(Through):
    @classmethod
    def settings(cls):
        shared = proxy.pair(pool={"mode": "transaction", "size": 1})
        return proxy.configuration(more_pairs={"shared": shared})

    def test_in_a_batch(self):
        """a client that closes before its Sync or the end of its COPY → the server rolls back, and the table is free"""
        for pair in ("shop", "shared"):
            for name, (first, wanted, then) in DEPARTURES.items():
                with self.subTest(pair=pair, departure=name):
                    with Wire(self.proxy.address(pair)) as wire:
                        wire.log_in(application_name="vanished")
                        wire.send(first)
                        if wanted:
                            wire.read_until(wanted)
                        if then:
                            wire.send(then)
                    until(lambda: not self.house.blue.sessions("application_name = 'vanished' AND state <> 'idle'"), "the server has done with it")
                    self.assertEqual(self.house.blue.query("SELECT count(*) FROM log WHERE line = 'vanished'"), [(0,)])
                    self.house.blue.query("SET lock_timeout = '5s'; TRUNCATE log")

    def test_goodbye_behind_requests(self):
        """Terminate in the same write as requests → they are answered, message by message as by the server, then the end"""
        sent = query("SELECT 1") + parse("", "SELECT 2") + bind() + execute() + SYNC + query("SELECT 1/0") + TERMINATE
        replies = []
        for address in (("127.0.0.1", self.house.blue.port), self.proxy.address(), self.proxy.address("shared")):
            with Wire(address) as wire:
                wire.log_in()
                wire.send(sent)
                replies.append(wire.read_all())
        self.assertEqual(replies[1], replies[0])
        self.assertEqual(replies[2], replies[0])
