#pragma once

#include "protocol/base/result.hpp"
#include "proxy/secrets/question_session.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace proxy::migrate {

using Clock = std::chrono::steady_clock;

/// Values of one row as text; nothing for NULL.
using Row = std::vector<std::optional<std::string>>;

/// One side, asked as an ordinary client: a connection per database, opened when first needed. Its sessions may write,
/// whatever the database's default is. For one thread.
class Server {
 public:
  /// `target` names everything but the database.
  explicit Server(secrets::QuestionTarget target) : target_(std::move(target)) {}

  /// Errors: as QuestionSession's; the detail is libpq's or the server's message.
  [[nodiscard]] protocol::Result<std::vector<Row>> ask(const std::string& database, const std::string& statement,
                                                       const std::vector<std::string>& parameters, Clock::time_point deadline,
                                                       const std::stop_token& stop);
  /// The server's numbers of the processes behind the connections.
  [[nodiscard]] const std::vector<std::string>& processes() const { return processes_; }
  void close();

 private:
  struct Session {
    std::stop_source stop;
    std::unique_ptr<secrets::QuestionSession> session;
  };
  [[nodiscard]] protocol::Result<Session*> session_of(const std::string& database, Clock::time_point deadline);

  secrets::QuestionTarget target_;
  std::map<std::string, Session> sessions_;
  std::vector<std::string> processes_;
};

/// `text` as a literal of SQL. Source: PostgreSQL 15 manual, 4.1.2.1, under standard_conforming_strings.
[[nodiscard]] std::string literal(const std::string& text);
/// Texts as a literal of an array of text. Source: likewise, 8.15.2.
[[nodiscard]] std::string array_of(const std::vector<std::string>& texts);

}  // namespace proxy::migrate
