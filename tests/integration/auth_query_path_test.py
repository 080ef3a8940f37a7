"""auth_query where somebody has laid traps in the asker's search_path: the secrets are those of the server's own catalogue."""

import psycopg2

import proxy
from access_test import OTHER_KEY, PASSWORD, SAME
from clusters import house
from through import Through

TRAPS = f"""
CREATE SCHEMA traps;
CREATE VIEW traps.pg_shadow AS SELECT 'trapped'::name AS usename, '{OTHER_KEY}'::text AS passwd, NULL::timestamptz AS valuntil;
CREATE FUNCTION traps.date_part(text, timestamptz) RETURNS double precision LANGUAGE sql AS 'SELECT 1e9::double precision';
CREATE FUNCTION traps.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1999-01-01'::timestamptz $$;
CREATE FUNCTION traps.wrong(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR traps.= (LEFTARG = name, RIGHTARG = text, FUNCTION = traps.wrong);
CREATE ROLE trapped LOGIN PASSWORD '{SAME}';
CREATE ROLE trapped_late LOGIN PASSWORD '{SAME}' VALID UNTIL '2001-01-01';
ALTER ROLE postgres IN DATABASE shop SET search_path = traps, pg_catalog;
"""
ENDS = ("ALTER ROLE postgres IN DATABASE shop RESET search_path; DROP SCHEMA IF EXISTS traps CASCADE; "
        "DROP ROLE IF EXISTS trapped; DROP ROLE IF EXISTS trapped_late")


class Traps(Through):
    @classmethod
    def settings(cls):
        for cluster in house().both:
            cls.addClassCleanup(cluster.query, ENDS)
            cluster.query(TRAPS)
        pair = proxy.pair(auth_query={"user": "postgres", "database": "shop", "cache": "0s", "cache_unknown": "0s"})
        del pair["users"]
        return proxy.configuration(pair)

    def try_as(self, user, password):
        try:
            self.connect(user, password=password).close()
            return "in"
        except psycopg2.OperationalError as error:
            return "refused" if "password authentication failed" in str(error) else str(error)

    def test_traps(self):
        """a view, functions and an operator in front of pg_catalog → the true password lets in, the trap's and an expired one do not"""
        self.assertEqual(self.try_as("trapped", PASSWORD), "in")
        self.assertEqual(self.try_as("trapped", PASSWORD + "!"), "refused")
        self.assertEqual(self.try_as("trapped_late", PASSWORD), "refused")
