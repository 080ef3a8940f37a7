"""psql scripts made from a seed: statements of every kind in any order, errors and settings among them.

What they print depends on nothing but the script: every SELECT is ordered, and nothing asks for a clock, a process, an object
number or a random value.
"""

import random

TABLES = ("t1", "t2", "t3")
SETTINGS = {"work_mem": ("'5MB'", "'6MB'", "'7MB'", "nonsense"), "DateStyle": ("'German'", "'SQL, DMY'", "'ISO, YMD'"),
            "TimeZone": ("'Asia/Tokyo'", "'America/New_York'", "'Nowhere'"), "app.mark": ("'a'", "'b'", "'it''s'"),
            "search_path": ("public, pg_catalog", "pg_catalog, public", '"$user", public'), "extra_float_digits": ("0", "3", "99"),
            "IntervalStyle": ("iso_8601", "sql_standard"), "bytea_output": ("escape", "hex"),
            "client_min_messages": ("warning", "notice", "debug1"), "application_name": ("'one'", "'two'"),
            "standard_conforming_strings": ("off", "on"), "client_encoding": ("LATIN1", "UTF8")}
ERRORS = ("SELECT 1/0;", "SELEC;", "SELECT * FROM missing;", "SELECT 'x'::int;", "INSERT INTO t1 VALUES ('x');",
          "SET no_such TO 1;", "RELEASE nothing;", "FETCH 1 FROM nothing;", "EXECUTE nothing;", "COPY missing FROM STDIN;\n\\.",
          "DO $$ BEGIN RAISE EXCEPTION 'own' USING ERRCODE = 'P0Q01', HINT = 'h', DETAIL = 'd'; END $$;", "SELECT a FROM t1 GROUP BY b;")


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def number(self, most=40):
        return self.random.randint(0, most)

    def pick(self, *of):
        return self.random.choice(of)

    def table(self):
        return self.pick(*TABLES)

    def literal(self):
        return self.pick("NULL", str(self.number()), "-1", "2147483647", "2147483648", "'5'", "'x'", "3 + 4", "(SELECT 8)")

    def text(self):
        return self.pick("NULL", "''", "'plain'", "'it''s'", "E'tab\\tnew\\nline'", "$$dollar$$", "repeat('long', 500)", "'ä'")

    # Each of the following makes one or more lines.

    def insert(self):
        tail = self.pick("", " RETURNING *", " ON CONFLICT DO NOTHING", " ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING a, b")
        rows = ", ".join(f"({self.literal()}, {self.text()})" for _ in range(self.random.randint(1, 3)))
        return f"INSERT INTO {self.table()} VALUES {rows}{tail};"

    def update(self):
        return f"UPDATE {self.table()} SET b = {self.text()} WHERE a {self.pick('=', '<', '>')} {self.number()}{self.pick('', ' RETURNING a')};"

    def delete(self):
        return f"DELETE FROM {self.table()} WHERE a = {self.number()}{self.pick('', ' RETURNING a, length(b)')};"

    def select(self):
        one, other = self.table(), self.table()
        return self.pick(
            f"SELECT a, left(b, 10) FROM {one} ORDER BY a;", f"SELECT count(*), max(a) FROM {one} \\gdesc",
            f"SELECT x.a, y.a FROM {one} x LEFT JOIN {other} y ON y.a = x.a + 1 ORDER BY 1, 2;",
            f"SELECT a % 3 AS k, count(*) FROM {one} GROUP BY 1 ORDER BY 1;", f"SELECT a / (a - {self.number()}) FROM {one} ORDER BY a;",
            f"SELECT count(*) FROM {one} WHERE a > {self.literal()};", f"SELECT * FROM {one} ORDER BY a LIMIT 2 FOR UPDATE;",
            "SELECT '2020-02-03 04:05:06+00'::timestamptz, '1 day 02:03'::interval, 0.1::float8 + 0.2, '\\x00ff'::bytea, 'a\\b';")

    def several(self):
        parts = [self.pick(self.insert, self.select, self.update, self.show)() for _ in range(self.random.randint(2, 4))]
        whole = [part.split("\\gdesc")[0].rstrip("; ") for part in parts]
        return " \\; ".join(whole + ([self.pick("SELECT 1/0", "SELECT 'last'", "")])) + ";"

    def transaction(self):
        name = self.pick("a", "b")
        return self.pick("BEGIN;", "BEGIN READ ONLY;", "COMMIT;", "COMMIT;", "ROLLBACK;", f"SAVEPOINT {name};", f"ROLLBACK TO {name};",
                         f"RELEASE {name};", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE;", "COMMIT AND CHAIN;")

    def set(self):
        name = self.pick(*SETTINGS)
        value = self.pick(*SETTINGS[name])
        quoted = value if value.startswith("'") else "'" + value + "'"
        return self.pick(f"SET {name} TO {value};", f"SET {name} TO {value};", f"SET LOCAL {name} TO {value};", f"RESET {name};",
                         f"SET {name} TO DEFAULT;", f"SELECT set_config('{name}', {quoted}, {self.pick('true', 'false')});",
                         self.pick("RESET ALL;", "DISCARD ALL;", "SET ROLE app_trust;", "RESET ROLE;", "SELECT current_user;"))

    def show(self):
        return f"SHOW {self.pick(*SETTINGS)};"

    def prepared(self):
        name = f"p{self.number(3)}"
        return self.pick(f"PREPARE {name} (int) AS SELECT a, left(b, 5) FROM {self.table()} WHERE a > $1 ORDER BY a;",
                         f"PREPARE {name} (int) AS SELECT {self.number()}, $1;", f"EXECUTE {name} ({self.number()});",
                         f"EXECUTE {name} ({self.number()});", f"EXECUTE {name} ('x');", f"DEALLOCATE {name};",
                         f"PREPARE {name} (int) AS INSERT INTO {self.table()} VALUES ($1, 'prepared') RETURNING a;",
                         self.pick("DEALLOCATE ALL;", f"EXECUTE {name};"))

    def cursor(self):
        name = f"c{self.number(2)}"
        return self.pick(f"DECLARE {name} CURSOR FOR SELECT a FROM {self.table()} ORDER BY a;", f"FETCH {self.number(4)} FROM {name};",
                         f"DECLARE {name} SCROLL CURSOR WITH HOLD FOR SELECT i FROM generate_series(1, 9) i;",
                         f"FETCH BACKWARD 1 FROM {name};", f"MOVE 2 IN {name};", f"CLOSE {name};", "CLOSE ALL;")

    def copy(self):
        rows = "".join(f"{self.pick(self.number(), self.number() + 100, 'bad', chr(92) + 'N')}\tcopied\n" for _ in range(self.number(5)))
        return self.pick(f"COPY {self.table()} FROM STDIN;\n{rows}\\.", f"COPY (SELECT a, b FROM {self.table()} ORDER BY a) TO STDOUT;",
                         f"COPY (SELECT 10 / (a - {self.number()}) FROM {self.table()} ORDER BY a) TO STDOUT WITH (FORMAT csv);")

    def owned(self):
        table, key = f"temp{self.number(1)}", self.number(2)
        return self.pick(f"CREATE TEMP TABLE {table} (a int);", f"INSERT INTO {table} VALUES ({self.number()});",
                         f"SELECT count(*) FROM {table};", f"DROP TABLE {table};", "DISCARD TEMP;",
                         f"SELECT pg_try_advisory_lock({key});", f"SELECT pg_advisory_unlock({key});", "SELECT pg_advisory_unlock_all();",
                         "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();",
                         f"LISTEN ch{key};", f"NOTIFY ch{key}, 'n{self.number()}';", f"UNLISTEN ch{key};", "UNLISTEN *;",
                         "SELECT * FROM pg_listening_channels() ORDER BY 1;")

    def define(self):
        table = self.table()
        return self.pick(f"ALTER TABLE {table} ADD COLUMN extra int;", f"ALTER TABLE {table} DROP COLUMN IF EXISTS extra;",
                         f"CREATE INDEX ON {table} (b);", f"TRUNCATE {table};", f"CREATE TABLE {table} (a int);", f"VACUUM {table};",
                         f"DROP TABLE IF EXISTS gone; CREATE TABLE gone AS SELECT a FROM {table};", f"ANALYZE {table};")

    def block(self):
        return self.pick("DO $$ BEGIN RAISE NOTICE 'noted'; RAISE WARNING 'warned'; END $$;", "SELECT quietly('app.mark', 'quiet');",
                         f"DO $$ BEGIN INSERT INTO {self.table()} VALUES ({self.number()}, 'block'); END $$;",
                         "DO $$ BEGIN PERFORM set_config('work_mem', '9MB', false); END $$;", "CALL steps();",
                         "DO $$ BEGIN EXECUTE 'PREPARE p0 AS SELECT 1'; END $$;", "SELECT quietly('work_mem', '10MB');",
                         f"DO $$ BEGIN PERFORM pg_advisory_lock({self.number(2)}); END $$;")

    def error(self):
        return self.pick(*ERRORS)

    def script(self, count):
        """A script of about `count` statements, the making of its tables first."""
        kinds = (self.insert,) * 4 + (self.select,) * 5 + (self.transaction,) * 5 + (self.set,) * 4 + (self.show,) * 3 + \
            (self.prepared,) * 4 + (self.cursor,) * 2 + (self.update, self.delete, self.several, self.copy, self.owned, self.owned,
                                                        self.define, self.block, self.error)
        lines = ["SET app.mark TO 'known'; RESET app.mark;"]  # to the end of a connection it has an empty value, pooled or not
        lines += [f"CREATE TABLE {table} (a int PRIMARY KEY, b text);" for table in TABLES]
        lines.append("CREATE FUNCTION quietly(text, text) RETURNS text LANGUAGE plpgsql AS "
                     "$$ BEGIN PERFORM set_config($1, $2, false); RETURN current_setting($1); END $$;")
        lines.append("CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t1 VALUES (77, 'step') "
                     "ON CONFLICT DO NOTHING; COMMIT; RAISE NOTICE 'stepped'; END $$;")
        lines += [self.random.choice(kinds)() for _ in range(count)]
        lines.append("ROLLBACK; DISCARD ALL; DROP TABLE t1, t2, t3; DROP TABLE IF EXISTS gone; DROP FUNCTION quietly; DROP PROCEDURE steps;")
        return "\n".join(lines) + "\n"
