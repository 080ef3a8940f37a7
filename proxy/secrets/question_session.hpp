#pragma once

#include "protocol/base/result.hpp"
#include "protocol/base/secret_text.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace proxy::secrets {

/// Where questions about users are asked and as whom.
struct QuestionTarget {
  std::string host;
  std::uint16_t port = 5432;
  std::string user;
  protocol::SecretText password;  ///< empty: none configured
  std::string database;
  std::vector<std::pair<std::string, std::string>> more;  ///< further connection parameters of libpq, for TLS say
};

/// One connection, as an ordinary client, for questions about users. Everything blocks, up to the deadline given; ends
/// early when `stop` is asked for. For one thread.
class QuestionSession {
 public:
  using Clock = std::chrono::steady_clock;
  /// Values of one row; nothing for NULL.
  using Row = std::vector<std::optional<protocol::SecretText>>;
  /// More rows than anybody has users; beyond it a question fails.
  static constexpr int rows_max = 1'000'000;

  explicit QuestionSession(std::stop_token stop);
  ~QuestionSession();
  QuestionSession(const QuestionSession&) = delete;
  QuestionSession& operator=(const QuestionSession&) = delete;

  /// Connects and fixes the search path, so that no object of a user's making can stand in for the system's. Errors:
  /// backend_unreachable, backend_refused, backend_timeout, shutting_down; their detail is libpq's or the server's.
  [[nodiscard]] protocol::Status open(const QuestionTarget& target, Clock::time_point deadline);
  [[nodiscard]] bool is_open() const { return connection_ != nullptr; }
  void close();

  /// Runs one statement with text parameters. Errors: as above; backend_lost; backend_misbehaved when the server refuses
  /// the statement, after which the session can still be used.
  [[nodiscard]] protocol::Result<std::vector<Row>> ask(const std::string& statement,
                                                       const std::vector<std::string>& parameters,
                                                       Clock::time_point deadline);

 private:
  class Connection;
  std::stop_token stop_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace proxy::secrets
