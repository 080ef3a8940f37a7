"""The base of the cases: one proxy per class, and connections through it or around it."""

import os
import unittest

import psycopg2

import proxy
from clusters import DATABASE, house


def side_of(connection):
    """The side that answers a read of this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM side")
        return cursor.fetchone()[0]


class Through(unittest.TestCase):
    """A class of cases that shares one proxy. Override settings() for a configuration of one's own."""

    @classmethod
    def settings(cls):
        return proxy.configuration()

    @classmethod
    def setUpClass(cls):
        cls.house = house()
        for cluster in cls.house.both:
            cluster.query("TRUNCATE log, notes RESTART IDENTITY")  # what other classes have written
        cls.proxy = proxy.Proxy(cls.settings())
        cls.addClassCleanup(cls.proxy.stop)

    def setUp(self):
        if self.proxy.process.poll() is not None:
            self.fail(f"the proxy is gone, status {self.proxy.process.returncode}:\n{self.proxy.words()}")
        for each in self.proxy.ask("GET", "/api/v1/status").json["pairs"]:
            for one in each["rules"]:
                if one["reads"]["green"] != 0 and one["name"] == "reads":
                    self.proxy.shift(0, one["name"], each["name"])

    def connect(self, user="postgres", database=DATABASE, pair_name="shop", **more):
        """A psycopg 2 connection through the proxy, autocommit, closed after the case."""
        host, port = self.proxy.address(pair_name)
        connection = psycopg2.connect(host=host, port=port, user=user, dbname=database, connect_timeout=30,
                                      sslmode="disable", gssencmode="disable", **more)
        connection.autocommit = True
        self.addCleanup(connection.close)
        return connection

    def query(self, connection, text, values=None):
        with connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []

    def value(self, connection, text, values=None):
        return self.query(connection, text, values)[0][0]

    def assert_side(self, connection, side):
        self.assertEqual(side_of(connection), side)

    def environment(self, port=None, host=None, user="postgres", database=DATABASE):
        """What libpq programs need to go through the proxy, or to another port."""
        own_host, own_port = self.proxy.address()
        return {**os.environ, "PGHOST": host or own_host, "PGPORT": str(port or own_port), "PGUSER": user,
                "PGDATABASE": database, "PGCONNECT_TIMEOUT": "30", "PSQLRC": "/dev/null", "PGSSLMODE": "prefer"}
