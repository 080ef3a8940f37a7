"""FunctionCall, the message behind PQfn, and large objects by libpq's lo_* functions, which are made of it."""

import ctypes
import ctypes.util
import struct

from through import Through
from wire import Wire, message

INV_READ, INV_WRITE = 0x40000, 0x20000


def function_call(number, *values):
    """Binary arguments, a binary result. Source: PostgreSQL 15 manual 55.7, FunctionCall."""
    body = struct.pack("!ihhh", number, 1, 1, len(values))
    body += b"".join(struct.pack("!i", len(each)) + each for each in values)
    return message("F", body + struct.pack("!h", 1))


class FunctionCall(Through):
    def test_same_as_the_server(self):
        """FunctionCall of a read, of one that fails, of none, in and outside of transactions → the server's own replies"""
        pid, length, sqrt = (self.house.blue.query("SELECT %s::regproc::oid::int", (name,))[0][0]
                             for name in ("pg_catalog.current_database", "pg_catalog.textlen", "pg_catalog.dsqrt"))
        self.proxy.shift(100)
        with Wire(self.proxy.address()) as through, Wire(("127.0.0.1", self.house.blue.port)) as direct:
            for wire in (through, direct):
                wire.log_in()
            for call in (function_call(pid), function_call(length, b"four"), function_call(sqrt, struct.pack("!d", -1.0)),
                         function_call(1), function_call(length), function_call(length, b"\xff\xfe")):
                for around in ((), ("BEGIN", "ROLLBACK")):
                    replies = []
                    for wire in (through, direct):
                        if around:
                            wire.ask(around[0])
                        wire.send(call)
                        told = wire.read_until("Z")
                        replies.append([(each.kind, each.fields.get("C") if each.kind == "E" else each.body) for each in told])
                        if around:
                            wire.ask(around[1])
                    self.assertEqual(replies[0], replies[1])

    def test_pipelined(self):
        """three calls and a query in one go → their replies in that order"""
        length = self.house.blue.query("SELECT 'pg_catalog.textlen'::regproc::oid::int")[0][0]
        with Wire(self.proxy.address()) as wire:
            wire.log_in()
            wire.send(*(function_call(length, b"x" * i) for i in range(3)), message("Q", b"SELECT name FROM side\0"))
            answers = [wire.read_until("Z")[0].body[4:] for _ in range(3)]
            self.assertEqual(answers, [struct.pack("!i", i) for i in range(3)])
            self.assertEqual([each.row for each in wire.read_until("Z") if each.kind == "D"], [[b"blue"]])

    def test_large_objects(self):
        """lo_creat, lo_open, lo_write, lo_lseek, lo_read, lo_unlink of libpq in transactions, reads on green → all on blue"""
        self.proxy.shift(100)
        library = ctypes.CDLL(ctypes.util.find_library("pq"))
        library.PQconnectdb.restype = library.PQexec.restype = ctypes.c_void_p
        library.lo_creat.restype = ctypes.c_uint
        host, port = self.proxy.address()
        connection = ctypes.c_void_p(library.PQconnectdb(
            f"host={host} port={port} user=postgres dbname=shop sslmode=disable gssencmode=disable".encode()))
        self.addCleanup(library.PQfinish, connection)
        self.assertEqual(library.PQstatus(connection), 0)

        def run(text):
            library.PQclear(ctypes.c_void_p(library.PQexec(connection, text)))

        content = bytes(range(256)) * 1024
        run(b"BEGIN")
        number = library.lo_creat(connection, INV_READ | INV_WRITE)
        self.assertGreater(number, 0)
        opened = library.lo_open(connection, ctypes.c_uint(number), INV_WRITE)
        self.assertEqual(library.lo_write(connection, opened, content, ctypes.c_size_t(len(content))), len(content))
        self.assertEqual(library.lo_close(connection, opened), 0)
        run(b"COMMIT")
        run(b"BEGIN")
        opened = library.lo_open(connection, ctypes.c_uint(number), INV_READ)
        self.assertEqual(library.lo_lseek(connection, opened, 256, 0), 256)
        buffer = ctypes.create_string_buffer(len(content))
        self.assertEqual(library.lo_read(connection, opened, buffer, ctypes.c_size_t(len(content))), len(content) - 256)
        self.assertEqual(buffer.raw[: len(content) - 256], content[256:])
        run(b"COMMIT")
        self.assertEqual(self.house.blue.query("SELECT count(*) FROM pg_largeobject_metadata WHERE oid = %s", (number,)), [(1,)])
        self.assertEqual(self.house.green.query("SELECT count(*) FROM pg_largeobject_metadata WHERE oid = %s", (number,)), [(0,)])
        self.assertEqual(library.lo_unlink(connection, ctypes.c_uint(number)), 1)
