#include "proxy/migrate/pair_databases.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace proxy::migrate {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::Result;
using protocol::Status;
using routing::Side;

namespace {

/// Between two looks whether a server process that was told to end has done so.
constexpr std::chrono::milliseconds look_interval{2};

/// Databases, roles and their settings as they are to be: a block of code, so that it is one transaction and one round trip.
/// A role that is read-write by its own setting would not be bound by the database's, so it gets one for this database.
/// Source: PostgreSQL 15 manual, ALTER ROLE: "settings … for a specific role in a specific database" win over both.
std::string fence_block(const std::vector<std::string>& databases) {
  return "DO $crossfade$ DECLARE d text; r text; BEGIN FOREACH d IN ARRAY " + literal(array_of(databases)) +
         "::text[] LOOP EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', d); "
         "FOR r IN SELECT rolname FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles o ON o.oid = s.setrole "
         "WHERE s.setdatabase = 0 AND EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c ILIKE 'default_transaction_read_only=%') "
         "LOOP EXECUTE format('ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = on', r, d); "
         "END LOOP; END LOOP; END $crossfade$";
}

std::string open_block(const std::vector<std::string>& databases) {
  return "DO $crossfade$ DECLARE d text; r text; BEGIN FOREACH d IN ARRAY " + literal(array_of(databases)) +
         "::text[] LOOP EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', d); "
         "FOR r IN SELECT rolname FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles o ON o.oid = s.setrole "
         "JOIN pg_catalog.pg_database b ON b.oid = s.setdatabase WHERE b.datname = d "
         "AND 'default_transaction_read_only=on' = ANY (s.setconfig) "
         "AND EXISTS (SELECT FROM pg_catalog.pg_db_role_setting w WHERE w.setrole = s.setrole AND w.setdatabase = 0 "
         "AND EXISTS (SELECT FROM unnest(w.setconfig) c WHERE c ILIKE 'default_transaction_read_only=%')) "
         "LOOP EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET default_transaction_read_only', r, d); "
         "END LOOP; END LOOP; END $crossfade$";
}

/// Sessions of others that began before $1: they may write as they please.
constexpr const char* others_where =
    " FROM pg_catalog.pg_stat_activity WHERE datname = ANY ($2::text[]) AND backend_type = 'client backend' "
    "AND backend_start < $1::timestamptz AND NOT pid = ANY ($3::int[]) AND application_name <> 'crossfade health' "
    "AND NOT (application_name = 'crossfade mirror' AND usename = $4)";

}  // namespace

PairDatabases::PairDatabases(Options options)
    : options_(std::move(options)),
      servers_{{Server(options_.targets[Side::blue]), Server(options_.targets[Side::green])}} {}

Result<std::vector<Row>> PairDatabases::ask(Side side, const std::string& database, const std::string& statement,
                                            const std::vector<std::string>& parameters, Clock::time_point deadline,
                                            const std::stop_token& stop) {
  auto rows = servers_[side].ask(database, statement, parameters, deadline, stop);
  if (!rows) {
    protocol::Error error = rows.error();
    error.detail = std::string(name_of(side)) + ", database " + database + ": " + error.detail;
    return error;
  }
  return rows;
}

Result<std::vector<Row>> PairDatabases::ask(const Inquiry& inquiry, Side side, const std::string& database,
                                            const std::string& statement, const std::vector<std::string>& parameters) {
  return ask(side, database, statement, parameters, inquiry.deadline, inquiry.stop);
}

Result<std::vector<std::string>> PairDatabases::databases_on(Side side, Clock::time_point deadline, const std::stop_token& stop) {
  if (!options_.databases.empty()) return options_.databases;
  const auto rows = ask(side, options_.home,
                        "SELECT datname FROM pg_database WHERE NOT datistemplate AND datallowconn AND datname <> $1 ORDER BY 1",
                        {options_.home}, deadline, stop);
  if (!rows) return rows.error();
  std::vector<std::string> names;
  for (const Row& row : *rows) names.push_back(row.at(0).value_or(""));
  return names;
}

std::string PairDatabases::spared(Side side, const Processes& ours) const {
  std::string array = "{";
  const auto add = [&array](const std::string& process) { array += (array.size() > 1 ? "," : "") + process; };
  for (const std::uint32_t process : ours) add(std::to_string(process));
  for (const std::string& process : servers_[side].processes()) add(process);
  return array + "}";
}

Status PairDatabases::fence(Side side, const OwnProcesses& ours, Clock::time_point deadline, const std::stop_token& stop) {
  const auto databases = databases_on(side, deadline, stop);
  if (!databases) return databases.error();
  databases_ = *databases;
  if (const auto done = ask(side, options_.home, fence_block(databases_), {}, deadline, stop); !done) return done.error();
  // What was prepared before the fence could still be committed behind it.
  const auto moment = ask(side, options_.home,
                          "SELECT clock_timestamp(), (SELECT gid FROM pg_prepared_xacts WHERE database = ANY ($1::text[]) LIMIT 1)",
                          {array_of(databases_)}, deadline, stop);
  if (!moment) return moment.error();
  if (const auto& gid = moment->at(0).at(1)) {
    return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, "a prepared transaction waits for its end: " + *gid);
  }
  fenced_since_ = moment->at(0).at(0).value_or("");
  fence_spared_ = ours();
  return end_others(side, fence_spared_, deadline, stop);
}

Result<std::vector<Row>> PairDatabases::tell_others_to_end(Side side, const Processes& ours, Clock::time_point deadline,
                                                           const std::stop_token& stop) {
  return ask(side, options_.home,
             std::string("SELECT pid, usename, application_name, pg_terminate_backend(pid)") + others_where +
                 " UNION ALL SELECT NULL, gid, NULL, NULL FROM pg_prepared_xacts WHERE database = ANY ($2::text[])",
             {fenced_since_, array_of(databases_), spared(side, ours), options_.applier}, deadline, stop);
}

Status PairDatabases::end_others(Side side, const Processes& ours, Clock::time_point deadline, const std::stop_token& stop) {
  for (;;) {
    const auto left = tell_others_to_end(side, ours, deadline, stop);
    if (!left) return left.error();
    if (left->empty()) return {};
    const Row& one = left->at(0);
    if (Clock::now() + look_interval > deadline || stop.stop_requested()) {
      return protocol::failure(ErrorCode::backend_timeout, Blame::operator_,
                               "a session that began before the fence is still there: process " + one.at(0).value_or("") + " of " +
                                   one.at(1).value_or("") + ", application " + one.at(2).value_or(""));
    }
    std::this_thread::sleep_for(look_interval);
  }
}

Result<bool> PairDatabases::is_fenced(Side side, Clock::time_point deadline, const std::stop_token& stop) {
  const auto databases = databases_on(side, deadline, stop);
  if (!databases) return databases.error();
  const auto open = ask(side, options_.home,
                        "SELECT 1 FROM pg_database d WHERE datname = ANY ($1::text[]) AND NOT EXISTS (SELECT FROM pg_db_role_setting s WHERE "
                        "s.setdatabase = d.oid AND s.setrole = 0 AND 'default_transaction_read_only=on' = ANY (s.setconfig)) LIMIT 1",
                        {array_of(*databases)}, deadline, stop);
  if (!open) return open.error();
  return open->empty();
}

/// A session is listed once its login is over, and may have read the settings a little before that. What was ours when the fence was put
/// up may be on its way out.
Status PairDatabases::confirm_fence(Side side, const OwnProcesses& ours, Clock::time_point deadline, const std::stop_token& stop) {
  Processes known = ours();
  known.insert(known.end(), fence_spared_.begin(), fence_spared_.end());
  const auto left = tell_others_to_end(side, known, deadline, stop);
  if (!left) return left.error();
  if (left->empty()) return {};
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                           "somebody was there who had begun before the fence: " + left->at(0).at(1).value_or(""));
}

Status PairDatabases::open(Side side, Clock::time_point deadline, const std::stop_token& stop) {
  const auto databases = databases_on(side, deadline, stop);
  if (!databases) return databases.error();
  const auto done = ask(side, options_.home, open_block(*databases), {}, deadline, stop);
  if (!done) return done.error();
  return {};
}

Status PairDatabases::carry_sequences(Side to, Clock::time_point deadline, const std::stop_token& stop) {
  const Side from = routing::other(to);
  const auto databases = databases_on(from, deadline, stop);
  if (!databases) return databases.error();
  for (const std::string& database : *databases) {
    const auto values = ask(from, database,
                            "SELECT schemaname, sequencename, last_value::text FROM pg_sequences WHERE last_value IS NOT NULL", {},
                            deadline, stop);
    if (!values) return values.error();
    if (values->empty()) continue;
    std::vector<std::string> schemas;
    std::vector<std::string> names;
    std::vector<std::string> lasts;
    for (const Row& row : *values) {
      schemas.push_back(row.at(0).value_or(""));
      names.push_back(row.at(1).value_or(""));
      lasts.push_back(row.at(2).value_or(""));
    }
    // Beyond what it has of its own, and inside its bounds.
    const auto set = ask(
        to, database,
        "SELECT setval(format('%I.%I', s.schemaname, s.sequencename)::regclass, CASE WHEN s.increment_by > 0 "
        "THEN least(s.max_value::numeric, greatest(w.last::numeric, coalesce(s.last_value, s.min_value)::numeric) + $4::numeric * "
        "s.increment_by)::bigint ELSE greatest(s.min_value::numeric, least(w.last::numeric, coalesce(s.last_value, "
        "s.max_value)::numeric) + $4::numeric * s.increment_by)::bigint END, true) "
        "FROM unnest($1::text[], $2::text[], $3::bigint[]) w(schema, name, last) "
        "JOIN pg_sequences s ON s.schemaname = w.schema AND s.sequencename = w.name",
        {array_of(schemas), array_of(names), array_of(lasts), std::to_string(options_.sequence_headroom)}, deadline, stop);
    if (!set) return set.error();
    const auto behind = ask(to, database,
                            "SELECT w.schema || '.' || w.name FROM unnest($1::text[], $2::text[], $3::bigint[]) w(schema, name, last) "
                            "LEFT JOIN pg_sequences s ON s.schemaname = w.schema AND s.sequencename = w.name "
                            "WHERE s.last_value IS NULL OR CASE WHEN s.increment_by > 0 THEN s.last_value < w.last ELSE s.last_value "
                            "> w.last END LIMIT 1",
                            {array_of(schemas), array_of(names), array_of(lasts)}, deadline, stop);
    if (!behind) return behind.error();
    if (!behind->empty()) {
      return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                               "the sequence " + behind->at(0).at(0).value_or("") + " of database " + database + " on " +
                                   std::string(name_of(to)) + " is missing or was not set");
    }
  }
  return {};
}

Status PairDatabases::test(Side side, const std::vector<std::string>& questions, Clock::time_point deadline, const std::stop_token& stop) {
  const auto databases = databases_on(side, deadline, stop);
  if (!databases) return databases.error();
  const std::string database = databases->empty() ? options_.home : databases->front();
  for (std::size_t i = 0; i < questions.size(); ++i) {
    // What a question writes would come to this side alone.
    if (const auto begun = ask(side, database, "BEGIN READ ONLY", {}, deadline, stop); !begun) return begun.error();
    const auto rows = ask(side, database, questions[i], {}, deadline, stop);
    const std::string number = "question " + std::to_string(i + 1) + " of the soak: ";
    if (!rows) return protocol::failure(rows.error().code, rows.error().blame, number + rows.error().detail);
    if (const auto over = ask(side, database, "ROLLBACK", {}, deadline, stop); !over) return over.error();
    const bool is_false = rows->size() == 1 && rows->front().size() == 1 && rows->front().front() == "f";
    if (is_false) return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, number + "the answer is false");
  }
  return {};
}

void PairDatabases::close() {
  for (Server& server : servers_.values) server.close();
}

}  // namespace proxy::migrate
