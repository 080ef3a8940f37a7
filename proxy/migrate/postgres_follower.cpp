#include "proxy/migrate/postgres_follower.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace proxy::migrate {

using mirror::ApplyReport;
using mirror::CommitSequence;
using mirror::UnitToApply;
using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Status;
using Verdict = ApplyReport::Verdict;

namespace {

constexpr std::size_t prepared_max = 200;

/// Names of prepared transactions are the server's, and both sides' databases might be on one.
constexpr const char* follower_suffix = "_f";
constexpr std::string_view undefined_object = "42704";

/// Foreign keys' actions and triggers run on the follower as they ran on the authority. What was acknowledged as applied is
/// on the follower's disk, whatever its default is; and a follower that is fenced against others takes units.
/// Source: PostgreSQL 15, 20.5.1 (synchronous_commit), 20.11.1 (row_security, default_transaction_read_only, session_replication_role).
constexpr const char* session_settings =
    "SET synchronous_commit = on; SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed'; "
    "SET default_transaction_deferrable = off; SET statement_timeout = 0; SET lock_timeout = '20s'; "
    "SET idle_in_transaction_session_timeout = '60s'; SET row_security = off; SET standard_conforming_strings = on";
/// Operators of types that came with extensions are found, and what triggers name without a schema.
constexpr const char* search_path_set =
    "SELECT pg_catalog.set_config('search_path', (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(n.nspname), ', ') "
    "FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public' OR n.oid IN (SELECT e.extnamespace FROM pg_catalog.pg_extension e)), false)";

/// Two appliers that make it at once wait for each other. The number is nobody else's by chance.
constexpr const char* identities_table =
    "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(4846203117); CREATE SCHEMA IF NOT EXISTS crossfade; "
    "CREATE TABLE IF NOT EXISTS crossfade.applied (stream uuid NOT NULL, sequence bigint NOT NULL, "
    "applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), PRIMARY KEY (stream, sequence)); COMMIT";
constexpr const char* identities_found = "SELECT pg_catalog.to_regclass('crossfade.applied') IS NOT NULL";

/// The list as an array's text; numbers need no quoting.
std::string array_of(const std::vector<UnitToApply>& units) {
  std::string text = "{";
  for (const UnitToApply& unit : units) text += (text.size() > 1 ? "," : "") + std::to_string(unit.sequence);
  return text + "}";
}

/// What a retry can mend. Source: PostgreSQL 15, appendix A "PostgreSQL Error Codes".
bool is_mended_by_retry(std::string_view sqlstate) {
  return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "57014";
}

/// The follower as a whole cannot take units now: it goes down, is full, or is read-only. Units wait.
bool is_about_the_server(std::string_view sqlstate) {
  return sqlstate.empty() || sqlstate.starts_with("08") || sqlstate.starts_with("57P") || sqlstate.starts_with("53") ||
         sqlstate.starts_with("58") || sqlstate == "25006" || sqlstate == "25P03" || sqlstate == "25P04";
}

std::vector<const char*> values_of(const protocol::ApplyStep& step) {
  std::vector<const char*> values;
  values.reserve(step.parameters.size());
  for (const protocol::TextValue* value : step.parameters) values.push_back(*value ? (*value)->c_str() : nullptr);
  return values;
}

}  // namespace

PostgresFollowerSession::PostgresFollowerSession(std::unique_ptr<PostgresConnection> connection, std::string stream,
                                                 const protocol::ApplyText& text)
    : connection_(std::move(connection)), stream_(std::move(stream)), text_(text) {}

Status PostgresFollowerSession::prepare() {
  const auto refused = [this](const PGresult* result) {
    const ServerComplaint complaint = complaint_of(result, *connection_);
    return failure(complaint.sqlstate.empty() ? ErrorCode::backend_lost : ErrorCode::backend_refused, Blame::backend, complaint.text);
  };
  auto result = connection_->run(session_settings);
  if (result == nullptr || !is_fine(result.get())) return refused(result.get());
  result = connection_->run(search_path_set);
  if (result == nullptr || !is_fine(result.get())) return refused(result.get());
  result = connection_->run(identities_found);
  if (result == nullptr || !is_fine(result.get())) return refused(result.get());
  if (std::string_view(PQgetvalue(result.get(), 0, 0)) == "t") return {};
  result = connection_->run(identities_table);
  if (result == nullptr || !is_fine(result.get())) return refused(result.get());
  return {};
}

std::vector<PostgresFollowerSession::Sent> PostgresFollowerSession::plan(const Frame& frame, const std::vector<UnitToApply>& units) {
  std::vector<Sent> plan;
  const auto add = [&plan](std::string text, Sent::Purpose purpose) {
    Sent& sent = plan.emplace_back();
    sent.step.text = std::move(text);
    sent.purpose = purpose;
  };
  add("BEGIN", Sent::Purpose::frame);
  for (const std::string& setting : frame.settings) add(setting, Sent::Purpose::frame);
  // Both are ours, and hold no more than hexadecimal digits and numbers.
  add("INSERT INTO crossfade.applied (stream, sequence) SELECT '" + stream_ + "'::pg_catalog.uuid, pg_catalog.unnest('" +
          array_of(units) + "'::pg_catalog.int8[])",
      Sent::Purpose::identity);
  add("SET CONSTRAINTS ALL DEFERRED", Sent::Purpose::frame);
  for (const UnitToApply& unit : units) {
    for (protocol::ApplyStep& step : text_.steps_of(unit.unit)) plan.push_back({unit.sequence, std::move(step), Sent::Purpose::unit});
  }
  add(frame.end, Sent::Purpose::frame);
  return plan;
}

bool PostgresFollowerSession::send(const Sent& sent, std::vector<const Sent*>& awaited) {
  static const Sent preparation{0, {}, Sent::Purpose::preparation};
  const std::vector<const char*> values = values_of(sent.step);
  if (!sent.step.is_usual) {
    awaited.push_back(&sent);
    return connection_->send(sent.step.text, values);
  }
  const auto [place, is_new] = prepared_.try_emplace(sent.step.text, "");
  if (is_new) {
    place->second = "u" + std::to_string(++prepared_count_);
    awaited.push_back(&preparation);
    if (!connection_->send_prepare(place->second, sent.step.text)) return false;
  }
  awaited.push_back(&sent);
  return connection_->send_prepared(place->second, values);
}

void PostgresFollowerSession::note_rows(const Sent& sent, const PGresult* result, Report& report) {
  if (!sent.step.rows_expected) return;
  const std::string_view told = PQcmdTuples(const_cast<PGresult*>(result));
  std::uint64_t found = 0;
  std::from_chars(told.data(), told.data() + told.size(), found);
  if (found != *sent.step.rows_expected) {
    report.differences.push_back({sent.sequence, sent.step.table, *sent.step.rows_expected, found});
  }
}

ApplyReport PostgresFollowerSession::judge(const Sent& sent, const ServerComplaint& complaint) {
  Report report;
  report.cause = complaint.text;
  is_identity_taken_ = sent.purpose == Sent::Purpose::identity && complaint.sqlstate == "23505";
  needs_no_transaction_ = complaint.sqlstate == "25001";
  if (is_about_the_server(complaint.sqlstate)) {
    report.verdict = Verdict::unreachable;
  } else {
    report.verdict = is_mended_by_retry(complaint.sqlstate) ? Verdict::again : Verdict::refused;
  }
  return report;
}

ApplyReport PostgresFollowerSession::run_in_pipeline(const std::vector<Sent>& plan) {
  const auto lost = [this] { return Report{Verdict::unreachable, connection_->loss(), {}, {}}; };
  if (!connection_->begin_pipeline()) return lost();
  std::vector<const Sent*> awaited;
  for (const Sent& sent : plan) {
    if (!send(sent, awaited)) return lost();
  }
  if (!connection_->sync()) return lost();
  Report report;
  bool has_failed = false;
  for (const Sent* sent : awaited) {
    const auto result = connection_->next_result();
    if (result == nullptr) return lost();
    if (has_failed) continue;
    if (is_fine(result.get())) {
      note_rows(*sent, result.get(), report);
      continue;
    }
    has_failed = true;
    report = judge(*sent, complaint_of(result.get(), *connection_));
  }
  if (!connection_->end_pipeline()) return lost();
  // What was to be prepared behind the failure is not; nor is it known of the rest.
  return has_failed ? roll_back(std::move(report)) : report;
}

/// COPY is not possible in a pipeline. Source: PostgreSQL 15, 34.5 "Pipeline Mode".
ApplyReport PostgresFollowerSession::run_one_by_one(const std::vector<Sent>& plan) {
  Report report;
  for (const Sent& sent : plan) {
    const auto result = connection_->run(sent.step.text, values_of(sent.step), sent.step.copy_data);
    if (result == nullptr) return {Verdict::unreachable, connection_->loss(), {}, {}};
    if (!is_fine(result.get())) return roll_back(judge(sent, complaint_of(result.get(), *connection_)));
    note_rows(sent, result.get(), report);
  }
  return report;
}

ApplyReport PostgresFollowerSession::roll_back(Report report) {
  if (!forget_prepared()) return {Verdict::unreachable, connection_->loss(), {}, {}};
  return report;
}

bool PostgresFollowerSession::forget_prepared() {
  prepared_.clear();
  return connection_->run("ROLLBACK; DEALLOCATE ALL") != nullptr;
}

ApplyReport PostgresFollowerSession::apply(const std::vector<UnitToApply>& units) {
  Report report = apply_in({}, units);
  if (report.verdict == Verdict::refused && needs_no_transaction_ && units.size() == 1) return run_without_transaction(units.front());
  return report;
}

ApplyReport PostgresFollowerSession::apply_in(const Frame& frame, const std::vector<UnitToApply>& units) {
  const bool has_used_prepared = !prepared_.empty();
  if (prepared_.size() >= prepared_max && !forget_prepared()) return {Verdict::unreachable, connection_->loss(), {}, {}};
  is_identity_taken_ = false;
  needs_no_transaction_ = false;
  const std::vector<Sent> wanted = plan(frame, units);
  const bool has_copy = std::ranges::any_of(units, [](const UnitToApply& unit) {
    return std::ranges::any_of(unit.unit.items, [](const protocol::UnitItem& item) { return item.statement && !item.statement->copy_data.empty(); });
  });
  Report report = has_copy ? run_one_by_one(wanted) : run_in_pipeline(wanted);
  if (report.verdict != Verdict::refused) return report;
  if (is_identity_taken_) return find_known(units);
  if (needs_no_transaction_) return report;
  // A table may have changed since its statements were prepared.
  if (has_used_prepared) report.verdict = Verdict::again;
  return report;
}

/// CREATE INDEX CONCURRENTLY and its like. A crash between the statement and the identity shows as an error of the
/// statement, which finds its own work done.
ApplyReport PostgresFollowerSession::run_without_transaction(const UnitToApply& unit) {
  for (protocol::ApplyStep& step : text_.steps_of(unit.unit)) {
    const Sent sent{unit.sequence, std::move(step), Sent::Purpose::unit};
    const std::string& text = sent.step.session_text.empty() ? sent.step.text : sent.step.session_text;
    const auto result = connection_->run(text, values_of(sent.step), sent.step.copy_data);
    if (result == nullptr) return {Verdict::unreachable, connection_->loss(), {}, {}};
    if (is_fine(result.get())) continue;
    Report report = judge(sent, complaint_of(result.get(), *connection_));
    return restore(std::move(report));
  }
  const std::string sequence = std::to_string(unit.sequence);
  const auto result =
      connection_->run("INSERT INTO crossfade.applied (stream, sequence) VALUES ($1, $2)", {stream_.c_str(), sequence.c_str()});
  if (result == nullptr || !is_fine(result.get())) return {Verdict::unreachable, connection_->loss(), {}, {}};
  return restore({});
}

/// After settings were made that outlive a transaction.
ApplyReport PostgresFollowerSession::restore(Report report) {
  const auto result = connection_->run("RESET ROLE");
  if (result == nullptr || !prepare()) return {Verdict::unreachable, connection_->loss(), {}, {}};
  return report;
}

ApplyReport PostgresFollowerSession::find_known(const std::vector<UnitToApply>& units) {
  const std::string wanted = array_of(units);
  const auto result = connection_->run("SELECT sequence FROM crossfade.applied WHERE stream = $1 AND sequence = ANY ($2)",
                                       {stream_.c_str(), wanted.c_str()});
  if (result == nullptr) return {Verdict::unreachable, connection_->loss(), {}, {}};
  if (!is_fine(result.get())) return judge({}, complaint_of(result.get(), *connection_));
  Report report;
  report.verdict = Verdict::known;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    report.known.push_back(std::strtoull(PQgetvalue(result.get(), row, 0), nullptr, 10));
  }
  // Nothing found means that whoever had taken them has rolled back since.
  if (report.known.empty()) report.verdict = Verdict::again;
  return report;
}

/// Source: PostgreSQL 15 manual, PREPARE TRANSACTION.
ApplyReport PostgresFollowerSession::prepare_phase(const UnitToApply& unit, const std::string& name, std::chrono::milliseconds patience) {
  const std::string bound = std::to_string(patience.count()) + "ms'";
  const Frame frame{{"SET LOCAL lock_timeout = '" + bound, "SET LOCAL statement_timeout = '" + bound},
                    "PREPARE TRANSACTION '" + name + follower_suffix + "'"};
  return apply_in(frame, {unit});
}

ApplyReport PostgresFollowerSession::end_phase(CommitSequence sequence, const std::string& name, protocol::PhaseDecision decision) {
  const bool commits = decision == protocol::PhaseDecision::commit;
  const auto result = connection_->run((commits ? "COMMIT PREPARED '" : "ROLLBACK PREPARED '") + name + follower_suffix + "'");
  if (result == nullptr) return {Verdict::unreachable, connection_->loss(), {}, {}};
  if (!is_fine(result.get())) {
    const ServerComplaint complaint = complaint_of(result.get(), *connection_);
    if (complaint.sqlstate != undefined_object) {
      Report report = judge({}, complaint);
      if (report.verdict == Verdict::refused) report.verdict = Verdict::again;  // it is there, and must be ended
      return report;
    }
    if (commits) {
      Report found = find_known({UnitToApply{sequence, {}}});
      if (found.verdict == Verdict::known) return {};
      if (found.verdict == Verdict::again) return {Verdict::refused, "the follower has lost what it had prepared", {}, {}};
      return found;
    }
  }
  return commits ? Report{} : forsake(sequence);
}

/// Whoever still runs the unit in a connection that we have lost holds its identity: it is waited for, and then taken, so that it
/// cannot be prepared behind our back.
ApplyReport PostgresFollowerSession::forsake(CommitSequence sequence) {
  const auto result = connection_->run("BEGIN; SET LOCAL lock_timeout = '1s'; INSERT INTO crossfade.applied (stream, sequence) VALUES ('" + stream_ +
                                       "', " + std::to_string(sequence) + ") ON CONFLICT DO NOTHING; COMMIT");
  if (result == nullptr) return {Verdict::unreachable, connection_->loss(), {}, {}};
  if (is_fine(result.get())) return {};
  Report report = roll_back(judge({}, complaint_of(result.get(), *connection_)));
  if (report.verdict == Verdict::refused) report.verdict = Verdict::again;
  return report;
}

void PostgresFollowerSession::prune(CommitSequence below) {
  const std::string bound = std::to_string(below);
  static_cast<void>(connection_->run("DELETE FROM crossfade.applied WHERE stream = $1 AND sequence < $2", {stream_.c_str(), bound.c_str()}));
}

PostgresFollowerDoor::PostgresFollowerDoor(routing::PerSide<DatabaseTarget> targets, const protocol::ApplyText& text)
    : targets_(std::move(targets)), text_(text) {}

protocol::Result<std::unique_ptr<mirror::FollowerSession>> PostgresFollowerDoor::open(routing::Side side, const std::string& database,
                                                                                      const std::string& stream, std::stop_token stop) {
  auto connection = PostgresConnection::connect(targets_[side], database, std::move(stop));
  if (!connection) return connection.error();
  auto session = std::make_unique<PostgresFollowerSession>(*std::move(connection), stream, text_);
  if (const Status prepared = session->prepare(); !prepared) return prepared.error();
  return std::unique_ptr<mirror::FollowerSession>(std::move(session));
}

/// One question over the connection that is kept for them. Errors: backend_lost, backend_refused (subject: the SQLSTATE).
protocol::Result<PostgresConnection::ResultPointer> PostgresFollowerDoor::inquire(const std::string& text, const std::vector<const char*>& parameters) {
  PostgresConnection::ResultPointer result = inquiry_->run(text, parameters);
  if (result == nullptr) {
    const std::string loss = inquiry_->loss();
    inquiry_.reset();
    return failure(ErrorCode::backend_lost, Blame::backend, loss);
  }
  if (is_fine(result.get())) return result;
  const ServerComplaint complaint = complaint_of(result.get(), *inquiry_);
  protocol::Error refusal = failure(ErrorCode::backend_refused, Blame::backend, complaint.text);
  refusal.subject = complaint.sqlstate;
  return refusal;
}

/// The connection that is kept for questions, there.
Status PostgresFollowerDoor::reach(routing::Side side, const std::string& database, std::stop_token stop) {
  if (inquiry_ != nullptr && inquiry_side_ == side && inquiry_database_ == database) return {};
  inquiry_.reset();
  auto connection = PostgresConnection::connect(targets_[side], database, std::move(stop));
  if (!connection) return connection.error();
  inquiry_ = *std::move(connection);
  inquiry_side_ = side;
  inquiry_database_ = database;
  return {};
}

/// Source: PostgreSQL 15 manual, COMMIT PREPARED: in the database of the transaction, by its user or a superuser.
protocol::Result<bool> PostgresFollowerDoor::end_prepared(routing::Side side, const std::string& database, const std::string& name,
                                                          protocol::PhaseDecision decision, std::stop_token stop) {
  const std::lock_guard lock(inquiry_mutex_);
  if (const Status reached = reach(side, database, std::move(stop)); !reached) return reached.error();
  const std::string verb = decision == protocol::PhaseDecision::commit ? "COMMIT" : "ROLLBACK";
  const auto ended = inquire(verb + " PREPARED '" + name + "'", {});
  if (ended) return true;
  if (ended.error().subject == undefined_object) return false;
  return ended.error();
}

/// A number that a server had given out when it crashed is given out again if nothing of it had reached its disk. So once it has
/// been down since, "committed" may be said of another transaction: only rows that this one has left prove it.
/// Source: PostgreSQL 15, 9.26.9 "Transaction ID and Snapshot Information Functions", pg_xact_status; 9.26.1, pg_postmaster_start_time.
protocol::Result<mirror::TransactionFate> PostgresFollowerDoor::fate_of(routing::Side side, const protocol::MirrorUnit& unit,
                                                                        std::chrono::milliseconds age, std::stop_token stop) {
  const std::lock_guard lock(inquiry_mutex_);
  if (const Status reached = reach(side, unit.database, std::move(stop)); !reached) return reached.error();
  constexpr std::chrono::milliseconds slack{1'000};  // of the two clocks, while both run
  const std::string limit = std::to_string((age + slack).count());
  const auto told = inquire("SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8), "
                            "extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time()) * 1000 > $2::pg_catalog.float8",
                            {unit.transaction_id.c_str(), limit.c_str()});
  if (!told) {
    // A number that the server has not come to yet: what was lost with a crash. Or none at all.
    if (told.error().subject == "22023") return mirror::TransactionFate::aborted;
    if (told.error().subject.starts_with("22")) return mirror::TransactionFate::unknown;
    inquiry_.reset();
    return told.error();
  }
  const std::string_view status = PQgetvalue(told->get(), 0, 0);
  const bool has_stayed_up = std::string_view(PQgetvalue(told->get(), 0, 1)) == "t";
  if (status == "committed") return has_stayed_up ? mirror::TransactionFate::committed : look_for_rows(unit);
  if (status == "aborted") return mirror::TransactionFate::aborted;
  // After a crash, too: what is in progress now is another one, or nobody knows yet.
  if (status == "in progress") return mirror::TransactionFate::in_progress;
  return mirror::TransactionFate::unknown;
}

protocol::Result<mirror::TransactionFate> PostgresFollowerDoor::look_for_rows(const protocol::MirrorUnit& unit) {
  // Values are compared as they were written.
  const std::vector<protocol::ApplyStep> steps = text_.steps_of(unit);
  const bool has_settings = !steps.empty() && !steps.front().session_text.empty();
  if (has_settings && !inquire(steps.front().session_text, {}) && inquiry_ == nullptr) {
    return failure(ErrorCode::backend_lost, Blame::backend, "while it was asked for traces");
  }
  for (const protocol::ApplyStep& step : text_.traces_of(unit)) {
    std::vector<const char*> parameters;
    for (const protocol::TextValue* value : step.parameters) parameters.push_back(*value ? (*value)->c_str() : nullptr);
    const auto found = inquire(step.text, parameters);
    if (!found) {
      if (inquiry_ == nullptr) return found.error();
      continue;  // the table is not what it was
    }
    if (PQntuples(found->get()) > 0) return mirror::TransactionFate::committed;
  }
  return mirror::TransactionFate::unknown;
}

}  // namespace proxy::migrate
