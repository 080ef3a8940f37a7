"""psycopg 2: simple protocol, COPY, named cursors, notifications, types."""

import datetime
import decimal
import io

import psycopg2
import psycopg2.extras

from through import Through
from waiting import until


class Psycopg2(Through):
    def test_types(self):
        """values of many types → back as they went"""
        connection = self.connect()
        sent = (1, "ä ☃", decimal.Decimal("1.50"), True, None, datetime.date(2024, 2, 29), [1, 2, 3], memoryview(b"\0\1\xff"))
        row = self.query(connection, "SELECT %s, %s, %s, %s, %s::text, %s, %s, %s", sent)[0]
        self.assertEqual(row[:-1], sent[:-1])
        self.assertEqual(bytes(row[-1]), b"\0\1\xff")

    def test_transaction(self):
        """insert, rollback, insert, commit → only the second is there, on blue alone"""
        connection = self.connect()
        connection.autocommit = False
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO notes (body, weight) VALUES ('lost', 1)")
            connection.rollback()
            cursor.execute("INSERT INTO notes (body, weight) VALUES ('kept', 1)")
            connection.commit()
        text = "SELECT body FROM notes WHERE body IN ('lost', 'kept')"
        self.assertEqual(self.house.blue.query(text), [("kept",)])
        self.assertEqual(self.house.green.query(text), [])

    def test_execute_many(self):
        """execute_values and execute_batch → every row arrives"""
        connection = self.connect()
        with connection.cursor() as cursor:
            psycopg2.extras.execute_values(cursor, "INSERT INTO log VALUES %s", [(f"many {i}",) for i in range(500)])
            psycopg2.extras.execute_batch(cursor, "INSERT INTO log VALUES (%s)", [(f"many {i}",) for i in range(500)])
        self.assertEqual(self.house.blue.query("SELECT count(*) FROM log WHERE line LIKE 'many %'"), [(1000,)])

    def test_copy(self):
        """COPY in, then COPY out → the same rows"""
        connection = self.connect()
        lines = "".join(f"copied {i}\n" for i in range(20_000))
        with connection.cursor() as cursor:
            cursor.copy_expert("COPY log FROM STDIN", io.StringIO(lines))
            out = io.StringIO()
            cursor.copy_expert("COPY (SELECT line FROM log WHERE line LIKE 'copied %') TO STDOUT", out)
        self.assertEqual(sorted(out.getvalue().splitlines()), sorted(lines.splitlines()))

    def test_copy_failed_by_client(self):
        """COPY in whose source raises → QueryCanceled from the server, the session goes on"""
        connection = self.connect()

        class Broken(io.StringIO):
            def read(self, _=-1):
                raise RuntimeError("the source broke")

        with connection.cursor() as cursor:
            with self.assertRaises(psycopg2.errors.QueryCanceled):
                cursor.copy_expert("COPY log FROM STDIN", Broken())
            cursor.execute("SELECT 1")
            self.assertEqual(cursor.fetchone(), (1,))

    def test_copy_of_bad_rows(self):
        """COPY in with a bad row → the server's error, the session goes on"""
        connection = self.connect()
        with connection.cursor() as cursor:
            with self.assertRaises(psycopg2.errors.InvalidTextRepresentation):
                cursor.copy_expert("COPY items (id, name) FROM STDIN", io.StringIO("x\ty\n" * 5000))
            cursor.execute("SELECT count(*) FROM items")
            self.assertEqual(cursor.fetchone(), (1000,))

    def test_named_cursor(self):
        """a named cursor → fetched in pieces inside its transaction"""
        connection = self.connect()
        connection.autocommit = False
        with connection.cursor("walk") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT id FROM items ORDER BY id")
            self.assertEqual([row[0] for row in cursor], list(range(1, 1001)))
        connection.commit()

    def test_notifications(self):
        """NOTIFY by another client → reaches the listener while it is idle"""
        listener, other = self.connect(), self.connect()
        self.query(listener, "LISTEN bell")
        self.query(other, "NOTIFY bell, 'ding'")
        until(lambda: listener.poll() or listener.notifies, "the notification")
        self.assertEqual((listener.notifies[0].channel, listener.notifies[0].payload), ("bell", "ding"))
        self.assertEqual(self.query(listener, "SELECT 1"), [(1,)])

    def test_notices(self):
        """RAISE NOTICE → the client's notices, in order"""
        connection = self.connect()
        self.query(connection, "DO $$ BEGIN FOR i IN 1..3 LOOP RAISE NOTICE 'n %', i; END LOOP; END $$")
        self.assertEqual([notice.strip() for notice in connection.notices], [f"NOTICE:  n {i}" for i in (1, 2, 3)])

    def test_several_statements(self):
        """several statements in one text → the last result, all of them done"""
        connection = self.connect()
        rows = self.query(connection, "INSERT INTO log VALUES ('several'); INSERT INTO log VALUES ('several'); SELECT 7")
        self.assertEqual(rows, [(7,)])
        self.assertEqual(self.house.blue.query("SELECT count(*) FROM log WHERE line = 'several'"), [(2,)])

    def test_encoding(self):
        """set_client_encoding → text in that encoding, both ways"""
        connection = self.connect()
        connection.set_client_encoding("LATIN1")
        self.assertEqual(self.query(connection, "SELECT %s || 'é'", ("ä",)), [("äé",)])
        self.assertEqual(connection.encoding, "LATIN1")

    def test_two_phase(self):
        """PREPARE TRANSACTION and COMMIT PREPARED → done"""
        connection = self.connect()
        connection.autocommit = False
        connection.tpc_begin(connection.xid(1, "two", "phase"))
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO log VALUES ('two phases')")
        connection.tpc_prepare()
        connection.tpc_commit()
        self.assertEqual(self.house.blue.query("SELECT count(*) FROM log WHERE line = 'two phases'"), [(1,)])
