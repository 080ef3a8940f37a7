"""Statements that drivers keep prepared, while another session changes their tables: no error that the server would not have given."""

import psycopg

import proxy
from through import Through

CHANGES = ("ADD b int DEFAULT 2", "ALTER a TYPE bigint", "DROP b", "ADD c text DEFAULT 'c'", "ALTER c TYPE varchar(5)", "RENAME c TO d")
TEXTS = ("SELECT * FROM plan_change", "SELECT a FROM plan_change WHERE a = $1", "INSERT INTO plan_change (a) VALUES ($1) RETURNING *",
         "UPDATE plan_change SET a = a WHERE a = $1 RETURNING *")


class Plans(Through):
    @classmethod
    def settings(cls):
        return proxy.configuration(proxy.pair(pool={"mode": "transaction", "size": 2}))

    def table(self):
        self.house.blue.query("DROP TABLE IF EXISTS plan_change; CREATE TABLE plan_change (a int); INSERT INTO plan_change VALUES (1)")
        self.addCleanup(self.house.blue.query, "DROP TABLE IF EXISTS plan_change")

    def test_psycopg(self):
        """psycopg 3, everything prepared, another session changes the table between → an error at most where the server gives one"""
        results = []
        for host, port in (("127.0.0.1", self.house.blue.port), self.proxy.address()):
            self.table()
            told = []
            with psycopg.connect(host=host, port=port, user="postgres", dbname="shop", autocommit=True, prepare_threshold=0, sslmode="disable") as one, \
                 psycopg.connect(host=host, port=port, user="postgres", dbname="shop", autocommit=True, sslmode="disable") as changing:
                for change in CHANGES:
                    for text in TEXTS:
                        try:
                            found = one.execute(text.replace("$1", "%s"), (1,) if "$1" in text else ())
                            told.append([column.name for column in found.description])
                        except psycopg.Error as error:
                            told.append(error.sqlstate)
                    changing.execute(f"ALTER TABLE plan_change {change}")
            results.append(told)
        for straight, through in zip(*results):
            if straight != "0A000":
                self.assertEqual(through, straight)
