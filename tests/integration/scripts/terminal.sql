-- What psql does by itself: descriptions, formats, variables, conditions, loops.
\d
\dt
\d items
\d+ items
\di+ items_pkey
\df peek
\dT+ mood
\l shop
\dn
\du app_*
\db
\dC point
\do ||
\dF english
\dd nothing
\dew
\x
SELECT * FROM items ORDER BY id LIMIT 2;
\x
\a
SELECT id, name FROM items ORDER BY id LIMIT 2;
\a
\t
SELECT id, name FROM items ORDER BY id LIMIT 2;
\t
\f ';'
\pset format csv
SELECT id, name FROM items ORDER BY id LIMIT 2;
\pset format html
SELECT id, name FROM items ORDER BY id LIMIT 2;
\pset format asciidoc
SELECT id, name FROM items ORDER BY id LIMIT 2;
\pset format latex
SELECT id, name FROM items ORDER BY id LIMIT 2;
\pset format wrapped
\pset columns 40
SELECT repeat('wide ', 20) AS wide, id FROM items ORDER BY id LIMIT 1;
\pset format aligned
\pset null '(null)'
SELECT NULL, '' AS empty;
\pset border 2
\pset linestyle unicode
SELECT id, name FROM items ORDER BY id LIMIT 2;
\pset border 1
\pset linestyle ascii
\pset null ''
SELECT id % 3 AS row, id % 4 AS col, count(*) FROM items GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
SELECT id % 2 AS r, id % 3 AS c, id FROM items WHERE id < 20 ORDER BY id \crosstabview r c id
SELECT i % 2 AS r, i AS c, i * i AS v FROM generate_series(1, 6) i \crosstabview r c v
SELECT 1 \crosstabview
\set a 'it''s'
SELECT :'a', :"a";
\set n 5
SELECT * FROM items WHERE id < :n ORDER BY id;
SELECT count(*) AS c FROM items \gset
\if :c
\echo some :c
\else
\echo none
\endif
\if false
SELECT 'not run';
\elif true
SELECT 'run';
\endif
SELECT 'SELECT ' || i AS q FROM generate_series(1, 5) i \gexec
SELECT 'SELECT 1/0' UNION ALL SELECT 'SELECT 2' \gexec
SELECT id, name FROM items WHERE id = 3 \gx
SELECT id, name, price * 2, made::date FROM items \gdesc
SELECT 1, 'x', NULL, now(), ARRAY[1] \gdesc
INSERT INTO nowhere VALUES (1) \gdesc
SELECT 'buffer'
\p
\r
SELECT 'whole' \g
SELECT 'piped' \g | cat
SELECT 1 AS "Column With Spaces" \g (format=csv tuples_only=off)
\o out.txt
SELECT 'to a file';
\o
\! cat out.txt
\qecho plain
\warn to the errors
\encoding
\encoding LATIN1
\encoding
SHOW client_encoding;
\encoding UTF8
\timing off
\conninfo nonsense
\sv nothing
\errverbose
\unset n
SELECT :n;
\nonsense
SELECT 1; SELECT 2; \echo after
SELECT 1 \; SELECT 2 \g
\set SHOW_ALL_RESULTS off
SELECT 1 \; SELECT 2;
\set SHOW_ALL_RESULTS on
\set QUIET on
CREATE TABLE quiet (a int); INSERT INTO quiet VALUES (1); DROP TABLE quiet;
\set QUIET off
\echo :SERVER_VERSION_NUM :ENCODING :DBNAME :USER
\c - - - -
SELECT 'again';
\c no_such_database
SELECT 'still here';
