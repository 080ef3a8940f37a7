"""What the drivers' cases find by session they find by transaction, the usual mode, too."""

import asyncpg_test
import carry_test
import errors_test
import function_call_test
import listen_test
import node_test
import pgbench_test
import pins_test
import psql_test
import psycopg2_test
import psycopg3_test
import startup_test
import state_test
from waiting import until


class ByTransaction:
    """Before a class of cases: its proxy's clients share backend connections by transaction."""

    @classmethod
    def settings(cls):
        settings = super().settings()
        for pair in settings["pairs"].values():
            pair["pool"] = {"mode": "transaction"}
        return settings


class Asyncpg(ByTransaction, asyncpg_test.Asyncpg):
    pass


class Carry(ByTransaction, carry_test.Carry):
    pass


class CarryProtocol(ByTransaction, carry_test.CarryProtocol):
    pass


class Errors(ByTransaction, errors_test.Errors):
    pass


class FunctionCall(ByTransaction, function_call_test.FunctionCall):
    pass


class Listen(ByTransaction, listen_test.Listen):
    def test_own_process(self):
        """the process that a driver was told is no server's → a session's own notifications carry it all the same"""
        connection, other = self.connect(), self.connect()
        self.query(connection, "LISTEN bell")
        for each in (connection, other):
            self.query(each, "NOTIFY bell")
        until(lambda: len(self.poll(connection)) == 2, "both notifications")
        own = connection.get_backend_pid()
        self.assertEqual([each.pid == own for each in connection.notifies], [True, False])


class Node(ByTransaction, node_test.Node):
    pass


class Pgbench(ByTransaction, pgbench_test.Pgbench):
    """Eight clients on three connections per side."""

    THREADS = pgbench_test.CLIENTS  # one each: pgbench waits in PQprepare, and meanwhile serves nobody else of the thread

    @classmethod
    def settings(cls):
        settings = super().settings()
        settings["pairs"]["shop"]["pool"]["size"] = 3
        return settings


class Pins(ByTransaction, pins_test.Pins):
    pass


class Psql(ByTransaction, psql_test.Psql):
    pass


class Psycopg2(ByTransaction, psycopg2_test.Psycopg2):
    pass


class Psycopg3(ByTransaction, psycopg3_test.Psycopg3):
    pass


class Startup(ByTransaction, startup_test.Startup):
    pass


class State(ByTransaction, state_test.State):
    pass
