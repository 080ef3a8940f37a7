-- COPY in and out, every format, errors in the middle, \copy, in transactions.
CREATE TABLE sink (id int PRIMARY KEY, body text DEFAULT 'default', n numeric);
COPY sink FROM STDIN;
1	one	1.5
2	t\two	\N
3	back\\slash	3
\.
COPY sink (id, body) FROM STDIN WITH (FORMAT csv, HEADER, QUOTE '''', NULL 'nil');
id,body
4,'quoted, with comma'
5,nil
6,""
\.
COPY sink (id) FROM STDIN;
\.
COPY sink TO STDOUT;
COPY (SELECT * FROM sink ORDER BY id DESC) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE (body), DELIMITER ';');
COPY sink (n, id) TO STDOUT WITH (DELIMITER '|', NULL '<null>');
COPY sink FROM STDIN;
7	seven	7
seven	not a number	7
8	eight	8
\.
SELECT count(*) FROM sink;
COPY sink FROM STDIN;
9	too	1	many
\.
COPY sink FROM STDIN;
1	duplicate	1
\.
COPY sink FROM STDIN;
10
\.
COPY missing FROM STDIN;
11	lost	1
\.
SELECT 'lines above were the text of a failed COPY';
COPY sink (nope) FROM STDIN;
COPY sink FROM '/no/such/file';
COPY (SELECT 1/0) TO STDOUT;
COPY (SELECT id / (id - 3) FROM sink ORDER BY id) TO STDOUT;
BEGIN;
COPY sink FROM STDIN;
20	twenty	20
\.
SELECT count(*) FROM sink;
ROLLBACK;
SELECT count(*) FROM sink;
BEGIN;
COPY sink FROM STDIN;
twenty	bad	1
\.
SELECT count(*) FROM sink;
COMMIT;
SAVEPOINT outside;
BEGIN;
SAVEPOINT a;
COPY sink FROM STDIN;
x
\.
ROLLBACK TO a;
COPY sink FROM STDIN;
30	thirty	30
\.
COMMIT;
SELECT * FROM sink ORDER BY id;
\copy sink TO STDOUT
\copy (SELECT body FROM sink WHERE id < 4 ORDER BY id) TO STDOUT WITH (FORMAT csv)
\copy sink FROM STDIN
40	forty	40
\.
\copy sink TO 'sink.copied'
TRUNCATE sink;
\copy sink FROM 'sink.copied'
SELECT count(*), sum(id) FROM sink;
\copy sink FROM 'sink.copied'
\copy sink TO 'sink.binary' WITH (FORMAT binary)
DELETE FROM sink;
\copy sink FROM 'sink.binary' WITH (FORMAT binary)
SELECT count(*), sum(id) FROM sink;
\copy sink FROM 'sink.copied' WITH (FORMAT binary)
\copy sink FROM 'no.such.file'
\copy missing FROM 'sink.copied'
\copy sink FROM PROGRAM 'seq 101 103'
\copy (SELECT generate_series(1, 20000)) TO 'many.copied'
CREATE TABLE many (i int);
\copy many FROM 'many.copied'
SELECT count(*), sum(i) FROM many;
COPY many TO STDOUT \; SELECT 'no';
COPY (SELECT 'first') TO STDOUT \; COPY (SELECT 'second') TO STDOUT \; SELECT 'third';
COPY sink (id) FROM STDIN \; SELECT count(*) FROM sink;
200
201
\.
CREATE FUNCTION no_fives() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.i % 5 = 0 THEN RETURN NULL; END IF; IF new.i > 100 THEN RAISE EXCEPTION 'too large: %', new.i; END IF; RETURN new; END $$;
CREATE TRIGGER no_fives BEFORE INSERT ON many FOR EACH ROW EXECUTE FUNCTION no_fives();
TRUNCATE many;
COPY many FROM STDIN;
1
5
6
\.
SELECT * FROM many ORDER BY i;
COPY many FROM STDIN;
7
101
8
\.
SELECT * FROM many ORDER BY i;
COPY many FROM STDIN WHERE i > 2;
2
3
\.
SELECT * FROM many ORDER BY i;
COPY many TO STDOUT WITH (FORMAT nonsense);
COPY sink TO STDOUT WITH (FORMAT csv, ENCODING 'LATIN1');
SET client_encoding TO LATIN1;
COPY (SELECT 'plain') TO STDOUT;
RESET client_encoding;
DROP TABLE sink, many;
DROP FUNCTION no_fives;
