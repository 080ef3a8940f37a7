"""What the drivers' cases find by transaction, the usual mode, they find by session too."""

import asyncpg_test
import carry_test
import errors_test
import node_test
import pins_test
import proxy
import psql_test
import psycopg2_test
import psycopg3_test
import startup_test
from clusters import house
from through import Through, side_of
from waiting import until


class BySession:
    """Before a class of cases: its proxy keeps a backend connection for each client's life."""

    @classmethod
    def settings(cls):
        settings = super().settings()
        for pair in settings["pairs"].values():
            pair["pool"] = {"mode": "session"}
        return settings


class Asyncpg(BySession, asyncpg_test.Asyncpg):
    pass


class Carry(BySession, carry_test.Carry):
    pass


class CarryProtocol(BySession, carry_test.CarryProtocol):
    pass


class Errors(BySession, errors_test.Errors):
    pass


class Node(BySession, node_test.Node):
    pass


class Pins(BySession, pins_test.Pins):
    pass


class Psql(BySession, psql_test.Psql):
    pass


class Psycopg2(BySession, psycopg2_test.Psycopg2):
    pass


class Psycopg3(BySession, psycopg3_test.Psycopg3):
    pass


class Startup(BySession, startup_test.Startup):
    pass


class Ends(BySession, Through):
    def test_backend_connections_end_with_the_session(self):
        """a client that leaves → its backend connections leave too, on both sides"""
        connection = self.connect(application_name="leaver")
        side_of(connection)
        self.proxy.shift(100)
        side_of(connection)
        for cluster in house().both:
            self.assertEqual(len(cluster.sessions("application_name = 'leaver'")), 1)
        connection.close()
        for cluster in house().both:
            until(lambda: not cluster.sessions("application_name = 'leaver'"), f"{cluster.name} is left")

    def test_more_clients_than_a_pool_by_transaction(self):
        """thirty clients at once → thirty backend connections, as nothing is shared"""
        connections = [self.connect(application_name="many") for _ in range(30)]
        self.assertEqual(len(house().blue.sessions("application_name = 'many'")), len(connections))
