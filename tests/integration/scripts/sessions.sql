-- What a session owns: temporary tables, locks, channels, sequences' last values, large objects.
CREATE TEMP TABLE mine (a int); INSERT INTO mine VALUES (1), (2); SELECT * FROM mine ORDER BY a; SELECT 'other statement'; SELECT count(*) FROM mine;
\d mine
CREATE TEMP TABLE mine (a int);
CREATE TABLE pg_temp.second AS SELECT 7 AS seven; SELECT * FROM second; SELECT * FROM pg_temp.second;
CREATE TEMP VIEW seen AS SELECT a * 2 AS d FROM mine; SELECT * FROM seen ORDER BY d;
CREATE TEMP SEQUENCE counted; SELECT nextval('counted'), nextval('counted'); SELECT currval('counted');
CREATE FUNCTION pg_temp.double(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'; SELECT pg_temp.double(21);
BEGIN; CREATE TEMP TABLE dropped (a int) ON COMMIT DROP; INSERT INTO dropped VALUES (1); SELECT * FROM dropped; COMMIT; SELECT * FROM dropped;
CREATE TEMP TABLE emptied (a int) ON COMMIT DELETE ROWS; BEGIN; INSERT INTO emptied VALUES (1); SELECT * FROM emptied; COMMIT; SELECT * FROM emptied;
SELECT * INTO TEMP into_temp FROM generate_series(1, 3) g; SELECT sum(g) FROM into_temp;
BEGIN; CREATE TEMP TABLE undone (a int); ROLLBACK; SELECT * FROM undone;
CREATE TABLE permanent (a int); CREATE TEMP TABLE permanent (b text); INSERT INTO permanent VALUES ('temp'); SELECT * FROM permanent; DROP TABLE permanent; SELECT * FROM permanent; DROP TABLE permanent;
DISCARD TEMP;
SELECT * FROM mine;
DO $$ BEGIN CREATE TEMP TABLE in_block AS SELECT 5 AS five; END $$;
SELECT * FROM in_block;
DROP TABLE in_block;
CREATE FUNCTION makes_temp() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE hidden AS SELECT 6 AS six; END $$;
SELECT makes_temp();
SELECT * FROM hidden;
SELECT 'between';
SELECT * FROM hidden;
DROP TABLE hidden;
DROP FUNCTION makes_temp;
SELECT pg_advisory_lock(1001), pg_advisory_lock(1001), pg_try_advisory_lock(1002), pg_advisory_lock_shared(1003);
SELECT objid, mode, granted FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY objid;
SELECT pg_advisory_unlock(1001), pg_advisory_unlock(1001), pg_advisory_unlock(1001);
SELECT pg_advisory_unlock_all();
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
BEGIN; SELECT pg_advisory_xact_lock(1004); SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid(); COMMIT; SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
DO $$ BEGIN PERFORM pg_advisory_lock(1005); END $$;
SELECT pg_advisory_unlock(1005);
CREATE FUNCTION locks() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(1006); END $$;
SELECT locks();
SELECT pg_advisory_unlock(1006);
SELECT pg_advisory_unlock(1006);
DROP FUNCTION locks;
LISTEN equal_a;
LISTEN equal_b;
NOTIFY equal_a;
NOTIFY equal_b, 'payload';
SELECT pg_notify('equal_a', 'from a function');
SELECT pg_listening_channels() ORDER BY 1;
BEGIN; NOTIFY equal_a, 'never'; ROLLBACK;
BEGIN; NOTIFY equal_a, 'once'; NOTIFY equal_a, 'once'; NOTIFY equal_a, 'twice'; COMMIT;
UNLISTEN equal_a;
NOTIFY equal_a, 'unheard';
NOTIFY equal_b, 'heard';
BEGIN; LISTEN equal_c; ROLLBACK; SELECT pg_listening_channels() ORDER BY 1;
UNLISTEN *;
NOTIFY equal_b, 'unheard';
SELECT pg_listening_channels();
LISTEN "Quoted Channel";
NOTIFY "Quoted Channel", 'it''s';
DISCARD ALL;
NOTIFY "Quoted Channel", 'unheard';
SELECT pg_notify('', 'x');
SELECT pg_notify(repeat('c', 64), 'x');
SELECT pg_notify('c', repeat('x', 8000));
CREATE SEQUENCE serial_numbers; SELECT lastval(); SELECT currval('serial_numbers'); SELECT nextval('serial_numbers'); SELECT lastval(), currval('serial_numbers');
CREATE TABLE serials (id serial, b text); INSERT INTO serials (b) VALUES ('x'); SELECT lastval(), currval('serials_id_seq'); DISCARD SEQUENCES; SELECT lastval();
DROP TABLE serials; DROP SEQUENCE serial_numbers;
SELECT lo_create(424242);
BEGIN; SELECT lo_open(424242, 131072 | 262144) AS fd \gset
SELECT lowrite(:fd, 'hello large world'); SELECT lo_lseek(:fd, 6, 0), loread(:fd, 5), lo_tell(:fd); SELECT lo_truncate(:fd, 8); SELECT lo_close(:fd); COMMIT;
SELECT lo_get(424242), lo_get(424242, 2, 3); SELECT lo_put(424242, 2, 'XX'); SELECT lo_get(424242);
SELECT lo_open(424242, 131072); SELECT loread(0, 10);
\lo_unlink 424242
SELECT lo_get(424242);
\! printf 'from a file' > object.in
\lo_import object.in 'a comment'
SELECT lo_get(:LASTOID);
\lo_export :LASTOID object.out
\! cat object.out; echo
SELECT count(*), max(obj_description(oid, 'pg_largeobject')) FROM pg_largeobject_metadata;
\lo_unlink :LASTOID
SELECT count(*), max(obj_description(oid, 'pg_largeobject')) FROM pg_largeobject_metadata;
SELECT txid_current() = txid_current(), pg_current_xact_id() = pg_current_xact_id();
BEGIN; SELECT txid_current() = txid_current(); SELECT now() = now(), now() = statement_timestamp(), pg_backend_pid() = pg_backend_pid(); COMMIT;
SELECT pg_is_in_recovery(), current_database() IS NOT NULL, current_catalog = current_database(), inet_server_port() IS NOT NULL;
SELECT setseed(0.25); SELECT 1;
SELECT setseed(0.25), random() < 1;
