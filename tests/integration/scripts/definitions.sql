-- Data definition: made, changed, described, dropped; with and without transactions.
CREATE SCHEMA sales;
CREATE TABLE sales.customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text UNIQUE, since date DEFAULT '2020-01-01');
CREATE TABLE sales.orders (id bigserial PRIMARY KEY, customer int NOT NULL REFERENCES sales.customers ON DELETE CASCADE, total numeric(10, 2) CHECK (total >= 0), net numeric GENERATED ALWAYS AS (total * 0.8) STORED);
CREATE INDEX orders_customer ON sales.orders (customer) WHERE total > 10;
CREATE UNIQUE INDEX ON sales.customers (lower(name));
CREATE INDEX CONCURRENTLY orders_total ON sales.orders (total DESC NULLS LAST);
BEGIN; CREATE INDEX CONCURRENTLY never ON sales.orders (id); ROLLBACK;
CREATE VIEW sales.big AS SELECT c.name, o.total FROM sales.orders o JOIN sales.customers c ON c.id = o.customer WHERE o.total > 100;
CREATE MATERIALIZED VIEW sales.sums AS SELECT customer, sum(total) FROM sales.orders GROUP BY customer WITH NO DATA;
SELECT * FROM sales.sums;
CREATE SEQUENCE sales.numbers START 100 INCREMENT 5 MAXVALUE 110;
SELECT nextval('sales.numbers'), nextval('sales.numbers'), nextval('sales.numbers');
SELECT nextval('sales.numbers');
SELECT currval('sales.numbers'), lastval();
SELECT setval('sales.numbers', 100, false), nextval('sales.numbers');
INSERT INTO sales.customers (name, email) VALUES ('Ann', 'a@x'), ('Bob', 'b@x') RETURNING id, name;
INSERT INTO sales.customers (name, email) VALUES ('ann', 'c@x');
INSERT INTO sales.customers (id, name) VALUES (7, 'Seven');
INSERT INTO sales.customers (id, name) OVERRIDING SYSTEM VALUE VALUES (7, 'Seven') RETURNING *;
INSERT INTO sales.orders (customer, total) VALUES (1, 50), (1, 150), (2, 250) RETURNING *;
INSERT INTO sales.orders (customer, total) VALUES (99, 1);
INSERT INTO sales.orders (customer, total) VALUES (1, -1);
INSERT INTO sales.orders (customer, net) VALUES (1, 1);
REFRESH MATERIALIZED VIEW sales.sums;
SELECT * FROM sales.sums ORDER BY 1;
SELECT * FROM sales.big ORDER BY 1, 2;
\d sales.customers
\d+ sales.orders
\d sales.big
\d+ sales.sums
\ds sales.*
\di sales.*
\dn+ sales
ALTER TABLE sales.orders ADD COLUMN note text DEFAULT 'none', ADD COLUMN flag bool;
ALTER TABLE sales.orders ALTER COLUMN note TYPE varchar(20), ALTER flag SET DEFAULT true, ALTER total SET NOT NULL;
ALTER TABLE sales.orders RENAME COLUMN note TO remark;
ALTER TABLE sales.orders ADD CONSTRAINT short CHECK (length(remark) < 10) NOT VALID;
ALTER TABLE sales.orders VALIDATE CONSTRAINT short;
ALTER TABLE sales.orders DROP COLUMN customer;
\d sales.orders
SELECT * FROM sales.orders ORDER BY id;
ALTER TABLE sales.orders DROP COLUMN missing;
ALTER TABLE sales.orders DROP COLUMN IF EXISTS missing;
DROP TABLE sales.customers;
DROP TABLE sales.customers CASCADE;
DROP SCHEMA sales;
DROP SCHEMA sales CASCADE;
DROP TABLE IF EXISTS sales.gone;
CREATE TABLE parts (id int, made date, body text) PARTITION BY RANGE (made);
CREATE TABLE parts_2020 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parts_2021 PARTITION OF parts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY HASH (id);
CREATE TABLE parts_2021_a PARTITION OF parts_2021 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_2021_b PARTITION OF parts_2021 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT i, '2020-01-01'::date + i, 'row ' || i FROM generate_series(0, 700, 100) i;
INSERT INTO parts VALUES (1, '2030-01-01', 'nowhere');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
INSERT INTO parts VALUES (1, '2030-01-01', 'rest');
SELECT tableoid::regclass, * FROM parts ORDER BY made;
UPDATE parts SET made = made + 365 WHERE id = 0 RETURNING tableoid::regclass, made;
EXPLAIN (COSTS OFF) SELECT * FROM parts WHERE made = '2020-05-05';
\d+ parts
ALTER TABLE parts DETACH PARTITION parts_2020;
SELECT count(*) FROM parts;
DROP TABLE parts, parts_2020;
BEGIN;
CREATE TABLE undone (a int);
INSERT INTO undone VALUES (1);
SELECT * FROM undone;
ROLLBACK;
SELECT * FROM undone;
BEGIN;
CREATE TABLE done (a int);
COMMIT;
COMMENT ON TABLE done IS 'it is';
COMMENT ON COLUMN done.a IS 'a column';
\dt+ done
\d+ done
CREATE TABLE done (a int);
CREATE TABLE IF NOT EXISTS done (a int);
CREATE TABLE copied (LIKE done INCLUDING ALL);
CREATE TABLE child () INHERITS (done);
INSERT INTO child VALUES (5);
SELECT * FROM done;
SELECT * FROM ONLY done;
DROP TABLE done;
DROP TABLE copied, child, done;
CREATE RULE;
CREATE TABLE ruled (a int);
CREATE RULE quiet AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE RULE twice AS ON INSERT TO ruled WHERE new.a > 0 DO ALSO SELECT 'also', new.a;
INSERT INTO ruled VALUES (1), (2);
DELETE FROM ruled;
SELECT * FROM ruled;
DROP TABLE ruled;
CREATE STATISTICS nothing ON a, b FROM missing;
CREATE COLLATION plain (provider = libc, locale = 'C');
SELECT 'a' < 'B' COLLATE plain;
DROP COLLATION plain;
CREATE CAST (text AS point) WITH INOUT;
SELECT '(1,2)'::text::point;
DROP CAST (text AS point);
CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq);
SELECT 1 === 1, 1 === 2;
DROP OPERATOR === (int, int);
CREATE AGGREGATE product (int) (sfunc = int4mul, stype = int, initcond = '1');
SELECT product(i) FROM generate_series(1, 6) i;
DROP AGGREGATE product (int);
VACUUM;
BEGIN; VACUUM; ROLLBACK;
ANALYZE;
REINDEX TABLE pg_type;
CHECKPOINT;
CREATE EXTENSION hstore;
SELECT 'a=>1, b=>NULL'::hstore -> 'a', 'a=>1'::hstore || 'c=>"x y"';
\dx hstore
DROP EXTENSION hstore;
CREATE EXTENSION no_such_extension;
CREATE DATABASE within_a_transaction_no; DROP DATABASE within_a_transaction_no;
BEGIN; CREATE DATABASE never; COMMIT;
ALTER SYSTEM SET no_such_setting TO 1;
