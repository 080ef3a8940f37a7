"""Types that green numbers differently: told, and never mixed up with blue's numbers by a client that remembers them."""

import struct

import proxy
from clusters import house
from through import Through
from waiting import until
from wire import SYNC, Wire, bind, describe, execute, parse

DATABASE = "numbers"
TYPES = ("CREATE TYPE hue AS ENUM ('red', 'blue')", "CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0)", "CREATE TYPE spot AS (x int, y int)",
         "CREATE TYPE span AS RANGE (subtype = float8)")
TABLES = """
CREATE TABLE side (name text);
CREATE TABLE cars (id int, colour hue);
CREATE TABLE plain (id int, number even);
CREATE TABLE lists (spots spot[]);
CREATE VIEW fleet AS SELECT colour FROM cars;
CREATE FUNCTION favourite() RETURNS hue STABLE LANGUAGE sql AS $$ SELECT 'red'::hue $$;
INSERT INTO cars VALUES (1, 'red');
"""


def described_types(messages):
    """The numbers of the types in the RowDescription among these messages."""
    types = []
    for each in messages:
        if each.kind != "T":
            continue
        offset = 2
        for _ in range(struct.unpack_from("!h", each.body)[0]):
            offset = each.body.index(b"\0", offset) + 1
            types.append(struct.unpack_from("!i", each.body, offset + 6)[0])
            offset += 18
    return types


class Types(Through):
    @classmethod
    def setUpClass(cls):
        for cluster in house().both:
            cluster.query(f"CREATE DATABASE {DATABASE}", database="postgres")
            cls.addClassCleanup(cluster.query, f"DROP DATABASE {DATABASE} WITH (FORCE)", database="postgres")
            for words in TYPES if cluster.name == "blue" else reversed(TYPES):
                cluster.query(words, database=DATABASE)
            cluster.query(TABLES, database=DATABASE)
            cluster.query("INSERT INTO side VALUES (%s)", (cluster.name,), database=DATABASE)
        super().setUpClass()

    @classmethod
    def settings(cls):
        moving = proxy.pair(catalogue={"differing_types": "move"})
        return proxy.configuration(shop=proxy.pair(pool={"mode": "transaction"}), more_pairs={"moving": moving})

    def setUp(self):
        super().setUp()
        self.proxy.shift(100)
        self.connection = self.connect(database=DATABASE)
        until(lambda: self.report()["compared"], "the two sides are compared")

    def report(self, pair_name="shop"):
        answer = self.proxy.ask("GET", f"/api/v1/pairs/{pair_name}/types").json
        return next((each for each in answer["databases"] if each["database"] == DATABASE), {"compared": False})

    def number_on(self, cluster, name):
        return cluster.query(f"SELECT oid FROM pg_type WHERE typname = '{name}'", database=DATABASE)[0][0]

    def read_side(self, words):
        """Which side answers this read, from what explain says."""
        wish = {"pair": "shop", "sql": words, "database": DATABASE, "user": "postgres"}
        return self.proxy.ask("POST", "/api/v1/explain", wish).json

    def test_report(self):
        """types made in another order → told by admin, metric, log and status, with both numbers"""
        told = {each["name"]: each for each in self.report()["types"]}
        for name in ("hue", "spot", "_spot", "even", "span"):
            entry = told[f"public.{name}"]
            self.assertEqual((entry["blue"], entry["green"]),
                             (self.number_on(self.house.blue, name), self.number_on(self.house.green, name)), name)
        self.assertEqual({told[f"public.{name}"]["kind"] for name in ("hue", "spot", "_spot", "even", "span")},
                         {"enum", "composite", "array", "domain", "range"})
        self.assertGreaterEqual(self.proxy.status()["types_differing"], 5)
        self.assertRegex(self.proxy.ask("GET", "/metrics").text, r'crossfade_types_differing\{pair="shop"\} [1-9]')
        lines = self.lines_told()
        self.assertTrue(lines, self.proxy.words())
        for cluster in self.house.both:
            cluster.query("CREATE TABLE quiet (id int)", database=DATABASE)
        self.query(self.connection, "COMMENT ON TABLE quiet IS 'the schema has changed'")  # seen by the proxy: both are asked again
        until(lambda: self.read_side("SELECT * FROM quiet")["side"] == "green", "the new table is known")
        self.assertEqual(self.lines_told(), lines)  # no type has changed

    def lines_told(self):
        log = self.proxy.log.read_text(errors="replace").splitlines()
        return [line for line in log if "types have other numbers" in line and DATABASE in line and 'pair="shop"' in line]

    def test_results_stay(self):
        """reads that give out such a type → blue, and blue's number; others → green"""
        blue_number = self.number_on(self.house.blue, "hue")
        with Wire(self.proxy.address()) as wire:
            wire.log_in(database=DATABASE)
            for words in ("SELECT colour FROM cars", "SELECT colour FROM fleet", "SELECT 'red'::hue", "SELECT favourite()"):
                self.assertEqual(described_types(wire.ask(words)), [blue_number], words)
                wire.send(parse("", words), describe("S"), SYNC)
                self.assertEqual(described_types(wire.read_until("Z")), [blue_number], words)
            self.assertEqual(described_types(wire.ask("SELECT cars FROM cars")), [self.number_on(self.house.blue, "cars")])
            self.assertEqual(wire.rows("SELECT 'hue'::regtype::oid"), [[str(blue_number).encode()]])
            self.assertEqual(wire.rows("SELECT oid FROM pg_type WHERE typname = 'hue'"), [[str(blue_number).encode()]])
            self.assertEqual(wire.rows("SELECT name FROM side"), [[b"green"]])

    def test_what_moves(self):
        """explain → tables with such columns, whole rows, arrays, catalogues stay; plain columns, domains, counted rows move"""
        for words in ("SELECT id FROM cars", "SELECT c FROM plain c", "SELECT * FROM lists", "SELECT 1 FROM pg_attribute", "SELECT pg_typeof(1)",
                      "SELECT $1::spot[]", "SELECT 1 FROM not_known_yet", "BEGIN READ ONLY"):
            told = self.read_side(words)
            self.assertEqual((told["side"], told["reason"]), ("blue", "type_numbers"), words)
        for words in ("SELECT * FROM plain", "SELECT count(p) FROM plain p", "SELECT name FROM side", "SELECT 1::int8", "SELECT row_to_json(s) FROM side s",
                      "SELECT relname FROM pg_stat_user_tables", "SELECT number + 2 FROM plain"):
            told = self.read_side(words)
            self.assertEqual((told["side"], told["reason"]), ("green", "read_weight"), words)

    def test_named_in_parse(self):
        """Parse that names a number of blue's → runs on blue, also when bound later and behind other reads on green"""
        number = self.number_on(self.house.blue, "hue")
        with Wire(self.proxy.address()) as wire:
            wire.log_in(database=DATABASE)
            wire.send(parse("shade", "SELECT $1, (SELECT name FROM side)", (number,)), SYNC)
            self.assertNotIn("E", [each.kind for each in wire.read_until("Z")])
            for _ in range(2):
                self.assertEqual(wire.rows("SELECT name FROM side"), [[b"green"]])
                wire.send(bind("", "shade", (b"red",)), execute(), SYNC)
                self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[b"red", b"blue"]])
                wire.send(describe("S", "shade"), SYNC)
                self.assertEqual(described_types(wire.read_until("Z"))[0], number)

    def test_allowed_to_move(self):
        """differing_types: move → reads follow their weights, and the difference is told all the same"""
        self.proxy.shift(100, pair_name="moving")
        with Wire(self.proxy.address("moving")) as wire:
            wire.log_in(database=DATABASE)
            until(lambda: self.report("moving")["compared"], "compared there, too")
            self.assertEqual(described_types(wire.ask("SELECT colour FROM cars")), [self.number_on(self.house.green, "hue")])
            number = self.number_on(self.house.green, "hue")
            wire.send(parse("", "SELECT $1, (SELECT name FROM side)", (number,)), bind("", "", (b"red",)), execute(), SYNC)
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[b"red", b"green"]])

    def test_change(self):
        """a type made through the proxy on both sides with other numbers → compared again soon, and told"""
        self.house.green.query("CREATE TYPE late AS ENUM ('a')", database=DATABASE)
        self.query(self.connection, "CREATE TYPE late AS ENUM ('a')")
        try:
            until(lambda: any(each["name"] == "public.late" and each["blue"] and each["green"] for each in self.report()["types"]), "it is compared")
        finally:
            self.house.green.query("DROP TYPE late", database=DATABASE)
            self.query(self.connection, "DROP TYPE late")
        until(lambda: all(each["name"] != "public.late" for each in self.report()["types"]), "it is gone again")
