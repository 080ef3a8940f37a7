"""Size: long rows, long texts, many parameters, slow readers; memory stays bounded."""

import hashlib

import psycopg2

from proxy import ROOM_KILOBYTES
from through import Through, side_of
from waiting import until
from wire import SYNC, Wire, bind, execute, parse, query

MEGABYTE = 1024 * 1024


class Bulk(Through):
    def test_long_value_out(self):
        """a value of 50 MB → arrives whole, and the proxy's memory stays small"""
        before = self.proxy.resident_kilobytes()
        connection = self.connect()
        value = self.value(connection, "SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1638400) i")
        wanted = hashlib.md5("".join(hashlib.md5(str(i).encode()).hexdigest() for i in range(1, 1638401)).encode())
        self.assertEqual(len(value), 50 * MEGABYTE)
        self.assertEqual(hashlib.md5(value.encode()).hexdigest(), wanted.hexdigest())
        self.assertLess(self.proxy.resident_kilobytes() - before, ROOM_KILOBYTES)

    def test_long_parameter(self):
        """a parameter of 30 MB → its length comes back"""
        with Wire(self.proxy.address(), seconds=60) as wire:
            wire.log_in()
            wire.send(parse("", "SELECT length($1), md5($1)", [25]), bind(values=[b"x" * 30 * MEGABYTE]), execute(), SYNC)
            row = [each.row for each in wire.read_until("Z") if each.kind == "D"][0]
        self.assertEqual(row, [str(30 * MEGABYTE).encode(), hashlib.md5(b"x" * 30 * MEGABYTE).hexdigest().encode()])

    def test_long_text(self):
        """a query text of 20 MB → answered; not analysed, so it goes where writes go"""
        self.proxy.shift(100)
        connection = self.connect()
        length, side = self.query(connection, "SELECT length('" + "y" * 20 * MEGABYTE + "'), name FROM side")[0]
        self.assertEqual((length, side), (20 * MEGABYTE, "blue"))
        self.assert_side(connection, "green")

    def test_many_parameters(self):
        """10,000 parameters → their sum"""
        count = 10_000
        text = "SELECT sum(v) FROM unnest(ARRAY[" + ",".join(f"${i + 1}::int" for i in range(count)) + "]) v"
        with Wire(self.proxy.address(), seconds=60) as wire:
            wire.log_in()
            wire.send(parse("", text), bind(values=[str(i).encode() for i in range(count)]), execute(), SYNC)
            rows = [each.row for each in wire.read_until("Z") if each.kind == "D"]
        self.assertEqual(rows, [[str(sum(range(count))).encode()]])

    def test_many_columns_and_rows(self):
        """1,600 columns, and a million rows → counted"""
        connection = self.connect()
        self.assertEqual(len(self.query(connection, "SELECT " + ", ".join(map(str, range(1600))))[0]), 1600)
        with connection.cursor() as cursor:
            cursor.execute("SELECT generate_series(1, 1000000)")
            self.assertEqual(cursor.rowcount, 1_000_000)

    def test_slow_reader(self):
        """a client that does not read a long reply → the proxy's memory is bounded, others are served, all arrives"""
        before = self.proxy.resident_kilobytes()
        rows, width = 60_000, 2000
        with Wire(self.proxy.address(), seconds=60) as wire:
            wire.log_in(application_name="slow reader")
            wire.send(query(f"SELECT repeat('z', {width}) FROM generate_series(1, {rows})"))
            other = self.connect()
            for _ in range(200):
                side_of(other)
            self.assertLess(self.proxy.resident_kilobytes() - before, ROOM_KILOBYTES)
            until(lambda: self.house.blue.sessions("application_name = 'slow reader' AND wait_event = 'ClientWrite'"),
                  "back-pressure reaches the backend")
            received = sum(1 for each in wire.read_until("Z") if each.kind == "D")
        self.assertEqual(received, rows)

    def test_pipeline_never_read(self):
        """a client that sends requests, reads nothing, and leaves → held back, memory bounded, others served, backend left"""
        before = self.proxy.resident_kilobytes()
        batch = query("SELECT repeat('w', 10000)") * 100
        with Wire(self.proxy.address(), seconds=1.0) as wire:
            wire.log_in(application_name="pipeliner")
            sent = 0
            try:
                while sent < 400:
                    wire.send(batch)
                    sent += 1
            except TimeoutError:
                pass
            self.assertLess(self.proxy.resident_kilobytes() - before, ROOM_KILOBYTES)
            self.assertEqual(self.value(self.connect(), "SELECT 1"), 1)
        until(lambda: not self.house.blue.sessions("application_name = 'pipeliner'"), "the backend is left")

    def test_long_identifier_and_error(self):
        """an error message of a megabyte → the client's, whole"""
        connection = self.connect()
        with self.assertRaises(psycopg2.errors.RaiseException) as caught:
            self.query(connection, "DO $$ BEGIN RAISE EXCEPTION '%', repeat('e', 1000000); END $$")
        self.assertGreater(len(str(caught.exception)), 1_000_000)
        self.assertEqual(self.value(connection, "SELECT 1"), 1)
