#include "proxy/secrets/question_session.hpp"

#include <libpq-fe.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace proxy::secrets {

using protocol::Blame;
using protocol::Error;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Result;
using protocol::SecretText;
using protocol::Status;

namespace {

/// How long a wait may last before it looks whether it should stop.
constexpr std::chrono::milliseconds stop_check_interval{100};

/// libpq's messages end in line breaks.
std::string tidy(const char* message) {
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// A result whose values are overwritten before libpq gives their memory back.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result) {}
  ~Rows() {
    for (int row = 0; row < PQntuples(result_); ++row) {
      for (int column = 0; column < PQnfields(result_); ++column) {
        explicit_bzero(PQgetvalue(result_, row, column), static_cast<std::size_t>(PQgetlength(result_, row, column)));
      }
    }
    PQclear(result_);
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  [[nodiscard]] const PGresult* get() const { return result_; }

  [[nodiscard]] std::vector<QuestionSession::Row> copy() const {
    std::vector<QuestionSession::Row> rows(static_cast<std::size_t>(PQntuples(result_)));
    for (int row = 0; row < PQntuples(result_); ++row) {
      for (int column = 0; column < PQnfields(result_); ++column) {
        auto& value = rows[static_cast<std::size_t>(row)].emplace_back();
        if (PQgetisnull(result_, row, column) != 0) continue;
        value.emplace(std::string_view(PQgetvalue(result_, row, column),
                                       static_cast<std::size_t>(PQgetlength(result_, row, column))));
      }
    }
    return rows;
  }

 private:
  PGresult* result_;
};

}  // namespace

class QuestionSession::Connection {
 public:
  Connection(PGconn* connection, const std::stop_token& stop) : connection_(connection), stop_(stop) {}
  ~Connection() { PQfinish(connection_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] Status finish_connecting(Clock::time_point deadline);
  [[nodiscard]] Status send(const std::string& statement, const std::vector<std::string>& parameters,
                            Clock::time_point deadline);
  [[nodiscard]] Result<std::vector<Row>> receive(Clock::time_point deadline);
  [[nodiscard]] Error lost(ErrorCode code) const { return failure(code, Blame::backend, tidy(PQerrorMessage(connection_))); }

 private:
  /// Until the socket can be read or written, as `events` says.
  [[nodiscard]] Status wait(short events, Clock::time_point deadline) const;

  PGconn* connection_;
  const std::stop_token& stop_;
};

Status QuestionSession::Connection::wait(short events, Clock::time_point deadline) const {
  for (;;) {
    if (stop_.stop_requested()) return failure(ErrorCode::shutting_down, Blame::self, "asked to stop");
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) {
      return failure(ErrorCode::backend_timeout, Blame::backend, "no answer before the deadline");
    }
    pollfd descriptor{PQsocket(connection_), events, 0};
    if (poll(&descriptor, 1, static_cast<int>(std::min(left, stop_check_interval).count())) > 0) return {};
  }
}

Status QuestionSession::Connection::finish_connecting(Clock::time_point deadline) {
  if (PQstatus(connection_) == CONNECTION_BAD) return lost(ErrorCode::backend_unreachable);
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (wanted != PGRES_POLLING_OK) {
    Status ready = wait(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
    if (!ready) return ready;
    wanted = PQconnectPoll(connection_);
    // Before a protocol version is agreed on nobody answered; after it somebody refused.
    if (wanted == PGRES_POLLING_FAILED) {
      return lost(PQprotocolVersion(connection_) != 0 ? ErrorCode::backend_refused : ErrorCode::backend_unreachable);
    }
  }
  if (PQsetnonblocking(connection_, 1) != 0) return lost(ErrorCode::internal);
  return {};
}

Status QuestionSession::Connection::send(const std::string& statement, const std::vector<std::string>& parameters,
                                         Clock::time_point deadline) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  if (PQsendQueryParams(connection_, statement.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                        nullptr, 0) == 0) {
    return lost(ErrorCode::backend_lost);
  }
  for (int unsent = PQflush(connection_); unsent != 0; unsent = PQflush(connection_)) {
    if (unsent < 0) return lost(ErrorCode::backend_lost);
    Status ready = wait(POLLIN | POLLOUT, deadline);
    if (!ready) return ready;
    if (PQconsumeInput(connection_) == 0) return lost(ErrorCode::backend_lost);
  }
  return {};
}

Result<std::vector<QuestionSession::Row>> QuestionSession::Connection::receive(Clock::time_point deadline) {
  Result<std::vector<Row>> rows = std::vector<Row>();
  for (;;) {
    while (PQisBusy(connection_) != 0) {
      const Status ready = wait(POLLIN, deadline);
      if (!ready) return ready.error();
      if (PQconsumeInput(connection_) == 0) return lost(ErrorCode::backend_lost);
    }
    PGresult* next = PQgetResult(connection_);
    if (next == nullptr) return rows;
    const Rows result(next);
    const ExecStatusType status = PQresultStatus(next);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      if (PQstatus(connection_) == CONNECTION_BAD) return lost(ErrorCode::backend_lost);
      rows = failure(ErrorCode::backend_misbehaved, Blame::operator_, tidy(PQresultErrorMessage(next)));
    } else if (PQntuples(next) > rows_max) {
      rows = failure(ErrorCode::backend_misbehaved, Blame::backend, "more rows than there can be users");
    } else {
      rows = result.copy();
    }
  }
}

QuestionSession::QuestionSession(std::stop_token stop) : stop_(std::move(stop)) {}

QuestionSession::~QuestionSession() = default;

void QuestionSession::close() { connection_.reset(); }

Status QuestionSession::open(const QuestionTarget& target, Clock::time_point deadline) {
  const std::string port = std::to_string(target.port);
  std::vector<const char*> keywords{"host", "port", "user", "password", "dbname", "application_name", "gssencmode",
                                    "client_encoding"};
  std::vector<const char*> values{target.host.c_str(), port.c_str(),           target.user.c_str(), target.password.reveal().c_str(),
                                  target.database.c_str(), "crossfade", "disable", "UTF8"};
  for (const auto& [keyword, value] : target.more) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* started = PQconnectStartParams(keywords.data(), values.data(), 0);
  if (started == nullptr) return failure(ErrorCode::memory_limit_reached, Blame::self, "no memory for a connection");
  connection_ = std::make_unique<Connection>(started, stop_);
  Status connected = connection_->finish_connecting(deadline);
  if (connected) {
    // Temporary objects would come first if they were not named last.
    const Result<std::vector<Row>> fixed = ask("SET search_path = pg_catalog, pg_temp", {}, deadline);
    if (!fixed) connected = fixed.error();
  }
  if (!connected) close();
  return connected;
}

Result<std::vector<QuestionSession::Row>> QuestionSession::ask(const std::string& statement,
                                                               const std::vector<std::string>& parameters,
                                                               Clock::time_point deadline) {
  const Status sent = connection_->send(statement, parameters, deadline);
  Result<std::vector<Row>> rows = sent ? connection_->receive(deadline) : Result<std::vector<Row>>(sent.error());
  // After a refusal the session goes on; after anything else nobody knows what is still on its way.
  if (!rows && rows.error().code != ErrorCode::backend_misbehaved) close();
  return rows;
}

}  // namespace proxy::secrets
