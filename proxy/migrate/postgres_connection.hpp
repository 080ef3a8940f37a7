#pragma once

#include "protocol/apply_text.hpp"
#include "protocol/base/result.hpp"

#include <libpq-fe.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxy::migrate {

/// Where and as whom, in libpq's keywords ("host", "port", "user", …), without the database.
struct DatabaseTarget {
  std::vector<std::pair<std::string, std::string>> keywords;
  std::chrono::milliseconds connect_timeout{5'000};
  std::string lookup_host;  ///< shown in errors
};

/// What a server complained of, without any literal of a user.
struct ServerComplaint {
  std::string sqlstate;  ///< empty: the connection is gone
  std::string text;
};

/// An ordinary client's connection, for one thread. Every call blocks, and ends early when `stop` is asked for; then, and
/// after every loss, the connection is of no use any more.
class PostgresConnection {
 public:
  struct ClearResult {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using ResultPointer = std::unique_ptr<PGresult, ClearResult>;

  /// Errors: backend_unreachable, backend_refused, backend_timeout, shutting_down.
  [[nodiscard]] static protocol::Result<std::unique_ptr<PostgresConnection>> connect(const DatabaseTarget& target,
                                                                                    const std::string& database, std::stop_token stop);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  /// One statement by itself; with `copy_data` if it is a COPY FROM STDIN. Null: the connection is gone.
  [[nodiscard]] ResultPointer run(const std::string& text, const std::vector<const char*>& parameters = {}, std::string_view copy_data = {});

  // Pipelines: begin, send…, then the results in the same order.
  [[nodiscard]] bool begin_pipeline();
  [[nodiscard]] bool send(const std::string& text, const std::vector<const char*>& parameters);
  [[nodiscard]] bool send_prepare(const std::string& name, const std::string& text);
  [[nodiscard]] bool send_prepared(const std::string& name, const std::vector<const char*>& parameters);
  /// The end of what is sent; everything leaves.
  [[nodiscard]] bool sync();
  /// The result of the next statement. Null: the connection is gone.
  [[nodiscard]] ResultPointer next_result();
  /// After the results of everything sent. False: the connection is gone.
  [[nodiscard]] bool end_pipeline();

  [[nodiscard]] bool is_in_transaction() const;
  /// Of the last call that failed without a result.
  [[nodiscard]] std::string loss() const;

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  explicit PostgresConnection(std::stop_token stop) : stop_(std::move(stop)) {}

  [[nodiscard]] protocol::Status wait(short events, std::chrono::steady_clock::time_point deadline) const;
  [[nodiscard]] bool flush();
  [[nodiscard]] ResultPointer read_result();
  [[nodiscard]] bool send_copy(std::string_view bytes);

  std::stop_token stop_;
  std::unique_ptr<PGconn, Finish> connection_;
};

[[nodiscard]] bool is_fine(const PGresult* result);
/// Of a result that is not fine; null: of the loss of the connection.
[[nodiscard]] ServerComplaint complaint_of(const PGresult* result, const PostgresConnection& connection);

}  // namespace proxy::migrate
