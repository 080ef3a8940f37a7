"""What a prepared statement's name means behind messages of one pipeline that are not answered yet: as the server says, in both pool modes."""

import proxy
from through import Through
from wire import SYNC, Wire, bind, close, describe, execute, parse, query

PREPARED = (parse("s", "SELECT 7 AS seven"), parse("t", "SELECT name FROM items WHERE id = $1"), SYNC)


def run(words):
    """One statement by the extended protocol, without its Sync."""
    return parse("", words) + bind() + execute()


USE = bind("", "s") + execute()
USE_OTHER = bind("", "t", [b"3"]) + execute()
# Each is sent in one write behind PREPARED; nobody waits for anything.
SCRIPTS = {
    "DEALLOCATE and a use in one batch": (run("DEALLOCATE s"), USE, SYNC, USE_OTHER, SYNC),
    "DEALLOCATE and a use in the next batch": (run("DEALLOCATE s"), SYNC, USE, SYNC, USE_OTHER, SYNC),
    "DEALLOCATE by simple query": (query("DEALLOCATE s"), USE, SYNC, USE_OTHER, SYNC),
    "a use in front of it": (USE, run("DEALLOCATE s"), USE_OTHER, SYNC, USE, SYNC),
    "Describe behind it": (run("DEALLOCATE s"), describe("S", "s"), SYNC, describe("S", "t"), SYNC),
    "DEALLOCATE ALL and uses in one batch": (run("DEALLOCATE ALL"), USE, SYNC, USE_OTHER, SYNC),
    "DEALLOCATE ALL by simple query": (query("DEALLOCATE ALL"), USE, SYNC, USE_OTHER, SYNC),
    "DISCARD ALL and uses in the next batches": (run("DISCARD ALL"), SYNC, USE, SYNC, USE_OTHER, SYNC),
    "DISCARD ALL and a use in one batch": (run("DISCARD ALL"), USE, SYNC, USE_OTHER, SYNC),
    "DISCARD ALL by simple query": (query("DISCARD ALL"), USE, SYNC, USE_OTHER, SYNC),
    "Close and a use in one batch": (close("S", "s"), USE, SYNC, USE_OTHER, SYNC),
    "Close in the batch before": (close("S", "s"), SYNC, USE, SYNC),
    "Close behind an error": (run("SELECT 1/0"), close("S", "s"), SYNC, USE, SYNC),
    "DEALLOCATE behind an error": (run("SELECT 1/0"), run("DEALLOCATE s"), SYNC, USE, SYNC),
    "DEALLOCATE ALL behind an error": (run("SELECT 1/0"), run("DEALLOCATE ALL"), SYNC, USE, SYNC),
    "an error behind it": (run("DEALLOCATE s"), run("SELECT 1/0"), SYNC, USE, SYNC, USE_OTHER, SYNC),
    "an error behind DEALLOCATE ALL": (run("DEALLOCATE ALL"), run("SELECT 1/0"), SYNC, USE, SYNC, USE_OTHER, SYNC),
    "rolled back": (query("BEGIN"), query("DEALLOCATE s"), query("ROLLBACK"), USE, SYNC, USE_OTHER, SYNC),
    "rolled back in one text": (query("BEGIN; DEALLOCATE s; ROLLBACK"), USE, SYNC, USE_OTHER, SYNC),
    "an error behind it in its text": (query("DEALLOCATE s; SELECT 1/0"), USE, SYNC, USE_OTHER, SYNC),
    "an error in front of it in its text": (query("SELECT 1/0; DEALLOCATE s"), USE, SYNC, USE_OTHER, SYNC),
    "in a transaction that has failed": (query("BEGIN"), query("SELECT 1/0"), query("DEALLOCATE s"), query("ROLLBACK"), USE, SYNC),
    "rolled back to a savepoint": (query("BEGIN"), query("SAVEPOINT a"), run("DEALLOCATE s"), SYNC, query("ROLLBACK TO a"), USE, SYNC,
                                   query("ROLLBACK"), USE, SYNC),
    "of a name that is unknown": (run("DEALLOCATE unknown"), USE, SYNC, USE, SYNC),
    "and prepared anew in one batch": (run("DEALLOCATE s"), parse("s", "SELECT 8, 9"), USE, SYNC, USE, SYNC),
    "and prepared anew behind all": (run("DEALLOCATE ALL"), parse("s", "SELECT 8, 9"), USE, SYNC, USE, SYNC, USE_OTHER, SYNC),
    "and prepared anew by SQL": (run("DEALLOCATE s"), run("PREPARE s AS SELECT 8, 9"), SYNC, query("EXECUTE s"), USE, SYNC),
    "prepared anew without it": (parse("s", "SELECT 8"), SYNC, USE, SYNC),
    "EXECUTE behind it": (query("DEALLOCATE s"), query("EXECUTE s"), USE, SYNC),
    "EXECUTE behind it in one batch": (run("DEALLOCATE s"), run("EXECUTE s"), SYNC),
    "twice": (run("DEALLOCATE s"), run("DEALLOCATE s"), SYNC, USE, SYNC),
    "once in a prepared form": (parse("d", "DEALLOCATE s"), bind("", "d"), execute(), USE, SYNC, bind("", "d"), execute(), SYNC),
    "in a prepared form, once more": (parse("d", "DEALLOCATE s"), bind("", "d"), execute(), parse("s", "SELECT 8"), SYNC, USE, SYNC,
                                      bind("", "d"), execute(), USE, SYNC),
    "EXECUTE in a prepared form": (parse("e", "EXECUTE s"), bind("", "e"), execute(), SYNC, query("DEALLOCATE s"), bind("", "e"), execute(), SYNC,
                                   parse("s", "SELECT 7 AS seven"), SYNC, bind("", "e"), execute(), SYNC),
    "of itself": (parse("d", "DEALLOCATE d"), bind("", "d"), execute(), bind("", "d"), execute(), SYNC),
    "bound and not executed": (parse("", "DEALLOCATE s"), bind("later"), USE, SYNC, USE, SYNC),
    "executed later": (parse("", "DEALLOCATE s"), bind("later"), USE, execute("later"), USE, SYNC, USE, SYNC),
}


def told(each):
    if each.kind == "E":
        return each.fields["C"], each.fields["M"]
    return each.kind, bytes(each.body)


class Names(Through):
    """One pair by session, one by transaction with one connection per side, that another client uses in between."""

    @classmethod
    def settings(cls):
        pools = {"by_session": {"mode": "session"}, "by_transaction": {"mode": "transaction", "size": 1}}
        pairs = {mode: proxy.pair(pool=pool) for mode, pool in pools.items()}
        return {**proxy.configuration(), "workers": 1, "pairs": pairs}

    def seen_at(self, address, messages):
        with Wire(address) as wire:
            wire.log_in()
            wire.send(*PREPARED)
            wire.read_until("Z")
            wire.send(*messages)
            ends = sum(each == SYNC or each[:1] == b"Q" for each in messages)
            return [told(each) for _ in range(ends) for each in wire.read_until("Z")]

    def test_behind_what_frees_it(self):
        """a name is used in one pipeline behind what frees it → what the server says, by session and by transaction"""
        for name, messages in SCRIPTS.items():
            wanted = self.seen_at(("127.0.0.1", self.house.blue.port), messages)
            for mode in ("by_session", "by_transaction"):
                with self.subTest(script=name, mode=mode):
                    self.assertEqual(self.seen_at(self.proxy.address(mode), messages), wanted)
