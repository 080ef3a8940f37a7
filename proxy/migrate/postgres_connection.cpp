#include "proxy/migrate/postgres_connection.hpp"

#include <poll.h>

#include <algorithm>

namespace proxy::migrate {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Status;
using Clock = std::chrono::steady_clock;

namespace {

/// How long a wait may last before it looks whether it should stop.
constexpr std::chrono::milliseconds stop_check_interval{100};

std::string tidy(const char* message) {
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

protocol::Result<std::unique_ptr<PostgresConnection>> PostgresConnection::connect(const DatabaseTarget& target, const std::string& database,
                                                                                 std::stop_token stop) {
  std::unique_ptr<PostgresConnection> made(new PostgresConnection(std::move(stop)));
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  const auto add = [&](const char* keyword, const char* value) {
    keywords.push_back(keyword);
    values.push_back(value);
  };
  for (const auto& [keyword, value] : target.keywords) add(keyword.c_str(), value.c_str());
  add("dbname", database.c_str());
  add("application_name", "crossfade mirror");
  add("gssencmode", "disable");
  add("client_encoding", "UTF8");
  // A follower whose machine is gone is found within seconds.
  add("keepalives_idle", "5");
  add("keepalives_interval", "2");
  add("keepalives_count", "3");
  add("tcp_user_timeout", "15000");
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* connection = PQconnectStartParams(keywords.data(), values.data(), 0);
  if (connection == nullptr) return failure(ErrorCode::memory_limit_reached, Blame::self, "no memory for a connection");
  made->connection_.reset(connection);
  if (PQstatus(connection) == CONNECTION_BAD) return failure(ErrorCode::backend_unreachable, Blame::backend, made->loss());
  PQsetNoticeProcessor(connection, [](void*, const char*) {}, nullptr);
  const Clock::time_point deadline = Clock::now() + target.connect_timeout;
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (wanted != PGRES_POLLING_OK) {
    if (Status ready = made->wait(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline); !ready) return ready.error();
    wanted = PQconnectPoll(connection);
    if (wanted == PGRES_POLLING_FAILED) {
      const bool was_answered = PQprotocolVersion(connection) != 0;
      return failure(was_answered ? ErrorCode::backend_refused : ErrorCode::backend_unreachable, Blame::backend, made->loss());
    }
  }
  if (PQsetnonblocking(connection, 1) != 0) return failure(ErrorCode::internal, Blame::self, made->loss());
  return made;
}

PostgresConnection::~PostgresConnection() = default;

Status PostgresConnection::wait(short events, Clock::time_point deadline) const {
  for (;;) {
    if (stop_.stop_requested()) return failure(ErrorCode::shutting_down, Blame::self, "asked to stop");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return failure(ErrorCode::backend_timeout, Blame::backend, "no answer before the deadline");
    pollfd descriptor{PQsocket(connection_.get()), events, 0};
    const int ready = poll(&descriptor, 1, static_cast<int>(std::min(left, stop_check_interval).count()));
    if (ready > 0) return {};
  }
}

bool PostgresConnection::flush() {
  PGconn* connection = connection_.get();
  for (int unsent = PQflush(connection); unsent != 0; unsent = PQflush(connection)) {
    if (unsent < 0 || !wait(POLLIN | POLLOUT, Clock::time_point::max())) return false;
    if (PQconsumeInput(connection) == 0) return false;
  }
  return true;
}

PostgresConnection::ResultPointer PostgresConnection::read_result() {
  PGconn* connection = connection_.get();
  while (PQisBusy(connection) != 0) {
    if (!wait(POLLIN, Clock::time_point::max()) || PQconsumeInput(connection) == 0) return nullptr;
  }
  return ResultPointer(PQgetResult(connection));
}

bool PostgresConnection::send_copy(std::string_view bytes) {
  constexpr std::size_t piece_bytes = std::size_t{1} << 16;
  PGconn* connection = connection_.get();
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes);
    const int queued = PQputCopyData(connection, piece.data(), static_cast<int>(piece.size()));
    if (queued < 0 || !flush()) return false;
    if (queued > 0) bytes.remove_prefix(piece.size());
  }
  for (int queued = 0; queued == 0;) {
    queued = PQputCopyEnd(connection, nullptr);
    if (queued < 0 || !flush()) return false;
  }
  return true;
}

PostgresConnection::ResultPointer PostgresConnection::run(const std::string& text, const std::vector<const char*>& parameters,
                                                          std::string_view copy_data) {
  PGconn* connection = connection_.get();
  const int sent = parameters.empty() ? PQsendQuery(connection, text.c_str())
                                      : PQsendQueryParams(connection, text.c_str(), static_cast<int>(parameters.size()), nullptr,
                                                          parameters.data(), nullptr, nullptr, 0);
  if (sent == 0 || !flush()) return nullptr;
  ResultPointer last;
  bool has_copied = false;
  for (;;) {
    ResultPointer next = read_result();
    if (next == nullptr) break;
    const ExecStatusType status = PQresultStatus(next.get());
    if (status == PGRES_COPY_IN && !has_copied) {
      has_copied = true;
      if (!send_copy(copy_data)) return nullptr;
      continue;
    }
    const bool was_fine = last == nullptr || is_fine(last.get());
    if (was_fine) last = std::move(next);
  }
  if (PQstatus(connection) == CONNECTION_BAD) return nullptr;
  return last;
}

bool PostgresConnection::begin_pipeline() { return PQenterPipelineMode(connection_.get()) == 1; }

bool PostgresConnection::send(const std::string& text, const std::vector<const char*>& parameters) {
  return PQsendQueryParams(connection_.get(), text.c_str(), static_cast<int>(parameters.size()), nullptr, parameters.data(), nullptr,
                           nullptr, 0) == 1;
}

bool PostgresConnection::send_prepare(const std::string& name, const std::string& text) {
  return PQsendPrepare(connection_.get(), name.c_str(), text.c_str(), 0, nullptr) == 1;
}

bool PostgresConnection::send_prepared(const std::string& name, const std::vector<const char*>& parameters) {
  return PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(parameters.size()), parameters.data(), nullptr, nullptr,
                             0) == 1;
}

bool PostgresConnection::sync() { return PQpipelineSync(connection_.get()) == 1 && flush(); }

/// Source: PostgreSQL 15, 34.5.1.2 "Processing Results": each statement's result is followed by a null.
PostgresConnection::ResultPointer PostgresConnection::next_result() {
  ResultPointer result = read_result();
  if (result == nullptr || PQstatus(connection_.get()) == CONNECTION_BAD) return nullptr;
  const ResultPointer end = read_result();
  if (end != nullptr) return nullptr;
  return result;
}

bool PostgresConnection::end_pipeline() {
  const ResultPointer result = read_result();
  if (result == nullptr || PQresultStatus(result.get()) != PGRES_PIPELINE_SYNC) return false;
  return PQexitPipelineMode(connection_.get()) == 1;
}

bool PostgresConnection::is_in_transaction() const { return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE; }

std::string PostgresConnection::loss() const {
  if (stop_.stop_requested()) return "asked to stop";
  return tidy(PQerrorMessage(connection_.get()));
}

bool is_fine(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/// The message itself may quote a user's literal; the names beside it do not.
ServerComplaint complaint_of(const PGresult* result, const PostgresConnection& connection) {
  if (result == nullptr) return {"", connection.loss()};
  const auto field = [result](int code) {
    const char* value = PQresultErrorField(result, code);
    return value == nullptr ? std::string() : std::string(value);
  };
  ServerComplaint complaint{field(PG_DIAG_SQLSTATE), ""};
  if (complaint.sqlstate.empty()) return {"", tidy(PQresultErrorMessage(result))};
  complaint.text = "the follower refused it with " + complaint.sqlstate;
  const std::pair<const char*, std::string> names[] = {{"table", field(PG_DIAG_TABLE_NAME)},
                                                       {"column", field(PG_DIAG_COLUMN_NAME)},
                                                       {"constraint", field(PG_DIAG_CONSTRAINT_NAME)},
                                                       {"type", field(PG_DIAG_DATATYPE_NAME)}};
  for (const auto& [what, name] : names) {
    if (!name.empty()) complaint.text += std::string(", ") + what + " " + name;
  }
  return complaint;
}

}  // namespace proxy::migrate
