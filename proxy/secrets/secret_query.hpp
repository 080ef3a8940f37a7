#pragma once

#include "protocol/base/result.hpp"
#include "proxy/secrets/question_session.hpp"
#include "proxy/secrets/secret_desk.hpp"

#include <chrono>
#include <stop_token>
#include <string>

namespace proxy::secrets {

/// Asks one server for secrets, over a connection that it keeps. For one thread.
class SecretQuery {
 public:
  struct Options {
    QuestionTarget target;
    /// With $1 for the user's name; gives a row of name, secret and, optionally, seconds until it is no longer valid.
    std::string statement;
    std::chrono::milliseconds timeout{5'000};  ///< of one question, the connection included
  };
  explicit SecretQuery(Options options) : options_(std::move(options)) {}

  /// Blocks up to the timeout. A connection that has been lost meanwhile is made anew, once.
  /// Errors: as QuestionSession; backend_misbehaved also for an answer that is none.
  [[nodiscard]] protocol::Result<FoundSecret> ask(const std::string& user, const std::stop_token& stop);

 private:
  [[nodiscard]] protocol::Result<std::vector<QuestionSession::Row>> ask_rows(const std::string& user,
                                                                             const std::stop_token& stop);

  const Options options_;
  std::unique_ptr<QuestionSession> session_;
};

/// Reads the rows that such a statement gave.
[[nodiscard]] protocol::Result<FoundSecret> read_found_secret(const std::vector<QuestionSession::Row>& rows,
                                                              const std::string& user);

}  // namespace proxy::secrets
