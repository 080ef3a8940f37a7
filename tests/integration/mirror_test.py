"""Writes through a pair with `sync: mirror`: green is equal to blue, or the ledger says where it is not."""

import io
import pathlib
import signal
import subprocess
import tempfile
import threading

import psycopg
import psycopg2

import proxy
from clusters import BIN, house
from through import Through
from waiting import until
from wire import Wire, message, query

DATABASE = "mirrored"

# Each: its name, what it makes, statements of its own through the proxy (a list is one transaction), tables to compare.
EQUAL = {
    "every type, extremes and NULLs": (
        "CREATE TYPE mood AS ENUM ('calm', 'cross'); CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE TYPE pair AS (a int, b text);"
        "CREATE TABLE types (id int PRIMARY KEY, n numeric, f float8, r real, t text, b bytea, j json, jb jsonb, ts timestamptz, d date, i interval,"
        " a text[], aa int[][], m mood, ma mood[], s small, p pair, u uuid, ip inet, mac macaddr, bits bit(3), vb varbit, rg int4range, tsv tsvector,"
        " pt point, x xml, c char(5), bo boolean, ti time, tz timetz, big bigint, mo money)",
        ["INSERT INTO types (id) VALUES (1)",
         "INSERT INTO types VALUES (2, 'NaN', 'Infinity', '-Infinity', E'quote\" back\\\\slash, (brace) \\n\\t', '\\x00ff5c22', '{\"a\":  1}', '{\"b\": null}',"
         " 'infinity', '-infinity', '-1 year 2 mons 3 days 04:05:06.7', '{\"a,b\",NULL,\"\"}', '{{1,2},{3,4}}', 'calm', '{calm,cross}', 7, '(1,\"x,\"\"y\")',"
         " gen_random_uuid(), '10.0.0.0/8', '08:00:2b:01:02:03', B'101', B'1', '[1,5)', 'a:1 b:2', '(1.5,2)', '<a>b</a>', 'ab', true, '23:59:59.999999',"
         " '12:00:00+05:30', -9223372036854775808, '12.34')",
         "INSERT INTO types (id, n, f, r, ts, jb) VALUES (3, '1e131000', 1e-307, 3.4e38, '4713-01-01 BC', 'null'), (4, 0.1 + 0.2, 0.1::float8 + 0.2, 1/3.0, now(), '\"x\"')",
         "UPDATE types SET f = f + random(), ts = clock_timestamp() WHERE id = 4"], ["types"]),
    "other settings of how values are written": (
        "CREATE TABLE styled (id int PRIMARY KEY, d timestamptz, i interval, b bytea, f float8)",
        ["SET DateStyle = 'SQL, DMY'", "SET TimeZone = 'America/New_York'", "SET IntervalStyle = 'sql_standard'", "SET bytea_output = 'escape'",
         "INSERT INTO styled VALUES (1, '2021-03-02 04:05:06+00', '-1 2:03:04', '\\x0001ff', 0.1), (2, '1900-12-11', '1-2', 'abc', 1e300)"], ["styled"]),
    "quoted and mixed-case names, several schemas and search paths": (
        'CREATE SCHEMA "Odd Schema"; CREATE TABLE "Odd Schema"."T""able" ("Key Part" int, "b.c" text, PRIMARY KEY ("Key Part", "b.c"));'
        "CREATE SCHEMA other; CREATE TABLE other.twin (id int PRIMARY KEY, v text); CREATE TABLE twin (id int PRIMARY KEY, v text)",
        ['INSERT INTO "Odd Schema"."T""able" VALUES (1, \'a\'), (2, \'b\')', 'DELETE FROM "Odd Schema"."T""able" AS "x y" WHERE "x y"."Key Part" = 1',
         "INSERT INTO twin VALUES (1, 'public')", "SET search_path = other, public", "INSERT INTO twin VALUES (1, 'other')", "UPDATE twin SET v = v || '!'"],
        ['"Odd Schema"."T""able"', "other.twin", "public.twin"]),
    "generated and identity columns, defaults": (
        "CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, twice text GENERATED ALWAYS AS (v || v) STORED,"
        " at timestamptz DEFAULT clock_timestamp(), who name DEFAULT current_user);"
        "CREATE TABLE beside (id int PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY, v text)",
        ["INSERT INTO made (v) VALUES ('a'), ('b'), ('c')", "UPDATE made SET v = 'z' WHERE id = 2", "DELETE FROM made WHERE id = 3",
         "INSERT INTO made (id, v) OVERRIDING SYSTEM VALUE VALUES (100, 'own')", "INSERT INTO beside (id) VALUES (1), (2)", "UPDATE beside SET v = 'x'"],
        ["made", "beside"]),
    "foreign keys that act, and deferred constraints": (
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE);"
        "CREATE TABLE late (id int PRIMARY KEY, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
        ["INSERT INTO parent VALUES (1), (2)", "INSERT INTO child VALUES (1, 1), (2, 1), (3, 2)", "DELETE FROM parent WHERE id = 1",
         ["INSERT INTO late VALUES (1, 9)", "INSERT INTO parent VALUES (9)"]], ["parent", "child", "late"]),
    "a trigger that shapes rows": (
        "CREATE TABLE shaped (id int PRIMARY KEY, v text, at timestamptz); CREATE FUNCTION shape() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.at = clock_timestamp(); NEW.v = NEW.v || '+'; RETURN NEW; END$$;"
        "CREATE TRIGGER shape BEFORE INSERT OR UPDATE ON shaped FOR EACH ROW EXECUTE FUNCTION shape()",
        ["INSERT INTO shaped (id, v) VALUES (1, 'a'), (2, 'b')", "UPDATE shaped SET v = 'c' WHERE id = 2"], ["shaped"]),
    "ON CONFLICT, UPDATE FROM, DELETE USING, RETURNING": (
        "CREATE TABLE stock (id int PRIMARY KEY, n int UNIQUE, v text)",
        ["INSERT INTO stock SELECT i, i, 'v' FROM generate_series(1, 50) i", "INSERT INTO stock VALUES (1, 1, 'x') ON CONFLICT (n) DO UPDATE SET v = 'was there'",
         "INSERT INTO stock VALUES (2, 99, 'x') ON CONFLICT DO NOTHING", "UPDATE stock AS s SET v = o.v || s.id FROM stock o WHERE o.id = s.id - 1 RETURNING s.*, o.*",
         "DELETE FROM stock USING generate_series(10, 20) g WHERE g = stock.id RETURNING stock.id",
         "WITH chosen AS (SELECT id FROM stock WHERE id > 40) UPDATE stock SET v = NULL WHERE id IN (SELECT id FROM chosen)"], ["stock"]),
    "partitions, rows that move between them": (
        "CREATE TABLE parted (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE parted_2 (v text, id int NOT NULL); ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (10) TO (20)",
        ["INSERT INTO parted VALUES (1, 'a'), (11, 'b')", "UPDATE parted SET v = v || '!'", "INSERT INTO parted_2 (id, v) VALUES (12, 'direct')", "DELETE FROM parted WHERE id = 1"],
        ["parted"]),
    "savepoints, errors inside a transaction": (
        "CREATE TABLE saved (id int PRIMARY KEY, v text)",
        [["INSERT INTO saved VALUES (1, 'kept')", "SAVEPOINT a", "INSERT INTO saved VALUES (2, 'gone')", "ROLLBACK TO a", "INSERT INTO saved VALUES (3, 'kept')",
          "SAVEPOINT b", "INSERT INTO saved VALUES (4, 'kept')", "RELEASE b"]], ["saved"]),
    "no key, inserted only": ("CREATE TABLE heap (v text)", ["INSERT INTO heap VALUES ('a'), ('a'), (NULL)"], ["heap"]),
    "DDL, TRUNCATE and COPY between writes": (
        "CREATE TABLE moving (id int PRIMARY KEY)",
        ["INSERT INTO moving VALUES (1)", "ALTER TABLE moving ADD v text DEFAULT 'new'", "INSERT INTO moving VALUES (2, 'x')", "TRUNCATE moving",
         ["CREATE TABLE inner_one (id int PRIMARY KEY)", "INSERT INTO inner_one VALUES (1)", "ALTER TABLE inner_one ADD w int", "UPDATE inner_one SET w = 5"],
         "INSERT INTO moving VALUES (3, 'after')", "ALTER TABLE moving DROP v", "INSERT INTO moving VALUES (4)"], ["moving", "inner_one"]),
    "10,000 rows in a statement, a value of a megabyte": (
        "CREATE TABLE large (id int PRIMARY KEY, v text)",
        ["INSERT INTO large SELECT i, md5(i::text) FROM generate_series(1, 10000) i", "INSERT INTO large VALUES " + ", ".join(f"({i}, 'a value of a row')" for i in range(20000, 30000)),
         "UPDATE large SET v = v || '.' WHERE id % 2 = 0",
         f"INSERT INTO large VALUES (0, repeat('{'y' * 100}', 10000))", "DELETE FROM large WHERE id > 9000"], ["large"]),
    "PREPARE and EXECUTE": (
        "CREATE TABLE prepared (id int PRIMARY KEY, v text)",
        ["PREPARE put(int) AS INSERT INTO prepared VALUES ($1, 'by execute')", "EXECUTE put(1)", "ALTER TABLE prepared ADD w int DEFAULT 3", "EXECUTE put(2)"], ["prepared"]),
}
# What cannot be carried: what it makes, a statement, the tables that the ledger must name.
UNEQUAL = {
    "no primary key": ("CREATE TABLE keyless (v text); INSERT INTO keyless VALUES ('a')", "UPDATE keyless SET v = 'b'", ["public.keyless"]),
    "a key that is changed": ("CREATE TABLE rekeyed (id int PRIMARY KEY); INSERT INTO rekeyed VALUES (1)", "UPDATE rekeyed SET id = 2", ["public.rekeyed"]),
    "a rule": ("CREATE TABLE ruled (id int PRIMARY KEY); CREATE TABLE ruled_log (id int); CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO ruled_log VALUES (NEW.id)",
               "INSERT INTO ruled VALUES (1)", ["public.ruled"]),
    "a trigger that writes elsewhere": (
        "CREATE TABLE watched (id int PRIMARY KEY); CREATE TABLE watch_log (id int); CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO watch_log VALUES (NEW.id); RETURN NEW; END$$; CREATE TRIGGER w AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch()",
        "INSERT INTO watched VALUES (1)", ["public.watched"]),
    "MERGE": ("CREATE TABLE merged (id int PRIMARY KEY)", "MERGE INTO merged USING (SELECT 1 AS id) s ON s.id = merged.id WHEN NOT MATCHED THEN INSERT VALUES (1)", ["merged"]),
    "values that each side would compute": ("CREATE TABLE dated (id int PRIMARY KEY); INSERT INTO dated VALUES (1)",
                                            "ALTER TABLE dated ADD at timestamptz DEFAULT clock_timestamp()", ["dated"]),
    "numbers with fewer digits than they have": ("CREATE TABLE rounded (id int PRIMARY KEY, f float8)",
                                                 ["SET extra_float_digits = 0", "INSERT INTO rounded VALUES (1, 0.1::float8 + 0.2)"], ["public.rounded"]),
    "a form of values that changes within a transaction": (
        "CREATE TABLE restyled (id int PRIMARY KEY, d date)",
        [["INSERT INTO restyled VALUES (1, '2020-02-01')", "SET LOCAL DateStyle = 'SQL, DMY'", "INSERT INTO restyled VALUES (2, '01/02/2020')"]], ["public.restyled"]),
    "inheritance": ("CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (more text) INHERITS (base)", "INSERT INTO base VALUES (1)", ["public.base"]),
}


class Mirrored(Through):
    """A database of its own on both sides, equal at first, behind a mirrored pair."""

    mirror = {}

    @classmethod
    def settings(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(dir=house().scratch))
        mirror = {"directory": str(cls.folder / "journal"), "user": "postgres", **cls.mirror}
        return {**proxy.configuration(proxy.pair(sync="mirror", mirror=mirror)), "state": {"directory": str(cls.folder / "state")}}

    @classmethod
    def setUpClass(cls):
        for side in house().both:
            side.restart_if_down()
            side.query(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", database="postgres")
            side.query(f"CREATE DATABASE {DATABASE}", database="postgres")
        super().setUpClass()

    def connect(self, **more):
        return super().connect(**{"database": DATABASE, **more})

    def make(self, text):
        """On the disk of both sides, whose default that is not: a side that is killed a moment later still has its tables."""
        for side in house().both:
            side.query("SET synchronous_commit = on; " + text, database=DATABASE)

    def rows(self, table):
        return [side.query(f"SELECT x::text FROM {table} x ORDER BY 1", database=DATABASE) for side in house().both]

    def applied(self):
        mirror = self.proxy.ask("GET", "/api/v1/pairs/shop/mirror").json
        return mirror["lag"]["units"] == 0

    def assert_equal(self, *tables):
        until(self.applied, "all is applied", 60)
        for table in tables:
            blue, green = self.rows(table)
            self.assertTrue(blue, table)
            self.assertEqual(blue, green, table)

    def ledger(self):
        return self.proxy.ask("GET", "/api/v1/pairs/shop/ledger").json["entries"]

    def revive(self):
        """The same process anew, after its death."""
        ready = self.proxy.home / "ready.json"
        ready.unlink()
        with open(self.proxy.log, "ab") as log:
            self.proxy.process = subprocess.Popen([proxy.CROSSFADE, "run", str(self.proxy.file), "--ready-file", str(ready)],
                                                  cwd=self.proxy.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.proxy.addresses = until(lambda: self.proxy._read_ready(ready), "the proxy is ready", 30)

    def run_all(self, connection, statements):
        for each in statements:
            if isinstance(each, list):
                self.run_all(connection, ["BEGIN", *each, "COMMIT"])
            else:
                self.query(connection, each)


class Kinds(Mirrored):
    def test_equal(self):
        """each kind of table and statement → the same rows on green, and nothing in the ledger"""
        for name, (making, statements, tables) in EQUAL.items():
            with self.subTest(name):
                self.make(making)
                connection = self.connect()
                self.run_all(connection, statements)
                self.assert_equal(*tables)
                self.assertEqual(self.ledger(), [])
                connection.close()

    def test_encoding(self):
        """a client that writes in LATIN1, in names and values, DDL and COPY too → the same characters on green"""
        self.make('CREATE TABLE latin (id int PRIMARY KEY, v text); CREATE TABLE "gr\u00fcn" (id int PRIMARY KEY, "stra\u00dfe" text)')
        connection = self.connect()
        connection.set_client_encoding("LATIN1")
        self.run_all(connection, ["INSERT INTO latin VALUES (1, '\u00e4\u00f6 \u00c3\u00a4')", "UPDATE latin SET v = v || '\u00e9'",
                                  "INSERT INTO \"gr\u00fcn\" VALUES (1, '\u00df')", "ALTER TABLE latin ADD \"sp\u00e4t\" text DEFAULT '\u00e0'",
                                  "INSERT INTO latin VALUES (2, 'x')"])
        with connection.cursor() as cursor:
            cursor.copy_expert("COPY latin FROM STDIN", io.BytesIO("3\t\u00fc\t\u00df\n".encode("latin-1")))
        self.assert_equal("latin", '"gr\u00fcn"')
        self.assertEqual(house().green.query("SELECT v FROM latin WHERE id = 1", database=DATABASE), [("\u00e4\u00f6 \u00c3\u00a4\u00e9",)])
        self.assertEqual(self.ledger(), [])

    def test_unequal(self):
        """what cannot be carried → it runs, and the ledger names its table"""
        for name, (making, statement, tables) in UNEQUAL.items():
            with self.subTest(name):
                self.make(making)
                self.run_all(self.connect(), [statement] if isinstance(statement, str) else statement)
                until(lambda: set(tables) <= {entry["table"] for entry in self.ledger()}, f"{tables} in the ledger")
        for entry in self.ledger():
            accepted = self.proxy.ask("POST", f"/api/v1/pairs/shop/ledger/{entry['id']}/accept", {"who": "test"})
            self.assertEqual(accepted.status, 200, accepted.text)
        self.assertEqual(self.ledger(), [])

    def test_rolled_back(self):
        """transactions that are rolled back or fail → nothing on green"""
        self.make("CREATE TABLE undone (id int PRIMARY KEY); INSERT INTO undone VALUES (0)")
        connection = self.connect()
        self.run_all(connection, ["BEGIN", "INSERT INTO undone VALUES (1)", "ROLLBACK"])
        self.run_all(connection, ["BEGIN", "INSERT INTO undone VALUES (2)"])
        with self.assertRaises(psycopg2.errors.UniqueViolation):
            self.query(connection, "INSERT INTO undone VALUES (0)")
        self.query(connection, "COMMIT")
        with self.assertRaises(psycopg2.errors.UniqueViolation):
            self.query(connection, "INSERT INTO undone VALUES (3), (0)")
        self.assert_equal("undone")
        self.assertEqual(self.rows("undone")[1], [("(0)",)])

    def test_copy(self):
        """COPY FROM STDIN, whole, failed and given up → what was committed"""
        self.make("CREATE TABLE copied (id int PRIMARY KEY, v text)")
        with psycopg.connect(host="127.0.0.1", port=self.proxy.address()[1], user="postgres", dbname=DATABASE, autocommit=True) as connection:
            with connection.cursor().copy("COPY copied FROM STDIN") as copy:
                for i in range(5000):
                    copy.write_row((i, f"tab\t{i}"))
            with self.assertRaises(psycopg.errors.UniqueViolation), connection.cursor().copy("COPY copied FROM STDIN (FORMAT csv)") as copy:
                copy.write(b"6000,x\n1,dup\n")
        with Wire(self.proxy.address()) as wire:
            wire.log_in(database=DATABASE)
            wire.send(query("COPY copied FROM STDIN"), message("d", b"7000\tx\n"), message("d", b"7001\ty\n"), message("c"))  # without waiting
            self.assertEqual([each.kind for each in wire.read_until("Z")], ["G", "C", "Z"])
        self.assert_equal("copied")
        self.assertIn(("(7001,y)",), self.rows("copied")[1])

    def test_extended_protocol(self):
        """pipelines, prepared statements, binary results and cursors of a driver → equal rows, and its own results as ever"""
        self.make("CREATE TABLE driven (id serial PRIMARY KEY, a int, b text)")
        with psycopg.connect(host="127.0.0.1", port=self.proxy.address()[1], user="postgres", dbname=DATABASE, autocommit=True) as connection:
            cursor = connection.cursor(binary=True)
            for i in range(10):  # prepared by the driver from the fifth on
                cursor.execute("INSERT INTO driven (a, b) VALUES (%s, %s) RETURNING id, a", (i, f"x{i}"))
                self.assertEqual(cursor.fetchall(), [(i + 1, i)])
            with connection.pipeline(), connection.transaction():
                for i in range(20):
                    connection.execute("INSERT INTO driven (a) VALUES (%s)", (100 + i,))
            with connection.pipeline():
                updated = connection.execute("UPDATE driven SET b = 'u' WHERE a < %s", (3,))
                read = connection.execute("SELECT count(*) FROM driven WHERE b = 'u'")
            self.assertEqual((updated.statusmessage, read.fetchone()), ("UPDATE 3", (3,)))
            with self.assertRaises(psycopg.errors.UniqueViolation), connection.pipeline():
                connection.execute("INSERT INTO driven (id) VALUES (500)")
                connection.execute("INSERT INTO driven (id) VALUES (1)")
        self.assert_equal("driven")

    def test_temporary_tables(self):
        """temporary tables, one that hides a table of the database among them → nothing of them is carried"""
        self.make("CREATE TABLE hidden (id int PRIMARY KEY)")
        connection = self.connect()
        self.run_all(connection, ["INSERT INTO hidden VALUES (1)", "CREATE TEMP TABLE hidden (id int PRIMARY KEY)", "INSERT INTO hidden VALUES (2)",
                                  "INSERT INTO public.hidden VALUES (3)", "DROP TABLE pg_temp.hidden", "INSERT INTO hidden VALUES (4)"])
        self.assert_equal("public.hidden")
        self.assertEqual([row for row, in self.rows("public.hidden")[1]], ["(1)", "(3)", "(4)"])


class Faults(Mirrored):
    def test_load(self):
        """pgbench in every mode → every table equal, none of its transactions failed"""
        for side in house().both:
            side.run("pgbench", "-i", "-q", "-s", "1", "-p", str(side.port), "-h", "127.0.0.1", DATABASE)
        for mode in ("simple", "extended", "prepared"):
            done = subprocess.run([BIN / "pgbench", "-n", "-M", mode, "-c", "8", "-j", "2", "-t", "100"], env=self.environment(database=DATABASE),
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("number of failed transactions: 0 ", done.stdout)
        self.assert_equal("pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history")

    def test_own_writes(self):
        """reads on green, sessions that write and read at once while green is slowed → each sees what it has written"""
        self.make("CREATE TABLE own (id int PRIMARY KEY, n int); INSERT INTO own SELECT i, 0 FROM generate_series(1, 8) i")
        self.proxy.shift(100)
        failures, stop = [], threading.Event()

        def slow():
            while not stop.is_set():
                with house().green.connect(database=DATABASE) as connection, connection.cursor() as cursor:
                    cursor.execute("LOCK TABLE own IN EXCLUSIVE MODE")
                    cursor.execute("SELECT pg_sleep(0.02)")

        def client(me):
            connection = self.connect()
            for n in range(1, 60):
                self.query(connection, "UPDATE own SET n = %s WHERE id = %s", (n, me))
                seen = self.value(connection, "SELECT n FROM own WHERE id = %s", (me,))
                if seen != n:
                    failures.append((me, n, seen))

        slower = threading.Thread(target=slow)
        slower.start()
        clients = [threading.Thread(target=client, args=(me,)) for me in range(1, 9)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        stop.set()
        slower.join()
        self.assertEqual(failures, [])
        self.assert_equal("own")
        connection = self.connect()
        self.assertEqual(self.value(connection, "SELECT current_setting('cluster_name')"), "green")
        self.query(connection, "UPDATE own SET n = 0")
        until(self.applied, "it is applied")
        self.assertEqual(self.value(connection, "SELECT current_setting('cluster_name')"), "green")

    def test_green_goes_and_comes(self):
        """green is killed and comes back while clients write → no client notices, and all is there in the end"""
        self.make("CREATE TABLE outlived (id int PRIMARY KEY)")
        connection = self.connect()
        for i in range(50):
            self.query(connection, "INSERT INTO outlived VALUES (%s)", (i,))
        house().green.stop(signal.SIGQUIT)
        for i in range(50, 100):
            self.query(connection, "INSERT INTO outlived VALUES (%s)", (i,))
        house().green.start()
        self.assert_equal("outlived")
        self.assertEqual(len(self.rows("outlived")[1]), 100)


class Killed(Mirrored):
    def test_proxy(self):
        """the proxy is killed while clients write, and started again → what was acknowledged is on both sides, and both are equal"""
        self.make("CREATE TABLE survived (id int PRIMARY KEY, who int)")
        for round_number in range(3):
            acknowledged, unknown = [], []

            def client(me):
                connection = self.connect()
                try:
                    for i in range(100_000):
                        number = (round_number * 8 + me) * 100_000 + i
                        unknown.append(number)
                        self.query(connection, "INSERT INTO survived VALUES (%s, %s)", (number, me))
                        acknowledged.append(number)
                except psycopg2.Error:
                    pass

            clients = [threading.Thread(target=client, args=(me,)) for me in range(4)]
            for each in clients:
                each.start()
            until(lambda: len(acknowledged) > 100, "100 writes")
            self.proxy.kill()
            for each in clients:
                each.join()
            self.revive()
            self.assert_equal("survived")
            there = {int(row.strip("()").split(",")[0]) for row, in self.rows("survived")[1]}
            self.assertLessEqual(set(acknowledged), there)
            self.assertEqual(self.ledger(), [])


class Both(Mirrored):
    mirror = {"ack": "both", "ack_timeout": "10s"}

    def test_acknowledged(self):
        """`ack: both` → when the client is told, the row is on green"""
        self.make("CREATE TABLE known (id int PRIMARY KEY)")
        connection = self.connect()
        with house().green.connect(database=DATABASE) as other, other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE known IN SHARE MODE")
            client = threading.Thread(target=self.query, args=(connection, "INSERT INTO known VALUES (0)"))
            client.start()
            until(lambda: house().green.query("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] > 0, "the applier waits")
            self.assertEqual(house().blue.query("SELECT count(*) FROM known", database=DATABASE), [(1,)])
            self.assertTrue(client.is_alive())
            cursor.execute("COMMIT")
        client.join()
        for i in range(1, 20):
            self.query(connection, "INSERT INTO known VALUES (%s)", (i,))
            self.assertEqual(house().green.query("SELECT count(*) FROM known", database=DATABASE), [(i + 1,)])


class Refusing(Mirrored):
    mirror = {"unsafe_statements": "reject", "schema_changes": "reject"}

    def test_refused(self):
        """`reject` → 0A000, nothing has run, a transaction around it has failed, and the session goes on"""
        self.make("CREATE TABLE strict (id int PRIMARY KEY); CREATE TABLE loose (v text); INSERT INTO loose VALUES ('a')")
        connection = self.connect()
        for statement in ("UPDATE loose SET v = 'b'", "DO 'BEGIN END'", "CREATE TABLE refused (a int)", "TRUNCATE strict"):
            with self.assertRaises(psycopg2.errors.FeatureNotSupported, msg=statement):
                self.query(connection, statement)
        self.query(connection, "BEGIN")
        self.query(connection, "INSERT INTO strict VALUES (1)")
        with self.assertRaises(psycopg2.errors.FeatureNotSupported):
            self.query(connection, "UPDATE loose SET v = 'b'")
        with self.assertRaises(psycopg2.errors.InFailedSqlTransaction):
            self.query(connection, "SELECT 1")
        self.query(connection, "ROLLBACK")
        self.query(connection, "INSERT INTO strict VALUES (2)")
        self.assert_equal("strict", "loose")
        self.assertEqual(self.rows("strict")[1], [("(2)",)])
