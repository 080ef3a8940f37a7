"""asyncpg: binary protocol, named prepared statements, many sessions at once."""

import asyncio

import asyncpg

from through import Through


class Asyncpg(Through):
    def run_with(self, work):
        async def run():
            host, port = self.proxy.address()
            connection = await asyncpg.connect(host=host, port=port, user="postgres", database="shop", timeout=30)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(run())

    def test_fetch(self):
        """binary parameters and results → back as they went"""
        async def work(connection):
            return await connection.fetchrow("SELECT $1::int AS a, $2::text AS b, $3::jsonb AS c, $4::timestamptz IS NULL AS d",
                                             7, "ä", '{"k": [1, 2]}', None)

        row = self.run_with(work)
        self.assertEqual((row["a"], row["b"], row["c"], row["d"]), (7, "ä", '{"k": [1, 2]}', True))

    def test_enum(self):
        """a type of the database's own, looked up by the driver → read and written"""
        async def work(connection):
            return await connection.fetchval("SELECT $1::mood", "cross")

        self.assertEqual(self.run_with(work), "cross")

    def test_prepared_while_weights_move(self):
        """one prepared statement, weights moving between its runs → right side, right answer"""
        async def work(connection):
            statement = await connection.prepare("SELECT name, $1::int AS n FROM side")
            seen = []
            for turn in range(20):
                await asyncio.to_thread(self.proxy.shift, (turn % 2) * 100)
                row = await statement.fetchrow(turn)
                seen.append((row["name"], row["n"]))
            return seen

        self.assertEqual(self.run_with(work), [("green" if turn % 2 else "blue", turn) for turn in range(20)])

    def test_transaction_and_cursor(self):
        """a cursor inside a transaction → fetched in pieces"""
        async def work(connection):
            async with connection.transaction():
                return [row["id"] async for row in connection.cursor("SELECT id FROM items ORDER BY id", prefetch=70)]

        self.assertEqual(self.run_with(work), list(range(1, 1001)))

    def test_nested_transaction(self):
        """an error inside a savepoint → the outer transaction commits the rest"""
        async def work(connection):
            async with connection.transaction():
                await connection.execute("INSERT INTO log VALUES ('outer')")
                try:
                    async with connection.transaction():
                        await connection.execute("INSERT INTO log VALUES ('inner')")
                        await connection.execute("SELECT 1 / 0")
                except asyncpg.DivisionByZeroError:
                    pass
            return await connection.fetch("SELECT line FROM log WHERE line IN ('inner', 'outer')")

        self.assertEqual([row["line"] for row in self.run_with(work)], ["outer"])

    def test_copy(self):
        """copy_records_to_table → every record"""
        async def work(connection):
            await connection.copy_records_to_table("log", records=[(f"async {i}",) for i in range(3000)])
            return await connection.fetchval("SELECT count(*) FROM log WHERE line LIKE 'async %'")

        self.assertEqual(self.run_with(work), 3000)

    def test_cancelled_by_timeout(self):
        """a statement that the driver cancels at its timeout → the connection serves the next"""
        async def work(connection):
            try:
                await connection.fetchval("SELECT pg_sleep(60)", timeout=0.2)
            except asyncio.TimeoutError:
                return await connection.fetchval("SELECT 3")
            return None

        self.assertEqual(self.run_with(work), 3)

    def test_pool(self):
        """a pool of 20 (it resets each session on release) with weights moving → every answer right"""
        async def run():
            host, port = self.proxy.address()
            async with asyncpg.create_pool(host=host, port=port, user="postgres", database="shop", min_size=5,
                                           max_size=20) as pool:
                async def one(number):
                    return await pool.fetchval("SELECT $1::int + length(name) - length(name) FROM side", number)

                answers = []
                for turn in range(10):
                    await asyncio.to_thread(self.proxy.shift, turn * 10)
                    answers += await asyncio.gather(*(one(turn * 100 + i) for i in range(100)))
                return answers

        self.assertEqual(asyncio.run(run()), list(range(1000)))
