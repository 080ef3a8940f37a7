#include "protocol/postgres/analyser.hpp"

#include <doctest/doctest.h>

#include <ostream>
#include <string>

// One row per claim: what a text is without any knowledge of the database.
namespace protocol::postgres {
namespace {

using enum StatementClass;

struct ClassRow {
  const char* text;
  StatementClass statement_class;
};

constexpr ClassRow class_rows[] = {
    // What reads.
    {"SELECT 1", read},
    {"select abalance from pgbench_accounts where aid = 12345", read},
    {"VALUES (1, 'a'), (2, 'b')", read},
    {"TABLE t", read},
    {"SELECT", read},
    {"", read},
    {" ;; -- nothing\n", read},
    {"/* nothing */", read},
    {"SELECT * FROM t WHERE a IN (1, 2, 3) AND b LIKE 'x%' ORDER BY c DESC LIMIT 10 OFFSET 5", read},
    {"SELECT count(*), sum(a), max(b) FILTER (WHERE c) FROM t GROUP BY GROUPING SETS ((a), (b)) HAVING "
     "avg(a) > 1",
     read},
    {"SELECT rank() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t", read},
    {"SELECT now(), current_timestamp, current_user, localtime, session_user", read},
    {"SELECT lower(a) COLLATE \"C\", extract(year FROM b), substring(a FROM 1 FOR 2), trim(a), position('x' "
     "IN a) FROM t",
     read},
    {"SELECT a::int, CAST(b AS text), coalesce(c, 1), nullif(d, 2), greatest(e, f), a AT TIME ZONE 'UTC' "
     "FROM t",
     read},
    {"SELECT * FROM generate_series(1, 10) g, LATERAL (SELECT g) x", read},
    {"SELECT * FROM a JOIN b USING (id) LEFT JOIN c ON a.x = c.x WHERE EXISTS (SELECT 1 FROM d) AND y = "
     "ANY(ARRAY[1,2])",
     read},
    {"WITH x AS (SELECT 1) SELECT * FROM x", read},
    {"WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 5) SELECT * FROM x", read},
    {"SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT (SELECT 4)", read},
    {"SELECT random()", write},
    {"SELECT clock_timestamp(), now()", write},
    {"SELECT pg_sleep(0.1)", write},
    {"SELECT pg_catalog.lower('A')", read},
    {"SELECT a[1:2], (b).c, ROW(1, 2), CASE WHEN a THEN 1 ELSE 2 END, NOT a IS NULL FROM t", read},
    {"SELECT * FROM t TABLESAMPLE bernoulli (10)", read},
    {"SELECT a FROM t ORDER BY b USING <", read},
    {"SELECT 1 OPERATOR(pg_catalog.+) 2", read},
    {"SELECT 1 +++ 2", read},
    {"SELECT version(), current_setting('x'), inet_server_addr()", read},
    {"SELECT 'a' 'b' FROM t; SELECT 2", unknown},
    {"SELECT 'a'\n'b' FROM t; SELECT 2", read},
    {"COPY t TO STDOUT", read},
    {"COPY (SELECT * FROM t) TO STDOUT WITH (FORMAT csv)", read},
    {"EXPLAIN SELECT 1", read},
    {"EXPLAIN DELETE FROM t", read},
    {"EXPLAIN (VERBOSE, COSTS off) INSERT INTO t VALUES (nextval('s'))", read},
    {"EXPLAIN ANALYZE SELECT 1", read},
    {"EXPLAIN (ANALYZE false) DELETE FROM t", read},
    {"EXPLAIN (ANALYZE off) DELETE FROM t", read},
    {"EXPLAIN (ANALYZE 0) DELETE FROM t", read},
    {"DECLARE c CURSOR FOR SELECT 1", read},
    // What writes.
    {"INSERT INTO t VALUES (1)", write},
    {"UPDATE t SET a = 1", write},
    {"DELETE FROM t", write},
    {"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", write},
    {"WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", write},
    {"WITH x AS (INSERT INTO t VALUES (1)) SELECT 1", write},
    {"SELECT * FROM (WITH x AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM x) y", write},
    {"SELECT * FROM t FOR UPDATE", write},
    {"SELECT * FROM t FOR NO KEY UPDATE", write},
    {"SELECT * FROM t FOR SHARE", write},
    {"SELECT * FROM t FOR KEY SHARE OF t SKIP LOCKED", write},
    {"SELECT * FROM (SELECT * FROM t FOR UPDATE) x", write},
    {"SELECT (SELECT a FROM t LIMIT 1 FOR SHARE)", write},
    {"SELECT nextval('s')", write},
    {"SELECT currval('s'), lastval()", write},
    {"SELECT setval('s', 1)", write},
    {"SELECT my_function(1)", write},
    {"SELECT public.lower('A')", write},
    {"SELECT * FROM my_function(1)", write},
    {"SELECT * FROM ROWS FROM (generate_series(1, 2), my_function())", write},
    {"SELECT 1 WHERE my_function()", write},
    {"SELECT 1 ORDER BY my_function()", write},
    {"SELECT 1 LIMIT my_function()", write},
    {"SELECT 1 GROUP BY my_function()", write},
    {"SELECT 1 HAVING my_function()", write},
    {"SELECT sum(my_function())", write},
    {"SELECT sum(a) FILTER (WHERE my_function()) FROM t", write},
    {"SELECT sum(a) OVER (ORDER BY my_function()) FROM t", write},
    {"SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY my_function())", write},
    {"SELECT DISTINCT ON (my_function()) a FROM t", write},
    {"SELECT a FROM t JOIN u ON my_function()", write},
    {"SELECT CASE WHEN my_function() THEN 1 END", write},
    {"SELECT CASE my_function() WHEN 1 THEN 1 END", write},
    {"SELECT ARRAY[my_function()]", write},
    {"SELECT a[my_function()] FROM t", write},
    {"SELECT (my_function()).a", write},
    {"SELECT my_function()::text", write},
    {"SELECT ROW(my_function())", write},
    {"SELECT COALESCE(a, my_function()) FROM t", write},
    {"SELECT GREATEST(a, my_function()) FROM t", write},
    {"SELECT a BETWEEN 1 AND my_function() FROM t", write},
    {"SELECT a IN (1, my_function()) FROM t", write},
    {"SELECT my_function() IS NULL", write},
    {"SELECT my_function() COLLATE \"C\"", write},
    {"SELECT * FROM t TABLESAMPLE my_method (10)", write},
    {"SELECT * FROM t TABLESAMPLE bernoulli (my_function())", write},
    {"SELECT xmlelement(name a, my_function())", write},
    {"SELECT xmlserialize(content my_function() AS text)", write},
    {"SELECT * FROM xmltable('/a' PASSING my_function() COLUMNS b int)", write},
    {"SELECT * FROM t, LATERAL (SELECT my_function()) x", write},
    {"VALUES (my_function())", write},
    {"WITH x AS MATERIALIZED (SELECT my_function()) SELECT 1", write},
    {"SELECT 1 UNION SELECT my_function()", write},
    {"SELECT 1 <+> 2", write},
    {"SELECT 1 OPERATOR(public.+) 2", write},
    {"SELECT a FROM t ORDER BY b USING <<<", write},
    {"SELECT 1 <<< ANY (SELECT 2)", write},
    {"SELECT txid_current()", write},
    {"SELECT pg_current_xact_id()", write},
    {"SELECT pg_export_snapshot()", write},
    {"SELECT pg_backend_pid()", write},
    {"SELECT pg_notify('a', 'b')", write},
    {"SELECT pg_advisory_xact_lock(1)", write},
    {"SELECT pg_terminate_backend(1)", write},
    {"SELECT lo_create(0)", write},
    {"SELECT dblink_exec('x', 'y')", write},
    {"SELECT query_to_xml('DELETE FROM t', true, true, '')", write},
    {"SELECT table_to_xml('v', true, true, '')", write},
    {"SELECT * FROM pg_locks", write},
    {"SELECT * FROM pg_catalog.pg_prepared_xacts", write},
    {"SELECT set_config('a.b', 'c', true)", write},
    {"COPY t FROM STDIN", write},
    {"COPY t TO '/tmp/x'", write},
    {"COPY t TO PROGRAM 'cat'", write},
    {"COPY (DELETE FROM t RETURNING *) TO STDOUT", write},
    {"COPY (SELECT nextval('s')) TO STDOUT", write},
    {"EXPLAIN ANALYZE DELETE FROM t", write},
    {"EXPLAIN (ANALYZE) SELECT nextval('s')", write},
    {"EXPLAIN (ANALYZE true) DELETE FROM t", write},
    {"EXPLAIN (ANALYZE 1) DELETE FROM t", write},
    {"EXPLAIN (ANALYZE 'on') DELETE FROM t", write},
    {"DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE", write},
    {"CALL p(1)", write},
    {"DO $$ BEGIN NULL; END $$", write},
    {"LOCK TABLE t", write},
    {"NOTIFY a, 'b'", write},
    {"CHECKPOINT", write},
    {"COMMIT PREPARED 'x'", write},
    {"ROLLBACK PREPARED 'x'", write},
    {"EXECUTE p(nextval('s'))", write},
    {"SELECT 1; DELETE FROM t", write},
    {"BEGIN; SELECT 1", write},
    {"SELECT 1; COMMIT", write},
    // What defines.
    {"SELECT 1 INTO t", schema_change},
    {"SELECT * INTO TEMP t FROM u", schema_change},
    {"CREATE TABLE t (a int)", schema_change},
    {"CREATE TABLE t AS SELECT 1", schema_change},
    {"CREATE VIEW v AS SELECT 1", schema_change},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", schema_change},
    {"DROP TABLE t", schema_change},
    {"ALTER TABLE t ADD b int", schema_change},
    {"TRUNCATE t", schema_change},
    {"GRANT SELECT ON t TO u", schema_change},
    {"VACUUM t", schema_change},
    {"ANALYZE", schema_change},
    {"REINDEX TABLE t", schema_change},
    {"CLUSTER", schema_change},
    {"REFRESH MATERIALIZED VIEW v", schema_change},
    {"COMMENT ON TABLE t IS 'x'", schema_change},
    {"CREATE USER u", schema_change},
    {"ALTER SYSTEM SET work_mem = 1", schema_change},
    {"EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", schema_change},
    {"SELECT 1; DROP TABLE t; SELECT 2", schema_change},
    // What concerns the session.
    {"SHOW search_path", session},
    {"SET a.b = 1", session},
    {"SET LOCAL a.b = 1", session},
    {"RESET ALL", session},
    {"DISCARD ALL", session},
    {"PREPARE p AS DELETE FROM t", session},
    {"DEALLOCATE p", session},
    {"LISTEN a", session},
    {"UNLISTEN *", session},
    {"LOAD 'x'", session},
    {"FETCH 10 FROM c", session},
    {"MOVE 10 FROM c", session},
    {"CLOSE c", session},
    {"SET TRANSACTION READ ONLY", session},
    {"SET CONSTRAINTS ALL DEFERRED", session},
    {"SET a.b = 1; SELECT 1", session},
    // What concerns the transaction.
    {"BEGIN", transaction_control},
    {"START TRANSACTION READ ONLY", transaction_control},
    {"COMMIT", transaction_control},
    {"END", transaction_control},
    {"ABORT", transaction_control},
    {"ROLLBACK AND CHAIN", transaction_control},
    {"SAVEPOINT a", transaction_control},
    {"RELEASE a", transaction_control},
    {"ROLLBACK TO a", transaction_control},
    {"PREPARE TRANSACTION 'x'", transaction_control},
    // What is not understood.
    {"SELEC 1", unknown},
    {"SELECT 'open", unknown},
    {"SELECT /* open", unknown},
    {"SELECT \"open", unknown},
    {"SELECT $$ open", unknown},
    {"SELECT 1 }", unknown},
    {"EXECUTE p", unknown},
    {"EXPLAIN EXECUTE p", unknown},
    {"SELECT 'C:\\'", unknown},
    {"SELECT '\\'' ; DELETE FROM t; --'", unknown},
    // Where literals and comments end.
    {"SELECT 'DELETE FROM t'", read},
    {"SELECT 1 -- DELETE FROM t", read},
    {"SELECT 1 /* ; /* nested */ DELETE FROM t */", read},
    {"SELECT $$; DELETE FROM t$$", read},
    {"SELECT $a$ $$ $b$; DELETE FROM t; $a$", read},
    {"SELECT E'\\'; DELETE FROM t; --'", read},
    {"SELECT 'a\\_b', 'c\\\\'", read},
    {"SELECT U&'d\\0061t', U&\"d\\0061t\" FROM t", read},
    {"SELECT 1 \"; DELETE FROM t\"", read},
    {"SELECT 'it''s'; DELETE FROM t", write},
    {"SELECT 2*/* c */3", read},
    {"SELECT 2--3\n", read},
    {"S\xc3\xa4", unknown},
    {"SELECT s\xc3\xa4ule FROM stra\xc3\x9f"
     "e",
     read},
};

TEST_CASE("analyser: text → class") {
  Analyser analyser;
  for (const ClassRow& row : class_rows) {
    CAPTURE(std::string(row.text));
    const Analysis analysis = analyser.analyse(row.text);
    CAPTURE(analysis.facts->because);
    CHECK(name_of(analysis.facts->statement_class) == name_of(row.statement_class));
    CHECK(analysis.facts->because.empty() == (row.statement_class == read));
  }
}

TEST_CASE("analyser: text that was seen before → the same facts from either cache") {
  Analyser analyser;
  for (int round = 0; round < 3; ++round) {
    for (const ClassRow& row : class_rows) {
      CAPTURE(std::string(row.text));
      CHECK(name_of(analyser.analyse(row.text).facts->statement_class) == name_of(row.statement_class));
    }
  }
  CHECK(analyser.counters().text_hits > 0);
  CHECK(analyser.counters().fingerprint_hits > 0);
}

}  // namespace
}  // namespace protocol::postgres
