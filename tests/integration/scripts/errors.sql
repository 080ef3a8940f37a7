-- Errors in every place, in full: severity, code, position, detail, hint, context.
\set VERBOSITY verbose
\set SHOW_CONTEXT always
SELEC 1;
SELECT FROM WHERE;
SELECT 'unterminated;
';
SELECT * FROM missing;
SELECT missing FROM pg_class;
SELECT missing();
SELECT 1 + 'x';
SELECT 1 = 'x'::text;
SELECT '1'::int + ARRAY[1];
SELECT a, count(*) FROM (VALUES (1)) t (a);
SELECT 1 UNION SELECT 1, 2;
SELECT 1/0;
SELECT 1/(SELECT 0);
SELECT i / (i - 3) FROM generate_series(1, 5) i;
SELECT * FROM generate_series(1, 3) i WHERE 1 / (i - 2) > 0;
SELECT 'x'::int;
SELECT (SELECT generate_series(1, 2));
SELECT * FROM pg_class, pg_class;
SELECT nextval('missing');
SELECT substring('x' FROM -1 FOR -5);
SELECT to_date('x', 'YYYY-MM-DD');
SELECT '\xzz'::bytea;
SELECT convert_from('\xff', 'UTF8');
SELECT regexp_match('a', '(');
SELECT 'a' LIKE 'a\' ESCAPE '\\';
SELECT lo_get(1);
SELECT $1;
SELECT * FROM pg_sleep('x');
SELECT current_setting('no.such');
SELECT current_setting('no.such', true) IS NULL;
SET no_such_setting TO 1;
SET work_mem TO 'lots';
SET work_mem TO '1kB';
SET TIME ZONE 'Nowhere/Land';
SET client_encoding TO 'nonsense';
SET ROLE nobody_here;
SET SESSION AUTHORIZATION nobody_here;
SET transaction_isolation TO 'chaos';
SHOW no_such_setting;
RESET no_such_setting;
SET max_connections TO 5;
SET log_connections TO on;
DISCARD NOTHING;
LISTEN;
FETCH 1 FROM nothing;
CLOSE nothing;
EXECUTE nothing;
DEALLOCATE nothing;
RELEASE nothing;
ROLLBACK TO nothing;
COMMIT PREPARED 'nothing';
PREPARE TRANSACTION 'nothing';
DO $$ BEGIN PERFORM 1/0; END $$;
DO $$ BEGIN RAISE EXCEPTION 'own %', 'words' USING ERRCODE = 'P0Q99', HINT = 'a hint', DETAIL = 'a detail', TABLE = 't', COLUMN = 'c', CONSTRAINT = 'k', SCHEMA = 's', DATATYPE = 'd'; END $$;
DO $$ BEGIN RAISE NOTICE 'notice'; RAISE INFO 'info'; RAISE WARNING 'warning' USING ERRCODE = '01ABC'; RAISE LOG 'log'; RAISE DEBUG 'debug'; END $$;
SET client_min_messages TO debug1;
DO $$ BEGIN RAISE DEBUG 'seen'; END $$;
SET client_min_messages TO error;
DO $$ BEGIN RAISE WARNING 'unseen'; END $$;
DROP TABLE IF EXISTS never_there;
RESET client_min_messages;
DROP TABLE IF EXISTS never_there;
DO $$ DECLARE x int; BEGIN SELECT i INTO STRICT x FROM generate_series(1, 2) i; END $$;
DO $$ BEGIN ASSERT false, 'asserted'; END $$;
DO LANGUAGE sql $$ SELECT 1 $$;
DO $$ syntax $$;
CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF n = 0 THEN RETURN 1 / n; END IF; RETURN deep(n - 1); END $$;
SELECT deep(3);
CREATE FUNCTION in_sql(n int) RETURNS int LANGUAGE sql AS $$ SELECT 10 / n $$;
SELECT in_sql(0);
CREATE FUNCTION broken() RETURNS int LANGUAGE sql AS $$ SELECT missing $$;
CREATE FUNCTION endless(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN endless(n + 1); END $$;
\set SHOW_CONTEXT never
SET max_stack_depth TO '100kB';
SELECT endless(0);
RESET max_stack_depth;
\set SHOW_CONTEXT always
SET statement_timeout TO '20ms';
SELECT pg_sleep(30);
BEGIN; SELECT pg_sleep(30); SELECT 1; ROLLBACK;
RESET statement_timeout;
SET statement_timeout TO 0;
SELECT 1 \; SELECT 1/0 \; SELECT 2;
SELECT 1 \; SELEC \; SELECT 2;
SELECT 1 \; SELECT missing \; SELECT 2;
\errverbose
BEGIN \; SELECT 1/0;
SELECT 1;
COMMIT;
CREATE TABLE checked (a int CONSTRAINT positive CHECK (a > 0), b int NOT NULL, c int REFERENCES checked (d), d int UNIQUE, EXCLUDE USING btree (a WITH =));
INSERT INTO checked VALUES (-1, 1, NULL, 1);
INSERT INTO checked VALUES (1, NULL, NULL, 1);
INSERT INTO checked VALUES (1, 1, 9, 1);
INSERT INTO checked VALUES (1, 1, NULL, 1);
INSERT INTO checked VALUES (2, 1, NULL, 1);
INSERT INTO checked VALUES (1, 1, NULL, 2);
INSERT INTO checked VALUES (1, 1, NULL, 2, 3);
INSERT INTO checked (a, a) VALUES (1, 1);
UPDATE checked SET b = NULL;
DROP TABLE checked;
GRANT SELECT ON missing TO PUBLIC;
GRANT nonsense ON pg_class TO PUBLIC;
SET ROLE app_trust;
CREATE DATABASE mine;
SELECT * FROM pg_authid;
SELECT pg_read_file('/etc/passwd');
ALTER SYSTEM SET work_mem TO '5MB';
COPY (SELECT 1) TO '/tmp/never';
SET ROLE postgres;
RESET ROLE;
DROP FUNCTION deep, in_sql, endless;
\set VERBOSITY sqlstate
SELECT 1/0;
\set VERBOSITY terse
SELECT missing;
\set VERBOSITY default
SELECT missing;
\set ECHO errors
SELECT 1/0;
\set ECHO all
SELECT 'a' AS "quoted ""name""", 1 AS "ünï";
SELECT 1 AS a, 2 AS a;
SELECT;
\gset
SELECT 1 AS x, NULL AS y \gset p_
\echo :p_x :p_y :{?p_y}
SELECT 1 WHERE false \gset
SELECT * FROM (VALUES (1), (2)) t \gset
\echo :ERROR :SQLSTATE :ROW_COUNT :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
SELECT 1/0;
\echo :ERROR :SQLSTATE :ROW_COUNT :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
