"""Errors and notices are the server's own, field by field."""

from through import Through
from wire import SYNC, Wire, bind, describe, execute, parse, query

STATEMENTS = [
    "SELECT 1/0",
    "SELEC 1",
    "SELECT missing FROM items",
    "SELECT * FROM no_such_schema.items",
    "INSERT INTO notes (id, body, weight) VALUES (-1, 'x', -1)",
    "INSERT INTO items (id, name) VALUES (1, 'twice')",
    "INSERT INTO items (id) VALUES (5000)",
    "SELECT 'x'::int",
    "SELECT '2024-02-30'::date",
    "DO $$ BEGIN RAISE EXCEPTION 'custom' USING ERRCODE = 'XX123', HINT = 'h', DETAIL = 'd', COLUMN = 'c', TABLE = 't'; END $$",
    "DO $$ BEGIN RAISE WARNING 'careful' USING HINT = 'slowly'; END $$",
    "CREATE TABLE IF NOT EXISTS items (a int)",
    "DROP TABLE IF EXISTS nothing_there",
    "COMMIT",
    "ROLLBACK TO nowhere",
    "SELECT 1; SELECT 1/0; SELECT 2",
    "BEGIN; SELECT 1/0",
    "SELECT 2",
    "ROLLBACK",
    "SET nonsense = 1",
    "SET work_mem = 'much'",
    "EXECUTE nothing",
    "COPY items FROM '/etc/passwd'",
    "LOCK TABLE items",
    "FETCH 1 FROM no_cursor",
    "SELECT 'unterminated",
    "",
    ";;",
    "-- only a comment",
]
# (name, messages of a batch; each ends with a Sync)
BATCHES = [
    ("syntax", [parse("", "SELEC 1"), describe("S"), bind(), execute()]),
    ("unknown statement", [bind(statement="nothing"), execute()]),
    ("unknown portal", [execute("nothing")]),
    ("too few parameters", [parse("", "SELECT $1::int"), bind(), execute()]),
    ("bad value", [parse("", "SELECT $1::int"), bind(values=[b"x"]), execute()]),
    ("two statements", [parse("", "SELECT 1; SELECT 2")]),
    ("error after rows", [parse("", "SELECT 10 / (5 - i) FROM generate_series(1, 9) i"), bind(), execute()]),
    ("skipped after error", [parse("", "SELECT 1/0"), bind(), execute(), parse("", "SELECT 2"), bind(), execute()]),
    ("empty", [parse("", ""), bind(), describe("P"), execute()]),
    ("nothing", []),
    ("suspended", [parse("", "SELECT generate_series(1, 5)"), bind(), execute("", 2), execute("", 2)]),
    ("bad utf-8", [parse("", "SELECT $1::text"), bind(values=[b"\xff\xfe"]), execute()]),
]


def plain(messages):
    """What can be compared: kinds and fields; all bytes of everything else."""
    return [(each.kind, each.fields if each.kind in "EN" else each.body) for each in messages]


class Errors(Through):
    def both(self):
        through, direct = Wire(self.proxy.address()), Wire(("127.0.0.1", self.house.blue.port))
        for wire in (through, direct):
            self.addCleanup(wire.close)
            wire.log_in()
        return through, direct

    def test_simple(self):
        """each statement through the proxy → every message equals the server's"""
        through, direct = self.both()
        for statement in STATEMENTS:
            with self.subTest(statement=statement):
                self.assertEqual(plain(through.ask(statement)), plain(direct.ask(statement)))

    def test_extended(self):
        """each batch through the proxy → every message equals the server's"""
        through, direct = self.both()
        for name, pieces in BATCHES:
            with self.subTest(batch=name):
                replies = []
                for wire in (through, direct):
                    wire.send(*pieces, SYNC)
                    replies.append(plain(wire.read_until("Z")))
                self.assertEqual(*replies)

    def test_all_at_once(self):
        """all statements and batches sent before a reply is read → the server's replies, in order"""
        through, direct = self.both()
        pieces = [query(statement) for statement in STATEMENTS] + [b"".join(batch) + SYNC for _, batch in BATCHES]
        replies = []
        for wire in (through, direct):
            wire.send(*pieces)
            replies.append([plain(wire.read_until("Z")) for _ in pieces])
        for number, (got, wanted) in enumerate(zip(*replies)):
            self.assertEqual(got, wanted, f"reply {number}")

    def test_terminated(self):
        """pg_terminate_backend of the backend → 57P01 to the client, then closed"""
        through, _ = self.both()
        pid = through.rows("SELECT pg_backend_pid() FROM side")[0][0]
        through.send(query("SELECT pg_sleep(50)"))
        self.house.blue.query("SELECT pg_terminate_backend(%s)", (int(pid),))
        errors = [each.fields for each in through.read_all() if each.kind == "E"]
        self.assertEqual([(each["C"], each["S"]) for each in errors], [("57P01", "FATAL")])
