"""What a session takes along when it changes side: settings and prepared statements."""

from through import Through
from wire import SYNC, Wire, bind, close, describe, execute, parse


class Carry(Through):
    def test_settings(self):
        """SET on blue → in force on green after a move, and back"""
        connection = self.connect()
        self.query(connection, "SET work_mem = '9MB'")
        self.query(connection, "SET search_path TO pg_catalog, public")
        self.query(connection, "SET TIME ZONE 'Asia/Tokyo'")
        self.query(connection, "SELECT set_config('app.tenant', 'it''s me', false)")
        text = ("SELECT current_setting('work_mem'), current_setting('search_path'), current_setting('TimeZone'), "
                "current_setting('app.tenant'), name FROM side")
        for green, side in ((100, "green"), (0, "blue"), (100, "green")):
            self.proxy.shift(green)
            self.assertEqual(self.query(connection, text), [("9MB", "pg_catalog, public", "Asia/Tokyo", "it's me", side)])

    def test_later_change(self):
        """SET again, RESET and RESET ALL after a move → both sides follow"""
        connection = self.connect()
        self.query(connection, "SET work_mem = '9MB'")
        self.proxy.shift(100)
        self.assertEqual(self.query(connection, "SELECT current_setting('work_mem'), name FROM side"), [("9MB", "green")])
        for change, wanted in (("SET work_mem = '10MB'", "10MB"), ("RESET work_mem", "4MB"),
                               ("SET work_mem = '11MB'", "11MB"), ("RESET ALL", "4MB"), ("SET work_mem TO DEFAULT", "4MB")):
            self.query(connection, change)
            for green, side in ((0, "blue"), (100, "green")):
                self.proxy.shift(green)
                rows = self.query(connection, "SELECT current_setting('work_mem'), name FROM side")
                self.assertEqual(rows, [(wanted, side)], change)

    def test_rolled_back(self):
        """SET in a transaction that is rolled back, SET LOCAL → not carried"""
        connection = self.connect()
        self.query(connection, "BEGIN")
        self.query(connection, "SET work_mem = '12MB'")
        self.query(connection, "ROLLBACK")
        for words in ("BEGIN", "SET LOCAL work_mem = '13MB'", "COMMIT"):
            self.query(connection, words)
        self.query(connection, "BEGIN")
        self.query(connection, "SET application_name = 'outer'")
        self.query(connection, "SAVEPOINT a")
        self.query(connection, "SET work_mem = '14MB'")
        self.query(connection, "ROLLBACK TO a")
        self.query(connection, "COMMIT")
        self.proxy.shift(100)
        text = "SELECT current_setting('work_mem'), current_setting('application_name'), name FROM side"
        self.assertEqual(self.query(connection, text), [("4MB", "outer", "green")])

    def test_parameter_status(self):
        """a reported setting after a move → what the client was told is what is in force"""
        connection = self.connect()
        self.query(connection, "SET DateStyle = 'German'")
        self.assertEqual(connection.get_parameter_status("DateStyle"), "German, DMY")
        self.proxy.shift(100)
        self.assertEqual(self.query(connection, "SELECT current_setting('DateStyle'), name FROM side"), [("German, DMY", "green")])
        self.assertEqual(connection.get_parameter_status("DateStyle"), "German, DMY")

    def test_role(self):
        """SET ROLE and SET SESSION AUTHORIZATION → in force on the other side"""
        connection = self.connect()
        for words in ("SET ROLE app_trust", "RESET ROLE", "SET SESSION AUTHORIZATION app_md5"):
            self.query(connection, words)
            wanted = {"SET ROLE app_trust": "app_trust", "RESET ROLE": "postgres"}.get(words, "app_md5")
            for green, side in ((100, "green"), (0, "blue")):
                self.proxy.shift(green)
                self.assertEqual(self.query(connection, "SELECT current_user, name FROM side"), [(wanted, side)], words)

    def test_prepare(self):
        """SQL PREPARE on blue → EXECUTE on green; DEALLOCATE → gone on both"""
        connection = self.connect()
        self.query(connection, "PREPARE pick (int) AS SELECT items.name, side.name FROM items, side WHERE id = $1")
        for green, side in ((0, "blue"), (100, "green"), (0, "blue")):
            self.proxy.shift(green)
            self.assertEqual(self.query(connection, "EXECUTE pick (3)"), [("item 3", side)])
        self.query(connection, "DEALLOCATE pick")
        for green in (0, 100):
            self.proxy.shift(green)
            with self.assertRaisesRegex(Exception, 'prepared statement "pick" does not exist'):
                self.query(connection, "EXECUTE pick (3)")

    def test_discard(self):
        """DISCARD ALL → settings and statements are gone on both sides"""
        connection = self.connect()
        self.query(connection, "SET work_mem = '9MB'")
        self.query(connection, "PREPARE pick AS SELECT 1")
        self.proxy.shift(100)
        self.assert_side(connection, "green")
        self.query(connection, "DISCARD ALL")
        for green, side in ((0, "blue"), (100, "green")):
            self.proxy.shift(green)
            self.assertEqual(self.query(connection, "SELECT current_setting('work_mem'), name FROM side"), [("4MB", side)])
            with self.assertRaisesRegex(Exception, 'prepared statement "pick" does not exist'):
                self.query(connection, "EXECUTE pick")

    def test_quoted_values(self):
        """settings with quotes, backslashes and lists → exactly the same on the other side"""
        connection = self.connect()
        values = {"application_name": "a'b\\c \"d\"", "app.x": "é ☃ $$ -- /*", "search_path": '"a b", "$user", public'}
        for name, value in values.items():
            self.query(connection, "SELECT set_config(%s, %s, false)", (name, value))
        self.proxy.shift(100)
        blue = self.house.blue.connect()
        self.addCleanup(blue.close)
        for name, value in values.items():
            wanted = self.query(blue, "SELECT set_config(%s, %s, false)", (name, value))[0][0]
            rows = self.query(connection, "SELECT current_setting(%s), name FROM public.side", (name,))
            self.assertEqual(rows, [(wanted, "green")])


class CarryProtocol(Through):
    def setUp(self):
        super().setUp()
        self.wire = Wire(self.proxy.address())
        self.addCleanup(self.wire.close)
        self.wire.log_in()

    def exchange(self, *pieces):
        self.wire.send(*pieces, SYNC)
        return self.wire.read_until("Z")

    def rows(self, *pieces):
        messages = self.exchange(*pieces)
        self.assertEqual([each.fields for each in messages if each.kind == "E"], [])
        return [each.row for each in messages if each.kind == "D"]

    def test_named(self):
        """a statement parsed on blue → bound on green without a second Parse, no word of it to the client"""
        self.exchange(parse("pick", "SELECT name, $1 FROM side", [25]))
        for green, side in ((0, b"blue"), (100, b"green"), (0, b"blue"), (100, b"green")):
            self.proxy.shift(green)
            messages = self.exchange(bind(statement="pick", values=[b"x"]), execute())
            self.assertEqual([each.kind for each in messages], ["2", "D", "C", "Z"])
            self.assertEqual(messages[1].row, [side, b"x"])

    def test_described(self):
        """Describe of a carried statement on the other side → its parameters and columns"""
        self.exchange(parse("pick", "SELECT name, $1::int FROM side"))
        self.proxy.shift(100)
        kinds = [each.kind for each in self.exchange(describe("S", "pick"))]
        self.assertEqual(kinds, ["t", "T", "Z"])

    def test_unnamed(self):
        """Parse of the unnamed statement, Sync, weights move, Bind → the same statement on green"""
        self.exchange(parse("", "SELECT name, $1 FROM side", [25]))
        self.proxy.shift(100)
        self.assertEqual(self.rows(bind(values=[b"y"]), execute()), [[b"green", b"y"]])

    def test_closed(self):
        """Close of a statement on one side → unknown on both, and its name is free again"""
        self.exchange(parse("pick", "SELECT name, 1 FROM side"))
        self.proxy.shift(100)
        self.assertEqual(self.rows(bind(statement="pick"), execute()), [[b"green", b"1"]])
        self.exchange(close("S", "pick"))
        self.exchange(parse("pick", "SELECT name, 2 FROM side"))
        for green, side in ((0, b"blue"), (100, b"green")):
            self.proxy.shift(green)
            self.assertEqual(self.rows(bind(statement="pick"), execute()), [[side, b"2"]])
        self.exchange(close("S", "pick"))
        for green in (0, 100):
            self.proxy.shift(green)
            errors = [each.fields["C"] for each in self.exchange(bind(statement="pick"), execute()) if each.kind == "E"]
            self.assertEqual(errors, ["26000"])

    def test_duplicate(self):
        """Parse of a name that exists, on the other side → 42P05 as from one server"""
        self.exchange(parse("pick", "SELECT name FROM side"))
        self.proxy.shift(100)
        errors = [each.fields["C"] for each in self.exchange(parse("pick", "SELECT name FROM side")) if each.kind == "E"]
        self.assertEqual(errors, ["42P05"])

    def test_failed_parse(self):
        """a Parse that failed → carries nothing; the name is unknown on both sides"""
        self.exchange(parse("pick", "SELECT missing FROM side"))
        for green in (0, 100):
            self.proxy.shift(green)
            errors = [each.fields["C"] for each in self.exchange(bind(statement="pick"), execute()) if each.kind == "E"]
            self.assertEqual(errors, ["26000"])

    def test_many(self):
        """300 statements prepared on blue → each works on green"""
        self.exchange(*(parse(f"s{i}", f"SELECT name, {i} FROM side") for i in range(300)))
        self.proxy.shift(100)
        for i in (0, 150, 299):
            self.assertEqual(self.rows(bind(statement=f"s{i}"), execute()), [[b"green", str(i).encode()]])
