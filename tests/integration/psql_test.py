"""psql through the proxy prints what it prints without."""

import subprocess

from clusters import BIN
from through import Through

SCRIPTS = {
    "describe": r"""
\d items
\dt+ notes
\df pg_sleep
\l shop
""",
    "results": r"""
SELECT * FROM items ORDER BY id LIMIT 3;
SELECT 1 AS one \; SELECT 2 AS two \;
SELECT 3;
\gdesc
SELECT 'a' AS a, NULL AS b, '' AS c \gx
VALUES (1, 'x'), (2, 'y') \crosstabview
SELECT ;
;
""",
    "transactions": r"""
BEGIN;
INSERT INTO notes (body, weight) VALUES ('psql', 1) RETURNING body;
SAVEPOINT a;
INSERT INTO notes (body, weight) VALUES ('psql', 1);
ROLLBACK TO a;
SELECT body FROM notes WHERE body = 'psql';
ROLLBACK;
SELECT count(*) FROM notes WHERE body = 'psql';
""",
    "errors": r"""
\set VERBOSITY verbose
\set SHOW_CONTEXT always
SELECT 1/0;
SELEC 1;
SELECT * FROM missing;
INSERT INTO notes (id, body, weight) VALUES (-1, 'x', -1);
DO $$ BEGIN RAISE NOTICE 'seen %', 1; RAISE WARNING 'careful' USING HINT = 'a hint', DETAIL = 'a detail'; END $$;
SELECT 1; SELECT 1/0; SELECT 2;
""",
    "copy": r"""
BEGIN;
COPY log FROM STDIN;
one
two
three\tfour
\.
SELECT * FROM log;
COPY log TO STDOUT WITH (FORMAT csv);
\copy (SELECT id, name FROM items WHERE id < 4 ORDER BY id) TO STDOUT
COPY log (line) FROM STDIN WITH (FORMAT text);
too	many	columns
\.
ROLLBACK;
""",
    "prepared": r"""
PREPARE one (int) AS SELECT name FROM items WHERE id = $1;
EXECUTE one (7);
EXECUTE one (8);
DEALLOCATE one;
EXECUTE one (7);
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY id;
FETCH 3 FROM c;
CLOSE c;
SELECT id, name FROM items WHERE id = $1 \bind 5 \g
""",
}


class Psql(Through):
    def run_script(self, script, environment):
        result = subprocess.run([BIN / "psql", "-X", "-a", "-f", "-"], input=script, env=environment, text=True, cwd="/",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return result.stdout, result.returncode

    def test_scripts(self):
        """a script through the proxy → the same text and status as straight to blue"""
        for name, script in SCRIPTS.items():
            with self.subTest(script=name):
                direct = self.run_script(script, self.environment(port=self.house.blue.port))
                through = self.run_script(script, self.environment())
                self.assertEqual(through, direct)

    def test_listen(self):
        """LISTEN and NOTIFY in one session → the notification arrives"""
        script = "LISTEN bell;\nNOTIFY bell, 'ding';\nSELECT 1;\n"
        text, status = self.run_script(script, self.environment())
        self.assertEqual(status, 0)
        self.assertIn('Asynchronous notification "bell" with payload "ding" received', text)

    def test_conninfo(self):
        r"""\conninfo and \encoding → the server's own parameters"""
        text, status = self.run_script("\\encoding\n\\echo :SERVER_VERSION_NUM\n", self.environment())
        self.assertEqual(status, 0)
        self.assertRegex(text, r"UTF8\n.*\n15\d{4}\n")

    def test_wrong_database(self):
        """a database that is not there → the server's own words and status 2"""
        direct = self.run_script("", {**self.environment(port=self.house.blue.port), "PGDATABASE": "nowhere"})
        through = self.run_script("", {**self.environment(), "PGDATABASE": "nowhere"})
        self.assertEqual(through[1], direct[1])
        self.assertEqual(through[0].partition("FATAL")[2], direct[0].partition("FATAL")[2])
