"""psycopg 3: extended protocol, pipelines, server-side and binary cursors, COPY, prepared statements."""

import uuid

import psycopg

from through import Through
from waiting import Stopwatch


class Psycopg3(Through):
    def open(self, **more):
        host, port = self.proxy.address()
        connection = psycopg.connect(host=host, port=port, user="postgres", dbname="shop", autocommit=True,
                                     connect_timeout=30, **more)
        self.addCleanup(connection.close)
        return connection

    def test_parameters(self):
        """text and binary parameters and results → back as they went"""
        connection = self.open()
        token = uuid.uuid4()
        for binary in (False, True):
            with self.subTest(binary=binary):
                cursor = connection.cursor(binary=binary)
                row = cursor.execute("SELECT %s::int, %s::text, %s::uuid, %s::int[], %s::bytea",
                                     (42, "ä", token, [1, None, 3], b"\0\xff")).fetchone()
                self.assertEqual(row, (42, "ä", token, [1, None, 3], b"\0\xff"))

    def test_pipeline(self):
        """a pipeline of reads and writes → each its own result, in order"""
        connection = self.open()
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int", (i,)) for i in range(200)]
            connection.execute("INSERT INTO log VALUES ('piped')")
            last = connection.execute("SELECT count(*) FROM log WHERE line = 'piped'")
        self.assertEqual([cursor.fetchone()[0] for cursor in cursors], list(range(200)))
        self.assertEqual(last.fetchone(), (1,))

    def test_pipeline_with_error(self):
        """an error inside a pipeline → what follows up to the Sync is aborted, what comes after runs"""
        connection = self.open()
        with self.assertRaises(psycopg.errors.DivisionByZero):
            with connection.pipeline() as pipeline:
                connection.execute("SELECT 1")
                connection.execute("SELECT 1 / %s", (0,))
                connection.execute("INSERT INTO log VALUES ('aborted')")
                pipeline.sync()
        self.assertEqual(connection.execute("SELECT count(*) FROM log WHERE line = 'aborted'").fetchone(), (0,))

    def test_pipeline_while_weights_move(self):
        """pipelines between which the weights move → every result is right"""
        connection = self.open()
        for turn in range(30):
            self.proxy.shift((turn % 2) * 100)
            with connection.pipeline():
                cursors = [connection.execute("SELECT name, %s::int FROM side", (i,)) for i in range(20)]
            rows = [cursor.fetchone() for cursor in cursors]
            self.assertEqual([row[1] for row in rows], list(range(20)))
            self.assertEqual({row[0] for row in rows}, {"green" if turn % 2 else "blue"})

    def test_server_cursor(self):
        """a server-side cursor, scrolled → the rows of one side"""
        connection = self.open()
        with connection.transaction(), connection.cursor("walk", scrollable=True) as cursor:
            cursor.execute("SELECT id FROM items ORDER BY id")
            self.assertEqual(cursor.fetchmany(3), [(1,), (2,), (3,)])
            cursor.scroll(996)
            self.assertEqual(cursor.fetchall(), [(1000,)])

    def test_stream(self):
        """single-row mode → rows one by one"""
        connection = self.open()
        with connection.cursor() as cursor:
            total = sum(row[0] for row in cursor.stream("SELECT generate_series(1, 20000)"))
        self.assertEqual(total, 20000 * 20001 // 2)

    def test_prepared(self):
        """prepare=True while weights move → never an unknown statement"""
        connection = self.open()
        for turn in range(20):
            self.proxy.shift((turn % 2) * 100)
            name = connection.execute("SELECT name FROM side WHERE %s::int > 0", (turn + 1,), prepare=True).fetchone()[0]
            self.assertEqual(name, "green" if turn % 2 else "blue")

    def test_automatic_preparation(self):
        """a text that psycopg prepares after five runs, and DEALLOCATEs by age → no error"""
        connection = self.open(prepare_threshold=2)
        connection.prepared_max = 5
        for turn in range(60):
            self.proxy.shift(100 if turn % 7 < 3 else 0)
            for width in range(8):
                row = connection.execute(f"SELECT %s::int + {width}", (turn,)).fetchone()
                self.assertEqual(row, (turn + width,))

    def test_copy(self):
        """COPY in by rows, in binary, and out again → the same rows"""
        connection = self.open()
        rows = [(i, f"copy3 {i}", None) for i in range(10_001, 12_001)]
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            with cursor.copy("COPY items (id, name, price) FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["int4", "text", "numeric"])
                for row in rows:
                    copy.write_row(row)
            with cursor.copy("COPY (SELECT id, name, price FROM items WHERE id > 10000 ORDER BY id) TO STDOUT") as copy:
                copy.set_types(["int4", "text", "numeric"])
                self.assertEqual(list(copy.rows()), rows)

    def test_copy_cancelled(self):
        """COPY out that the client cancels in the middle → QueryCanceled, the session goes on"""
        connection = self.open()
        with connection.cursor() as cursor:
            with Stopwatch(20), self.assertRaises(psycopg.errors.QueryCanceled):
                with cursor.copy("COPY (SELECT generate_series(1, 100000000)) TO STDOUT") as copy:
                    copy.read()
                    connection.cancel()
                    while copy.read():
                        pass
        self.assertEqual(connection.execute("SELECT 5").fetchone(), (5,))

    def test_notifies(self):
        """notifies() → what another client sent"""
        listener, other = self.open(), self.open()
        listener.execute("LISTEN gong")
        other.execute("NOTIFY gong, 'one'")
        other.execute("NOTIFY gong, 'two'")
        received = listener.notifies()
        self.assertEqual([next(received).payload, next(received).payload], ["one", "two"])

    def test_execute_many(self):
        """executemany with results → one result per row of parameters"""
        connection = self.open()
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO log VALUES (%s) RETURNING line", [(f"em {i}",) for i in range(50)], returning=True)
            seen = [cursor.fetchone()[0]]
            while cursor.nextset():
                seen.append(cursor.fetchone()[0])
        self.assertEqual(seen, [f"em {i}" for i in range(50)])
