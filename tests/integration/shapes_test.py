"""asyncpg, which decodes rows by what it was told of a statement once, while others change the tables: through shared connections as straight."""

import asyncio

import asyncpg

import proxy
from through import Through

# A table for each case: what is known of a statement outlives the case, and the first Describe behind an unseen change may be refused.
TABLE = "DROP TABLE IF EXISTS {0}; CREATE TABLE {0} (a int); INSERT INTO {0} VALUES (1)"
CHANGES = ("ADD b int DEFAULT 2", "ALTER a TYPE text", "DROP b", "ADD c text DEFAULT 'c'", "RENAME c TO d")
TEXTS = ("SELECT * FROM {0}", "UPDATE {0} SET a = a RETURNING *")


class Shapes(Through):
    @classmethod
    def settings(cls):
        return {**proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 3})), "workers": 1}

    def addresses(self):
        return ("127.0.0.1", self.house.blue.port), self.proxy.address()

    async def told(self, address, change_by):
        """What two sessions are told, one of them always a change behind; `change_by` alters the table."""
        told, texts = [], [each.format(self._testMethodName) for each in TEXTS]
        sessions = [await asyncpg.connect(host=address[0], port=address[1], user="postgres", database="shop", timeout=30) for _ in range(2)]
        try:
            for change in (None, *CHANGES):
                if change is not None:
                    await change_by(f"ALTER TABLE {self._testMethodName} {change}")
                for text in texts:
                    for session in sessions if text == texts[0] else sessions[:1]:
                        for _ in range(2):
                            told.append([dict(row) for row in await session.fetch(text)])
                # Inside a transaction there is no second try.
                transaction = sessions[1].transaction()
                await transaction.start()
                try:
                    told.append([dict(row) for row in await sessions[1].fetch(texts[1])])
                except asyncpg.PostgresError as error:
                    told.append(error.sqlstate)
                await transaction.rollback()
        finally:
            for session in sessions:
                await session.close()
        return told

    def both(self, change_for):
        results = []
        for address in self.addresses():
            self.house.blue.query(TABLE.format(self._testMethodName))
            results.append(asyncio.run(self.told(address, change_for(address))))
        self.addCleanup(self.house.blue.query, f"DROP TABLE IF EXISTS {self._testMethodName}")
        self.assertEqual(results[1], results[0])

    def test_changed_beside(self):
        """changed straight at the server → the rows of the new shape, or the server's error, never rows of a shape that nobody told"""
        async def beside(text):
            self.house.blue.query(text)
        self.both(lambda address: beside)

    def test_changed_beside_and_new_connections(self):
        """the same, and every pooled connection is new since → likewise"""
        async def beside(text):
            self.house.blue.query(text)
            if self.is_through:
                self.house.blue.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'postgres' "
                                      "AND pid <> pg_backend_pid() AND datname = 'shop' AND backend_type = 'client backend'")

        def change_for(address):
            self.is_through = address == self.proxy.address()
            return beside
        self.both(change_for)

    def test_changed_through(self):
        """changed by a third session through the same pool → likewise"""
        def change_for(address):
            async def through(text):
                other = await asyncpg.connect(host=address[0], port=address[1], user="postgres", database="shop", timeout=30)
                await other.execute(text)
                await other.close()
            return through
        self.both(change_for)
