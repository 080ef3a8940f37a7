#include "proxy/catalogue/load_catalogue.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

namespace proxy::catalogue {
namespace {

using protocol::Blame;
using protocol::CatalogueRow;
using protocol::Error;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Result;
using protocol::Status;
using Clock = std::chrono::steady_clock;

/// How long a wait may last before it looks whether it should stop.
constexpr std::chrono::milliseconds stop_check_interval{100};

/// libpq's messages end in line breaks.
std::string tidy(const char* message) {
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

class Load {
 public:
  Load(Clock::time_point deadline, std::stop_token stop) : deadline_(deadline), stop_(std::move(stop)) {}

  [[nodiscard]] Status connect(const CatalogueSource& source);
  /// The last result of `query`.
  [[nodiscard]] Status run(const std::string& query);
  [[nodiscard]] Result<std::vector<CatalogueRow>> read_rows() const;

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };

  /// Until the socket can be read or written, as `events` says.
  [[nodiscard]] Status wait(short events) const;
  [[nodiscard]] Error lost(ErrorCode code) const {
    return failure(code, Blame::backend, tidy(PQerrorMessage(connection_.get())));
  }

  Clock::time_point deadline_;
  std::stop_token stop_;
  std::unique_ptr<PGconn, Finish> connection_;
  std::unique_ptr<PGresult, Clear> result_;
};

Status Load::wait(short events) const {
  for (;;) {
    if (stop_.stop_requested()) return failure(ErrorCode::shutting_down, Blame::self, "asked to stop");
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0)
      return failure(ErrorCode::backend_timeout, Blame::backend, "no answer before the deadline");
    pollfd descriptor{PQsocket(connection_.get()), events, 0};
    const int ready = poll(&descriptor, 1, static_cast<int>(std::min(left, stop_check_interval).count()));
    if (ready > 0) return {};
  }
}

Status Load::connect(const CatalogueSource& source) {
  const std::string port = std::to_string(source.port);
  constexpr std::size_t count = 16;
  const std::array<const char*, count> keywords{
      "host",        "port",    "user",    "password", "dbname",  "application_name",         "gssencmode", "client_encoding",
      "sslrootcert", "sslcrl",  "sslcert", "sslkey",   "sslmode", "ssl_min_protocol_version", "hostaddr",   nullptr};
  const std::array<const char*, count> values{source.host.c_str(),
                                              port.c_str(),
                                              source.user.c_str(),
                                              source.password.c_str(),
                                              source.database.c_str(),
                                              "crossfade",
                                              "disable",
                                              "UTF8",
                                              source.tls.ca_file.c_str(),
                                              source.tls.crl_file.c_str(),
                                              source.tls.certificate_file.c_str(),
                                              source.tls.key_file.c_str(),
                                              source.tls.mode.c_str(),
                                              source.tls.version_min.c_str(),
                                              source.address.c_str(),
                                              nullptr};
  connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
  if (connection_ == nullptr)
    return failure(ErrorCode::memory_limit_reached, Blame::self, "no memory for a connection");
  if (PQstatus(connection_.get()) == CONNECTION_BAD) return lost(ErrorCode::backend_unreachable);
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (wanted != PGRES_POLLING_OK) {
    Status ready = wait(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT);
    if (!ready) return ready;
    wanted = PQconnectPoll(connection_.get());
    // Before a protocol version is agreed on nobody answered; after it somebody refused.
    if (wanted == PGRES_POLLING_FAILED) {
      const bool was_answered = PQprotocolVersion(connection_.get()) != 0;
      return lost(was_answered ? ErrorCode::backend_refused : ErrorCode::backend_unreachable);
    }
  }
  if (PQsetnonblocking(connection_.get(), 1) != 0) return lost(ErrorCode::internal);
  return {};
}

Status Load::run(const std::string& query) {
  PGconn* connection = connection_.get();
  if (PQsendQuery(connection, query.c_str()) == 0) return lost(ErrorCode::backend_lost);
  for (int unsent = PQflush(connection); unsent != 0; unsent = PQflush(connection)) {
    if (unsent < 0) return lost(ErrorCode::backend_lost);
    Status ready = wait(POLLIN | POLLOUT);
    if (!ready) return ready;
    if (PQconsumeInput(connection) == 0) return lost(ErrorCode::backend_lost);
  }
  for (;;) {
    while (PQisBusy(connection) != 0) {
      Status ready = wait(POLLIN);
      if (!ready) return ready;
      if (PQconsumeInput(connection) == 0) return lost(ErrorCode::backend_lost);
    }
    std::unique_ptr<PGresult, Clear> next(PQgetResult(connection));
    if (next == nullptr) return {};
    result_ = std::move(next);
    const ExecStatusType status = PQresultStatus(result_.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      return failure(ErrorCode::backend_misbehaved, Blame::backend,
                     tidy(PQresultErrorMessage(result_.get())));
    }
  }
}

Result<std::vector<CatalogueRow>> Load::read_rows() const {
  const PGresult* result = result_.get();
  constexpr int columns = 5;
  const int count = result == nullptr ? 0 : PQntuples(result);
  if (result == nullptr || PQnfields(result) != columns || count > catalogue_rows_max) {
    return failure(ErrorCode::backend_misbehaved, Blame::backend,
                   "not the columns or not the number of rows expected");
  }
  std::vector<CatalogueRow> rows;
  rows.reserve(static_cast<std::size_t>(count));
  const auto value = [result](int row, int column) {
    return std::string(PQgetvalue(result, row, column),
                       static_cast<std::size_t>(PQgetlength(result, row, column)));
  };
  for (int i = 0; i < count; ++i) {
    rows.push_back({value(i, 0), value(i, 1), value(i, 2), value(i, 3), value(i, 4) == "t"});
  }
  return rows;
}

}  // namespace

Result<std::vector<CatalogueRow>> load_catalogue(const CatalogueSource& source, const std::string& query,
                                                 std::chrono::milliseconds timeout,
                                                 const std::stop_token& stop) {
  Load load(Clock::now() + timeout, stop);
  if (Status connected = load.connect(source); !connected) return connected.error();
  // Operators and functions without a schema mean the system's, whatever the user's settings are.
  const std::string prelude =
      "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog; SET LOCAL standard_conforming_strings = on";
  if (Status begun = load.run(prelude); !begun) return begun.error();
  if (Status done = load.run(query); !done) return done.error();
  return load.read_rows();
}

}  // namespace proxy::catalogue
