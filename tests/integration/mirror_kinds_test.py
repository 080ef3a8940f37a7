"""Every kind of table, value and statement through a mirrored pair, in both protocols: equal on green, or in the ledger with its cause."""

import itertools
import threading

import psycopg
import psycopg2

from clusters import house
from mirror_kinds import EQUAL, UNEQUAL
from mirror_test import DATABASE, Mirrored
from waiting import until
from wire import SYNC, Wire, bind, execute, parse

numbers = itertools.count(1)


class InSchemas(Mirrored):
    """Each case has a schema of its own in the search path."""

    def make_schema(self, making):
        name = f"kind_{next(numbers)}"
        self.make(f"CREATE SCHEMA {name}; GRANT USAGE ON SCHEMA {name} TO PUBLIC; SET search_path = {name}; {making}")
        return name

    def open(self, protocol, schema, **more):
        """A connection that runs statements as simple queries, or as prepared statements."""
        options = f"-c search_path={schema}"
        if protocol == "simple":
            return self.connect(options=options, **more)
        connection = psycopg.connect(host="127.0.0.1", port=self.proxy.address()[1], user=more.get("user", "postgres"), dbname=DATABASE, options=options,
                                     autocommit=True, prepare_threshold=0)
        self.addCleanup(connection.close)
        return connection

    def run_steps(self, connection, steps):
        for each in steps:
            if isinstance(each, list):
                self.run_steps(connection, ["BEGIN", *each, "COMMIT"])
            else:
                statement, values = (each, None) if isinstance(each, str) else each
                connection.cursor().execute(statement, values)

    def rows_in(self, schema, table):
        return [side.query(f"SET search_path = {schema}; SELECT x::text FROM {table} x ORDER BY 1", database=DATABASE) for side in house().both]

    def assert_same(self, schema, *tables):
        until(self.applied, "all is applied", 60)
        for table in tables:
            blue, green = self.rows_in(schema, table)
            self.assertTrue(blue, table)
            self.assertEqual(blue, green, table)

    def causes(self, table):
        """The causes that the ledger has for a table; None: for the whole database."""
        return [entry["cause"] for entry in self.ledger() if entry["table"] == table]

    def accept_all(self):
        for entry in self.ledger():
            accepted = self.proxy.ask("POST", f"/api/v1/pairs/shop/ledger/{entry['id']}/accept", {"who": "test"})
            self.assertEqual(accepted.status, 200, accepted.text)


class Kinds(InSchemas):
    def test_equal(self):
        """each kind that can be carried → the same rows on green, and nothing in the ledger"""
        for protocol, (name, (making, steps, tables)) in itertools.product(("simple", "extended"), EQUAL.items()):
            with self.subTest(name, protocol=protocol):
                self.accept_all()
                schema = self.make_schema(making)
                with self.open(protocol, schema) as connection:
                    self.run_steps(connection, steps)
                self.assert_same(schema, *tables)
                self.assertEqual(self.ledger(), [])

    def test_unequal(self):
        """each kind that cannot be carried → it runs, and the ledger names its table and the cause"""
        for protocol, (name, (making, steps, tables, cause)) in itertools.product(("simple", "extended"), UNEQUAL.items()):
            with self.subTest(name, protocol=protocol):
                self.accept_all()
                schema = self.make_schema(making)
                with self.open(protocol, schema) as connection:
                    self.run_steps(connection, steps)
                until(self.ledger, "an entry in the ledger")
                for table in tables:
                    found = self.causes(table) + self.causes(f"{schema}.{table}")
                    self.assertTrue(any(cause in each for each in found), f"{table}: {self.ledger()}")
        self.accept_all()

    def test_row_security(self):
        """a table with row-level security → whoever it holds for is in the ledger, and its owner's writes are mirrored"""
        schema = self.make_schema(
            "CREATE TABLE t (id int PRIMARY KEY, who name DEFAULT current_user); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY own ON t USING (who = current_user); GRANT ALL ON t TO app_trust; INSERT INTO t VALUES (1, 'app_trust'), (2, 'postgres')")
        for protocol in ("simple", "extended"):
            self.accept_all()
            with self.open(protocol, schema) as connection:
                self.run_steps(connection, ["UPDATE t SET who = who WHERE id = 2"])
            self.assert_same(schema, "t")
            self.assertEqual(self.ledger(), [])
            with self.open(protocol, schema, user="app_trust") as connection:
                self.run_steps(connection, ["UPDATE t SET who = who"])
            until(lambda: self.causes(f"{schema}.t") == ["it has row-level security"], "it is in the ledger")
        self.accept_all()

    def test_errors_inside(self):
        """an error inside a transaction, whole and back to a savepoint → what was committed, and nothing else"""
        schema = self.make_schema("CREATE TABLE t (id int PRIMARY KEY, v text)")
        for number, protocol in enumerate(("simple", "extended")):
            with self.open(protocol, schema) as connection:
                first = number * 10
                self.run_steps(connection, ["BEGIN", f"INSERT INTO t VALUES ({first})", "SAVEPOINT a", f"INSERT INTO t VALUES ({first + 1})"])
                with self.assertRaises((psycopg.Error, psycopg2.Error)):
                    self.run_steps(connection, [f"INSERT INTO t VALUES ({first + 2}), ({first})"])
                self.run_steps(connection, ["ROLLBACK TO a", f"INSERT INTO t VALUES ({first + 3})", "COMMIT"])
                self.run_steps(connection, ["BEGIN", f"INSERT INTO t VALUES ({first + 4})"])
                with self.assertRaises((psycopg.Error, psycopg2.Error)):
                    self.run_steps(connection, ["SELECT 1/0"])
                self.run_steps(connection, ["COMMIT"])  # which rolls back
                with self.assertRaises((psycopg.Error, psycopg2.Error)):
                    self.run_steps(connection, [f"INSERT INTO t SELECT {first + 5} / (3 - i) FROM generate_series(1, 5) i"])
        self.assert_same(schema, "t")
        self.assertEqual([row for row, in self.rows_in(schema, "t")[1]], ["(0,)", "(10,)", "(13,)", "(3,)"])
        self.assertEqual(self.ledger(), [])

    def test_error_in_pipeline(self):
        """an error in the midst of a pipeline → nothing of its implicit transaction, and what came after its Sync"""
        schema = self.make_schema("CREATE TABLE t (id int PRIMARY KEY)")
        with Wire(self.proxy.address()) as wire:
            wire.log_in(database=DATABASE, search_path=schema)
            put = [parse("", f"INSERT INTO t VALUES ({i})") + bind() + execute() for i in (1, 2, 1, 3)]
            wire.send(*put, SYNC, parse("", "INSERT INTO t VALUES (4)"), bind(), execute(), SYNC)
            kinds = [each.kind for _ in range(2) for each in wire.read_until("Z")]
        self.assertEqual("".join(kinds), "12C12C12EZ12CZ")
        self.assert_same(schema, "t")
        self.assertEqual(self.rows_in(schema, "t")[1], [("(4)",)])

    def test_large_values(self):
        """values of 50 MB → equal; beyond what the mirror carries → in the ledger"""
        schema = self.make_schema("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE bytes (id int PRIMARY KEY, v bytea)")
        with self.open("extended", schema) as connection:
            self.run_steps(connection, [("INSERT INTO t VALUES (1, %s)", ("x" * 50_000_000,)), "INSERT INTO t VALUES (2, repeat('\"', 2000000))"])
            self.assert_same_sums(schema, "t")
            self.assertEqual(self.ledger(), [])
            connection.execute("INSERT INTO bytes VALUES (1, %b)", (b"\0" * 50_000_000,))  # twice as long as a text
        until(lambda: self.causes(f"{schema}.bytes") == ["a statement larger than the mirror carries"], "it is in the ledger")
        self.accept_all()

    def assert_same_sums(self, schema, table):
        until(self.applied, "all is applied", 60)
        blue, green = (side.query(f"SELECT id, length(v), md5(v) FROM {schema}.{table} ORDER BY 1", database=DATABASE) for side in house().both)
        self.assertTrue(blue)
        self.assertEqual(blue, green)

    def test_serializable(self):
        """serializable transactions that fail and are tried again → equal, each once"""
        schema = self.make_schema("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 0 FROM generate_series(1, 3) i")
        retries, wrong = [], []

        def work(me, protocol):
            connection = self.open(protocol, schema)
            for turn in range(25):
                while True:
                    try:
                        self.run_steps(connection, ["BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT sum(n) FROM t",
                                                    (f"UPDATE t SET n = n + 1 WHERE id = %s", ((me + turn) % 3 + 1,)), "COMMIT"])
                        break
                    except (psycopg.errors.SerializationFailure, psycopg2.errors.SerializationFailure):
                        retries.append(me)
                        self.run_steps(connection, ["ROLLBACK"])
                    except Exception as error:
                        wrong.append(error)
                        raise

        workers = [threading.Thread(target=work, args=(me, protocol)) for me, protocol in enumerate(("simple", "extended") * 2)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        self.assertEqual(wrong, [])
        self.assertTrue(retries)
        self.assert_same(schema, "t")
        self.assertEqual(house().green.query(f"SELECT sum(n) FROM {schema}.t", database=DATABASE), [(100,)])
        self.assertEqual(self.ledger(), [])


class Prepared(InSchemas):
    """PREPARE TRANSACTION of the client's own."""

    def test_decided(self):
        """decided by this session, by another, or straight on the server → what was committed, in its place among others; nothing is in the ledger"""
        for protocol in ("simple", "extended"):
            schema = self.make_schema("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'a'), (3, 'a')")
            connection, other = self.open(protocol, schema), self.open(protocol, schema)
            self.run_steps(connection, ["BEGIN", "SELECT 1", "PREPARE TRANSACTION 'nothing'", "COMMIT PREPARED 'nothing'"])
            self.run_steps(connection, ["BEGIN", "UPDATE t SET v = v || 'b' WHERE id = 1", "SAVEPOINT s", "DELETE FROM t", "ROLLBACK TO s", "INSERT INTO t VALUES (4, 'b')",
                                        "PREPARE TRANSACTION 'one'", "INSERT INTO t VALUES (5, 'meanwhile')"])
            self.assertEqual(house().green.query(f"SELECT count(*) FROM {schema}.t WHERE id = 4", database=DATABASE), [(0,)])
            self.run_steps(other, ["COMMIT PREPARED 'one'", "UPDATE t SET v = v || 'c' WHERE id = 1"])
            self.run_steps(connection, ["BEGIN", "DELETE FROM t WHERE id = 2", "PREPARE TRANSACTION 'two'", "ROLLBACK PREPARED 'two'", "UPDATE t SET v = v || 'd' WHERE id = 2",
                                        "BEGIN", "UPDATE t SET v = 'e' WHERE id = 3", "PREPARE TRANSACTION 'three'"])
            house().blue.query("COMMIT PREPARED 'three'", database=DATABASE)
            self.assert_same(schema, "t")
            self.assertIn(("(1,abc)",), self.rows_in(schema, "t")[1])
            self.assertEqual(self.ledger(), [])

    def test_refused(self):
        """PREPARE TRANSACTION that fails, or in a transaction that has failed → nothing is carried, and the session goes on"""
        schema = self.make_schema("CREATE TABLE t (id int PRIMARY KEY)")
        connection = self.open("simple", schema)
        self.run_steps(connection, ["BEGIN", "INSERT INTO t VALUES (1)"])
        with self.assertRaises(psycopg2.errors.InvalidParameterValue):
            self.run_steps(connection, [f"PREPARE TRANSACTION '{'x' * 300}'"])
        self.run_steps(connection, ["BEGIN", "INSERT INTO t VALUES (2)"])
        with self.assertRaises(psycopg2.errors.DivisionByZero):
            self.run_steps(connection, ["SELECT 1/0"])
        self.run_steps(connection, ["PREPARE TRANSACTION 'gone'", "INSERT INTO t VALUES (3)"])
        self.assert_same(schema, "t")
        self.assertEqual(self.rows_in(schema, "t")[1], [("(3)",)])
        self.assertEqual(self.ledger(), [])

    def test_outlives_the_process(self):
        """the proxy is killed between PREPARE and COMMIT PREPARED, which the next one passes on → equal"""
        schema = self.make_schema("CREATE TABLE t (id int PRIMARY KEY)")
        self.run_steps(self.open("simple", schema), ["BEGIN", "INSERT INTO t VALUES (1)", "PREPARE TRANSACTION 'kept'"])
        self.proxy.kill()
        self.revive()
        self.run_steps(self.open("simple", schema), ["INSERT INTO t VALUES (2)", "COMMIT PREPARED 'kept'", "INSERT INTO t VALUES (3)"])
        self.assert_same(schema, "t")
        self.assertEqual(len(self.rows_in(schema, "t")[1]), 3)
        self.assertEqual(self.ledger(), [])
