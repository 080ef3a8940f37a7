"""currval and lastval of sessions that share connections: the value of the session, or PostgreSQL's own error, never another's."""

import psycopg2
import psycopg2.errors

import proxy
from through import Through


class SequenceValues(Through):
    @classmethod
    def settings(cls):
        shop = proxy.pair(pool={"mode": "transaction", "size": 3})
        return {**proxy.configuration(shop), "workers": 1}

    def insert(self, connection, body):
        self.query(connection, "INSERT INTO notes (body) VALUES (%s)", (body,))

    def own(self, body):
        return self.house.blue.query("SELECT id FROM notes WHERE body = %s", (body,))[0][0]

    def test_asked(self):
        """each session asks behind its transaction, at first perhaps in vain → from then on each finds its own value"""
        clients = {name: self.connect() for name in ("first", "second", "other")}
        for name, client in clients.items():
            self.insert(client, f"{name} before")
        for client in clients.values():
            try:
                self.value(client, "SELECT lastval()")
            except psycopg2.errors.ObjectNotInPrerequisiteState:
                pass  # others have used its connection
        for number in range(20):
            for name, client in clients.items():
                self.insert(client, f"{name} {number}")
            for name, client in clients.items():
                self.assertEqual(self.value(client, "SELECT lastval()"), self.own(f"{name} {number}"))
                self.assertEqual(self.value(client, "SELECT currval('notes_id_seq')"), self.own(f"{name} {number}"))
        self.assertEqual(self.proxy.status()["pinned"].get("sequence_value"), 3)
        self.query(clients["second"], "DISCARD SEQUENCES")
        self.assertEqual(self.proxy.status()["pinned"].get("sequence_value"), 2)

    def test_beside_anothers(self):
        """once anybody has asked, a session that writes where another has drawn, and asks what it never drew → 55000"""
        crossfade = proxy.Proxy({**proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 1})), "workers": 1})
        self.addCleanup(crossfade.stop)
        host, port = crossfade.address()
        clients = [psycopg2.connect(host=host, port=port, user="postgres", dbname="shop", sslmode="disable") for _ in range(2)]
        for each in clients:
            each.autocommit = True
            self.addCleanup(each.close)
        drawing, other = clients
        with self.assertRaises(psycopg2.errors.ObjectNotInPrerequisiteState):
            self.value(other, "SELECT lastval()")
        self.query(other, "DISCARD SEQUENCES")  # which ends its pin
        for begin, end in (("SELECT 1", "SELECT 1"), ("BEGIN", "ROLLBACK")):
            self.insert(drawing, f"beside {begin}")
            self.query(other, begin)
            self.query(other, "INSERT INTO log VALUES ('beside')")
            with self.assertRaises(psycopg2.errors.ObjectNotInPrerequisiteState):
                self.value(other, "SELECT currval('notes_id_seq')")
            self.query(other, end)
            self.query(other, "DISCARD SEQUENCES")

    def test_never_anothers(self):
        """a session that has drawn nothing, on the connection where another has, behind a read and inside a transaction → 55000"""
        shop = proxy.pair(pool={"mode": "transaction", "size": 1})
        crossfade = proxy.Proxy({**proxy.configuration(shop), "workers": 1})
        self.addCleanup(crossfade.stop)
        host, port = crossfade.address()
        clients = [psycopg2.connect(host=host, port=port, user="postgres", dbname="shop", sslmode="disable") for _ in range(2)]
        for each in clients:
            each.autocommit = True
            self.addCleanup(each.close)
        drawing, other = clients
        self.insert(drawing, "drawn")
        self.value(other, "SELECT 1")
        self.assertEqual(self.value(drawing, "SELECT lastval()"), self.own("drawn"))  # the other has only read
        self.query(drawing, "DISCARD SEQUENCES")
        self.insert(drawing, "drawn again")
        self.query(other, "BEGIN")
        with self.assertRaises(psycopg2.errors.ObjectNotInPrerequisiteState):
            self.value(other, "SELECT lastval()")
        self.query(other, "ROLLBACK")
        self.query(other, "DISCARD SEQUENCES")
        self.insert(drawing, "and again")
        self.value(other, "SELECT 1")
        with self.assertRaises(psycopg2.errors.ObjectNotInPrerequisiteState):
            self.value(other, "SELECT lastval()")
