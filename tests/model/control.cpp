#include "tests/model/control.hpp"

#include <stdexcept>

namespace model {

namespace {

constexpr std::chrono::seconds answer_timeout{30};

Deadline soon() { return std::chrono::steady_clock::now() + answer_timeout; }

constexpr const char* objects = R"(
SET client_min_messages = error;
DROP SCHEMA IF EXISTS m CASCADE;
CREATE SCHEMA m AUTHORIZATION model;
SET ROLE model;
SET search_path = m;
CREATE TYPE mood AS ENUM ('sad', 'calm', 'glad');
CREATE TABLE t (id int PRIMARY KEY, name text, amount numeric(10,2) CHECK (amount >= 0), flag bool, feeling mood);
INSERT INTO t SELECT g, 'name ' || g, g * 1.25, g % 2 = 0, (ARRAY['sad','calm','glad']::mood[])[g % 3 + 1]
  FROM generate_series(1, 20) g;
CREATE TABLE u (id serial PRIMARY KEY, t_id int REFERENCES t, note varchar(12));
INSERT INTO u (t_id, note) SELECT g, 'note ' || g FROM generate_series(1, 10) g;
CREATE TABLE c (a int, b text CHECK (b <> 'bad'), d date);
CREATE VIEW v AS SELECT id, name FROM t WHERE flag;
CREATE FUNCTION noisy(n int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN FOR i IN 1..n LOOP RAISE NOTICE 'notice % of %', i, n; END LOOP; RETURN n; END $$;
CREATE FUNCTION failing(code text) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'failing on purpose' USING ERRCODE = code, DETAIL = 'a detail', HINT = 'a hint'; END $$;
CREATE FUNCTION setting(name text, value text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN RETURN set_config(name, value, false); END $$;
CREATE TABLE guarded (a int, b text, d date);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
CREATE TRIGGER refusing BEFORE INSERT ON guarded FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE PROCEDURE committing() LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO c VALUES (1, 'one'); COMMIT; INSERT INTO c VALUES (2, 'two'); ROLLBACK; END $$;
RESET ROLE;
)";

}  // namespace

Control::Control(const Address& address, const std::string& database) : session_(address) {
  session_.log_in({{"user", "postgres"}, {"database", database}, {"application_name", "model control"}}, soon());
}

std::vector<std::vector<std::string>> Control::ask(const std::string& sql) {
  const Deadline deadline = soon();
  session_.write(query(sql).frame, deadline);
  std::vector<std::vector<std::string>> rows;
  std::string trouble;
  for (;;) {
    while (taken_ < session_.messages().size()) {
      const ServerMessage& message = session_.messages()[taken_++];
      if (message.tag == 'E') trouble = readable(message.payload);
      if (message.tag == 'Z') {
        if (!trouble.empty()) throw std::runtime_error(trouble + " in " + readable(sql));
        return rows;
      }
      if (message.tag != 'D') continue;
      std::vector<std::string>& row = rows.emplace_back();
      std::size_t position = 2;
      for (std::size_t i = 0; i < read_int16_be(message.payload, 0); ++i) {
        const std::uint32_t length = read_int32_be(message.payload, position);
        position += 4;
        row.push_back(length == 0xFFFFFFFFU ? "" : message.payload.substr(position, length));
        if (length != 0xFFFFFFFFU) position += length;
      }
    }
    if (session_.is_closed() || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the control connection gave no answer to " + readable(sql));
    }
    session_.read_some(std::chrono::milliseconds(50));
  }
}

std::string Control::wait_event(std::uint32_t process_id) {
  const auto rows = ask("SELECT wait_event FROM pg_stat_get_activity(" + std::to_string(process_id) + ")");
  return rows.empty() ? "gone" : rows[0][0];
}

std::vector<std::string> Control::wait_events() {
  std::vector<std::string> events;
  for (const auto& row : ask("SELECT wait_event" + clients_filter())) events.push_back(row[0]);
  return events;
}

std::string Control::clients_filter() const {
  return std::string(" FROM pg_stat_activity WHERE datname = current_database() AND usename = '") + client_role +
         "' AND pid <> ALL ('" + tolerated_ + "')";
}

bool Control::tolerate_idle(std::chrono::milliseconds patience) {
  const Deadline deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    tolerated_ = "{}";
    const auto row = ask("SELECT coalesce(array_agg(pid) FILTER (WHERE state = 'idle'), '{}'), "
                         "count(*) FILTER (WHERE state IS DISTINCT FROM 'idle')" + clients_filter())[0];
    tolerated_ = row[0];
    if (row[1] == "0") return true;
    if (std::chrono::steady_clock::now() > deadline) return false;
    session_.read_some(std::chrono::microseconds(200));
  }
}

void Control::end_sessions() { ask("SELECT pg_terminate_backend(pid, 5000)" + clients_filter()); }

bool Control::await_no_session(std::chrono::milliseconds patience) {
  const Deadline deadline = std::chrono::steady_clock::now() + patience;
  while (!wait_events().empty()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    session_.read_some(std::chrono::microseconds(200));
  }
  return true;
}

void Control::reset_objects() { ask(objects); }

std::string Control::digest() {
  std::string line;
  for (const char* table : {"t", "u", "c"}) {
    const auto rows = ask(std::string("SELECT count(*), md5(string_agg(x::text, '|' ORDER BY x::text)) FROM m.") + table + " x");
    line += std::string(table) + " " + rows[0][0] + " " + rows[0][1] + "; ";
  }
  for (const auto& row : ask("SELECT relname, relnatts FROM pg_class WHERE relnamespace = 'm'::regnamespace ORDER BY 1")) {
    line += row[0] + "/" + row[1] + " ";
  }
  return line;
}

}  // namespace model
