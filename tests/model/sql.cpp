#include "tests/model/sql.hpp"

namespace model {

namespace {

std::string number(Random& random, std::size_t from, std::size_t to) { return std::to_string(random.between(from, to)); }

std::string read_statement(Random& random) {
  switch (random.weighted({6, 6, 4, 4, 3, 3, 3, 2, 2, 2})) {
    case 0:
      return random.pick({"SELECT 1", "SELECT NULL::int, '', 'x'", "VALUES (1, 'a'), (2, 'b')", "SELECT",
                          "SELECT 'glad'::text AS \"A b\", 2.50::numeric", "SELECT FROM t", "TABLE v"});
    case 1:
      return "SELECT id, name, amount FROM t WHERE id <= " + number(random, 0, 9) + " ORDER BY id";
    case 2:
      return "SELECT count(*), sum(amount) FROM t WHERE flag";
    case 3:
      return random.pick({"SELECT * FROM t ORDER BY id", "SELECT id, note FROM u ORDER BY id LIMIT 3",
                          "SELECT a, b, d FROM c ORDER BY 1, 2, 3", "SELECT id, name FROM v ORDER BY id DESC",
                          "SELECT '2021-03-04 05:06:07+00'::timestamptz, '1 day 2 hours'::interval, '2020-02-29'::date",
                          "SELECT t.name, u.note FROM t JOIN u ON u.t_id = t.id ORDER BY u.id"});
    case 4:
      return "SELECT g, repeat('x', g) FROM generate_series(1, " + number(random, 0, 30) + ") g";
    case 5:
      return "SELECT repeat('long', " + std::to_string(random.chance(15) ? random.between(2000, 40000) : random.between(1, 900)) + ")";
    case 6:  // an error after some rows
      return "SELECT g, 12 / (" + number(random, 1, 9) + " - g) FROM generate_series(1, 12) g";
    case 7:
      return "SHOW " + random.pick({"datestyle", "timezone", "application_name", "search_path", "work_mem", "client_encoding",
                                    "transaction_isolation", "server_version_num", "no_such_setting"});
    case 8:
      return "EXPLAIN (COSTS OFF) SELECT name FROM t WHERE id = " + number(random, 1, 9);
    default:
      return "SELECT g FROM generate_series(1, " + std::to_string(random.chance(20) ? random.between(2000, 8000) : 200) + ") g";
  }
}

std::string failing_statement(Random& random) {
  return random.pick({"SELEC 1", "SELECT * FROM no_such_table", "SELECT 1/0", "SELECT no_such_function(1)", "SELECT 'a'::int",
                      "SELECT * FROM t WHERE", "SELECT \"unterminated", "SELECT name FROM t GROUP BY id + 1",
                      "SELECT failing('22012')", "SELECT failing('P0001')", "SELECT failing('40001')", "SELECT ')' || (1",
                      "SELECT no_such_column FROM t"});
}

std::string write_statement(Random& random) {
  switch (random.weighted({5, 4, 3, 3, 2, 2, 2, 2})) {
    case 0:
      return "INSERT INTO t (id, name, amount, flag) VALUES (" + number(random, 1, 60) + ", 'new', 1, true)" +
             random.pick({"", "", " RETURNING id, name", " ON CONFLICT DO NOTHING"});
    case 1:
      return "UPDATE t SET amount = amount - " + number(random, 0, 12) + " WHERE id <= " + number(random, 0, 15) +
             random.pick({"", " RETURNING id"});
    case 2:
      return "DELETE FROM t WHERE id = " + number(random, 1, 30);
    case 3:
      return "INSERT INTO u (t_id, note) VALUES (" + number(random, 1, 40) + ", " +
             random.pick({"'short'", "'far too long a note'", "NULL"}) + ") RETURNING id";
    case 4:
      return "WITH gone AS (DELETE FROM u WHERE id <= " + number(random, 0, 5) +
             " RETURNING id) SELECT count(*) FROM gone";
    case 5:
      return random.pick({"TRUNCATE c", "TRUNCATE u RESTART IDENTITY", "SELECT id FROM t WHERE id < 4 ORDER BY id FOR UPDATE",
                          "SELECT nextval('u_id_seq')", "SELECT currval('u_id_seq')", "LOCK TABLE t",
                          "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)", "SELECT pg_try_advisory_xact_lock(8)"});
    case 6:
      return random.pick({"CREATE TABLE x1 (i int PRIMARY KEY, j text)", "DROP TABLE IF EXISTS x1", "DROP TABLE x1",
                          "ALTER TABLE u ADD COLUMN IF NOT EXISTS extra int", "ALTER TABLE u DROP COLUMN IF EXISTS extra",
                          "CREATE TABLE x2 AS SELECT id FROM t WHERE id < 5", "SELECT id INTO x3 FROM t",
                          "CREATE INDEX IF NOT EXISTS x_name ON t (name)", "DROP INDEX IF EXISTS x_name"});
    default:
      return random.pick({"CREATE TEMP TABLE tt (i int)", "CREATE TEMP TABLE IF NOT EXISTS tt (i int)", "INSERT INTO tt VALUES (1), (2)",
                          "SELECT i FROM tt ORDER BY i", "DROP TABLE IF EXISTS tt", "CREATE TEMP TABLE td (i int) ON COMMIT DROP",
                          "CALL committing()"});
  }
}

std::string transaction_statement(Random& random) {
  return random.pick({"BEGIN", "BEGIN", "BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "ROLLBACK", "START TRANSACTION READ ONLY",
                      "BEGIN ISOLATION LEVEL SERIALIZABLE", "SAVEPOINT s1", "SAVEPOINT s1", "SAVEPOINT s2", "ROLLBACK TO s1",
                      "ROLLBACK TO SAVEPOINT s2", "RELEASE s1", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "END", "ABORT",
                      "SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                      "SET CONSTRAINTS ALL DEFERRED", "PREPARE TRANSACTION 'p1'"});
}

std::string setting_statement(Random& random) {
  return random.pick({"SET datestyle = 'German'", "SET datestyle = 'SQL, DMY'", "SET timezone = 'Asia/Tokyo'", "SET TIME ZONE 'UTC'",
                      "SET application_name = 'changed'", "SET client_encoding = 'LATIN1'", "SET client_encoding = 'UTF8'",
                      "SET LOCAL timezone = 'Europe/Berlin'", "SET LOCAL work_mem = '3MB'", "SET work_mem = '5MB'",
                      "RESET work_mem", "RESET timezone", "RESET ALL", "SET intervalstyle = 'iso_8601'", "SET bytea_output = 'escape'",
                      "SET extra_float_digits = 0", "SET no_such_setting = 1", "SET work_mem = 'lots'", "SET custom.flag = 'on'",
                      "SELECT set_config('timezone', 'Africa/Cairo', false)", "SELECT set_config('datestyle', 'ISO', true)",
                      "SELECT current_setting('custom.flag', true)", "SET search_path = m, public",
                      "SET default_transaction_isolation = 'repeatable read'", "RESET default_transaction_isolation",
                      "SET client_min_messages = warning", "SET standard_conforming_strings = on", "RESET application_name",
                      "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"});
}

std::string prepared_statement(Random& random) {
  return random.pick({"PREPARE q1 AS SELECT id, name FROM t WHERE id = $1", "PREPARE q1 (int) AS SELECT $1 + 1", "EXECUTE q1 (3)",
                      "EXECUTE q1 (4)", "EXECUTE q1 ('x')", "EXECUTE q2", "PREPARE q2 AS SELECT count(*) FROM t", "EXECUTE q2",
                      "DEALLOCATE q1", "DEALLOCATE q2", "DEALLOCATE ALL", "EXECUTE s1 (2)", "EXECUTE s2", "DEALLOCATE s1",
                      "SELECT name, statement FROM pg_prepared_statements WHERE from_sql ORDER BY name"});
}

std::string session_statement(Random& random) {
  switch (random.weighted({4, 3, 3, 2, 3, 2, 1})) {
    case 0:
      return prepared_statement(random);
    case 1:
      return random.pick({"LISTEN ch", "UNLISTEN ch", "UNLISTEN *", "NOTIFY ch", "NOTIFY ch, 'payload'",
                          "SELECT pg_notify('ch', 'from a function')", "LISTEN ch", "NOTIFY elsewhere, 'unheard'"});
    case 2:
      return random.pick({"DECLARE k CURSOR FOR SELECT id FROM t ORDER BY id", "FETCH 3 FROM k", "FETCH ALL FROM k", "MOVE 2 FROM k",
                          "CLOSE k", "CLOSE ALL", "DECLARE h CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id", "FETCH 2 FROM h",
                          "FETCH BACKWARD 1 FROM h", "CLOSE h", "FETCH 2 FROM p1"});
    case 3:
      return random.pick({"DISCARD ALL", "DISCARD PLANS", "DISCARD TEMP", "DISCARD SEQUENCES", "SET ROLE model_other", "RESET ROLE",
                          "SET SESSION AUTHORIZATION DEFAULT", "SELECT current_user", "SELECT pg_advisory_unlock_all()",
                          "SELECT setting('timezone', 'America/Lima')", "SELECT setting('work_mem', '7MB')"});
    case 4:
      return random.pick({"SELECT noisy(2)", "SELECT noisy(1) FROM generate_series(1, 3)", "DO $$ BEGIN RAISE WARNING 'beware'; END $$",
                          "DO $$ BEGIN RAISE NOTICE 'note'; RAISE EXCEPTION 'end'; END $$",
                          "DO $$ BEGIN PERFORM set_config('intervalstyle', 'sql_standard', false); END $$",
                          "DO $$ BEGIN EXECUTE 'LISTEN ch'; END $$", "DROP TABLE IF EXISTS never_there"});
    case 5:
      return random.pick({"COPY t TO STDOUT", "COPY (SELECT id, name FROM t ORDER BY id) TO STDOUT CSV HEADER",
                          "COPY (SELECT 12 / (5 - g) FROM generate_series(1, 9) g) TO STDOUT", "COPY no_such_table TO STDOUT",
                          "COPY (SELECT g, repeat('y', 90) FROM generate_series(1, 2000) g) TO STDOUT", "COPY v TO STDOUT",
                          "COPY (SELECT id FROM t ORDER BY id) TO STDOUT BINARY", "COPY (SELECT 1 WHERE false) TO STDOUT"});
    default:
      return random.pick({"VACUUM", "ANALYZE t", "CHECKPOINT", "CLUSTER", "REINDEX TABLE t", "VACUUM t"});
  }
}

std::string carried_statement(Random& random) {
  return random.pick({"SET datestyle = 'German'", "SET datestyle = 'ISO, MDY'", "SET timezone = 'Asia/Tokyo'", "SET TIME ZONE 'UTC'",
                      "SET application_name = 'changed'", "SET work_mem = '5MB'", "SET work_mem = '6MB'", "RESET work_mem",
                      "RESET timezone", "RESET ALL", "SET intervalstyle = 'iso_8601'", "SET bytea_output = 'escape'",
                      "SET extra_float_digits = 0", "SET no_such_setting = 1", "SET client_encoding = 'LATIN1'",
                      "RESET client_encoding", "SET search_path = m, public", "SET custom.flag = 'on'", "SHOW custom.flag",
                      "SHOW work_mem", "SHOW timezone", "SHOW application_name", "SHOW search_path", "BEGIN READ ONLY", "BEGIN",
                      "COMMIT", "ROLLBACK", "SAVEPOINT s1", "ROLLBACK TO s1", "SET LOCAL work_mem = '9MB'", "SET LOCAL timezone = 'UTC'",
                      "PREPARE q1 AS SELECT id, name FROM t WHERE id = $1", "EXECUTE q1 (3)", "EXECUTE q1 (4)", "DEALLOCATE q1",
                      "PREPARE q2 AS SELECT count(*) FROM t", "EXECUTE q2", "DEALLOCATE ALL", "DISCARD ALL", "DISCARD PLANS",
                      "SET default_transaction_isolation = 'repeatable read'", "SHOW transaction_isolation",
                      "SELECT set_config('timezone', 'Africa/Cairo', false)",
                      "SELECT '2021-03-04 05:06:07+00'::timestamptz, '1 day'::interval, '2020-02-29'::date, '\\x01'::bytea"});
}

}  // namespace

std::string some_statement(Random& random, Repertoire repertoire) {
  if (repertoire == Repertoire::reads) {
    switch (random.weighted({10, 10, 2})) {
      case 0:
        return read_statement(random);
      case 1:
        return carried_statement(random);
      default:
        return failing_statement(random);
    }
  }
  switch (random.weighted({10, 7, 8, 4, 7, 3})) {
    case 0:
      return read_statement(random);
    case 1:
      return write_statement(random);
    case 2:
      return transaction_statement(random);
    case 3:
      return setting_statement(random);
    case 4:
      return session_statement(random);
    default:
      return failing_statement(random);
  }
}

std::string some_text(Random& random, Repertoire repertoire) {
  switch (random.weighted({70, 20, 5, 3, 2})) {
    case 0:
      return some_statement(random, repertoire);
    case 1: {
      std::string text = some_statement(random, repertoire);
      for (std::size_t more = random.between(1, 3); more > 0; --more) {
        text += random.pick({"; ", ";", " ;\n", ";; "}) + some_statement(random, repertoire);
      }
      return text + random.pick({"", ";", " ; "});
    }
    case 2:
      return random.pick({"", ";", "  ", "-- nothing", "/* nothing */", ";;"});
    case 3:
      return "/* " + std::string(random.between(1000, 90000), '-') + " */ " + some_statement(random, repertoire);
    default:
      return "-- a comment\n" + some_statement(random, repertoire) + " -- another";
  }
}

Template some_template(Random& random, Repertoire repertoire) {
  using enum ValueKind;
  static const std::vector<Template> reads{
      {"SELECT id, name FROM t WHERE id = $1", {integer}},
      {"SELECT id, amount, flag FROM t WHERE id > $1 ORDER BY id", {integer}},
      {"SELECT * FROM t ORDER BY id", {}},
      {"SELECT $1::text || '!', $2::int", {text, integer}},
      {"SELECT g, repeat('z', 50) FROM generate_series(1, $1::int) g", {integer}},
      // Not simply / $1: whether that fails at the Bind or at the Execute depends on how often the server has run the plan.
      {"SELECT 100 / (SELECT $1::int)", {integer}},
      {"SELECT g, 10 / (4 - g) FROM generate_series(1, $1::int) g", {integer}},
      {"SELECT $1::date, $2::numeric, $3::bool", {date, numeric, boolean}},
      {"SELECT name FROM t WHERE name LIKE $1 ORDER BY 1", {text}},
      {"SHOW timezone", {}},
      {"SELECT", {}},
      {"", {}},
      {"-- nothing", {}},
      {"SELECT u.* FROM u ORDER BY id", {}}};
  static const std::vector<Template> failing{
      {"SELEC $1", {integer}}, {"SELECT $1", {text}}, {"SELECT * FROM nowhere WHERE a = $1", {integer}}, {"SELECT 1; SELECT 2", {}},
      {"SELECT $2::int", {text, integer}}, {"SELECT 1/0", {}}};
  static const std::vector<Template> others{
      {"INSERT INTO t (id, name, amount) VALUES ($1, $2, $3)", {integer, text, numeric}},
      {"INSERT INTO c VALUES ($1, $2, $3)", {integer, text, date}},
      {"UPDATE t SET name = $2 WHERE id = $1 RETURNING id, name", {integer, text}},
      {"DELETE FROM t WHERE id = $1", {integer}},
      {"SELECT noisy($1)", {integer}},
      {"SELECT failing($1)", {text}},
      {"SELECT set_config('timezone', $1, false)", {text}},
      {"SELECT pg_notify('ch', $1)", {text}},
      {"SELECT id, note FROM u WHERE t_id = $1 FOR UPDATE", {integer}},
      {"SELECT * FROM x1", {}},
      {"CALL committing()", {}}};
  const std::size_t kind = repertoire == Repertoire::reads ? random.weighted({8, 1}) : random.weighted({8, 1, 5, 4});
  switch (kind) {
    case 0:
      return random.pick(reads);
    case 1:
      return random.pick(failing);
    case 2:
      return random.pick(others);
    default:
      return {some_statement(random, repertoire), {}};
  }
}

CopyIn some_copy_in(Random& random) {
  switch (random.weighted({6, 3, 2, 1, 1, 1, 1, 2})) {
    case 0:
      return {"COPY c FROM STDIN", CopyIn::Format::text};
    case 1:
      return {"COPY c (a, b, d) FROM STDIN CSV", CopyIn::Format::csv};
    case 2:
      return {"COPY c (a) FROM STDIN BINARY", CopyIn::Format::binary};
    case 3:
      return {"COPY no_such_table FROM STDIN", CopyIn::Format::text};
    case 4:
      return {"COPY c (nothing) FROM STDIN", CopyIn::Format::text};
    case 5:  // refused after CopyInResponse, before any data is read
      return {"COPY v (id, name) FROM STDIN", CopyIn::Format::text};
    case 6:  // likewise, by a trigger
      return {"COPY guarded FROM STDIN", CopyIn::Format::text};
    default:
      return {"COPY t (id, name) FROM STDIN CSV", CopyIn::Format::csv};
  }
}

std::vector<std::string> some_copy_pieces(Random& random, CopyIn::Format format) {
  std::string bytes;
  if (format == CopyIn::Format::binary) {
    bytes = std::string("PGCOPY\n\xff\r\n\0", 11) + int32_be(0) + int32_be(0);
    for (std::size_t row = random.below(6); row > 0; --row) bytes += std::string("\0\1", 2) + int32_be(4) + int32_be(77);
    bytes += random.chance(20) ? std::string("\0\2", 2) : std::string("\xff\xff");
  } else {
    const std::string comma = format == CopyIn::Format::csv ? "," : "\t";
    const std::size_t rows = random.chance(10) ? random.between(500, 4000) : random.below(8);
    for (std::size_t row = 0; row < rows; ++row) {
      bytes += std::to_string(100 + row) + comma + "value " + std::to_string(row) + comma + "2024-02-29\n";
    }
    if (random.chance(25)) bytes += random.pick({"nonsense\n", "1\tbad\t2020-01-01\n", "1,bad,2020-01-01\n", "1\t2\t3\t4\n", "x,y,z\n"});
    if (random.chance(20)) bytes += "9" + comma + "late" + comma + "2020-01-01\n";
    if (random.chance(10)) bytes += "\\.\n";
  }
  std::vector<std::string> pieces;
  while (!bytes.empty()) {
    const std::size_t size = random.between(1, random.chance(50) ? bytes.size() : 40);
    pieces.push_back(bytes.substr(0, size));
    bytes.erase(0, pieces.back().size());
    if (random.chance(5)) pieces.emplace_back();
    if (pieces.size() == 12) break;
  }
  if (!bytes.empty()) pieces.push_back(bytes);
  return pieces;
}

std::string some_sleep(Random& random) {
  return random.pick({"SELECT pg_sleep(30)", "SELECT pg_sleep(30)", "SELECT 1, pg_sleep(30)",
                      "DO $$ BEGIN RAISE NOTICE 'sleeping'; PERFORM pg_sleep(30); END $$",
                      "COPY (SELECT 1, pg_sleep(30)::text) TO STDOUT", "UPDATE t SET flag = pg_sleep(30)::text = '' WHERE id = 1"});
}

std::uint32_t type_oid(ValueKind kind) {
  switch (kind) {
    case ValueKind::integer:
      return 23;
    case ValueKind::text:
      return 25;
    case ValueKind::numeric:
      return 1700;
    case ValueKind::date:
      return 1082;
    case ValueKind::boolean:
      return 16;
  }
  return 0;
}

BoundValue some_value(Random& random, ValueKind kind, std::int16_t format, bool is_good) {
  if (random.chance(5)) return std::nullopt;
  if (!is_good) return random.pick({"nonsense", "", "-", "99999999999", "\xff\xfe"});
  switch (kind) {
    case ValueKind::integer: {
      const auto value = static_cast<std::uint32_t>(random.chance(85) ? random.below(12) : random.below(3000));
      return format == 1 ? int32_be(value) : std::to_string(value);
    }
    case ValueKind::text:
      return random.chance(5) ? std::string(random.between(5000, 50000), 'v') : random.pick({"", "name 1%", "value", "22012", "UTC", "Asia/Tokyo"});
    case ValueKind::numeric:  // binary: one digit, weight 0, sign 0, scale 2
      return format == 1 ? std::string("\0\1\0\0\0\0\0\2\0\5", 10) : random.pick({"1.50", "-3", "0"});
    case ValueKind::date:
      return format == 1 ? int32_be(static_cast<std::uint32_t>(random.below(9000))) : random.pick({"2024-02-29", "2001-01-01"});
    case ValueKind::boolean:
      return format == 1 ? std::string(1, static_cast<char>(random.below(2))) : random.pick({"t", "false"});
  }
  return std::nullopt;
}

}  // namespace model
