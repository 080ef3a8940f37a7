"""currval and lastval of sessions that share connections: the value of the session, or PostgreSQL's own error, never another's."""

import psycopg2

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

    def test_learnt(self):
        """one session asks behind its transaction, perhaps in vain → from then on every session that writes finds its own value"""
        first, second, other = (self.connect() for _ in range(3))
        for number in range(5):
            self.insert((first, other)[number % 2], f"before {number}")
        try:
            self.assertEqual(self.value(first, "SELECT lastval()"), self.own("before 4"))
        except psycopg2.errors.ObjectNotInPrerequisiteState:
            pass  # others have used its connection
        for number in range(20):
            self.insert(second, f"second {number}")
            self.insert(other, f"other {number}")
            self.insert(first, f"first {number}")
            for connection, name in ((second, "second"), (first, "first"), (other, "other")):
                self.assertEqual(self.value(connection, "SELECT lastval()"), self.own(f"{name} {number}"))
                self.assertEqual(self.value(connection, "SELECT currval('notes_id_seq')"), self.own(f"{name} {number}"))
        self.assertEqual(self.proxy.status()["pinned"].get("sequence_value"), 3)
        self.query(second, "DISCARD SEQUENCES")
        self.assertEqual(self.proxy.status()["pinned"].get("sequence_value"), 2)
