#include "proxy/secrets/secret_query.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

namespace proxy::secrets {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Result;

namespace {

/// Numbers as PostgreSQL writes them, "Infinity" included; nothing for anything else.
std::optional<double> parse_seconds(const std::string& text) {
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || seconds != seconds) return std::nullopt;
  return seconds;
}

}  // namespace

Result<FoundSecret> read_found_secret(const std::vector<QuestionSession::Row>& rows, const std::string& user) {
  FoundSecret found;
  if (rows.empty()) return found;
  const QuestionSession::Row& row = rows.front();
  const auto senseless = [](const char* why) { return failure(ErrorCode::backend_misbehaved, Blame::operator_, why); };
  if (row.size() != 2 && row.size() != 3) return senseless("the auth_query gives neither two columns nor three");
  if (rows.size() > 1) return senseless("the auth_query gives more than one row for one user");
  // A function may say "no such user" by a row of nothing.
  if (!row[0]) return found;
  if (row[0]->reveal() != user) return senseless("the auth_query gives another user than it was asked for");
  if (row[1]) found.secret = *row[1];
  if (row.size() == 2 || !row[2]) return found;
  const std::optional<double> seconds = parse_seconds(row[2]->reveal());
  if (!seconds) return senseless("the third column of the auth_query is no number of seconds");
  // A year is as good as for ever: nothing is remembered as long.
  constexpr double seconds_max = 365.0 * 24 * 3600;
  constexpr double milliseconds_per_second = 1000;
  const double bounded = std::clamp(*seconds, -1.0, seconds_max);
  found.valid_for = std::chrono::milliseconds(static_cast<std::int64_t>(bounded * milliseconds_per_second));
  return found;
}

Result<FoundSecret> SecretQuery::ask(const std::string& user, const std::stop_token& stop) {
  const Result<std::vector<QuestionSession::Row>> rows = ask_rows(user, stop);
  if (!rows) return rows.error();
  return read_found_secret(*rows, user);
}

Result<std::vector<QuestionSession::Row>> SecretQuery::ask_rows(const std::string& user, const std::stop_token& stop) {
  const auto deadline = QuestionSession::Clock::now() + options_.timeout;
  if (session_ == nullptr) session_ = std::make_unique<QuestionSession>(stop);
  if (session_->is_open()) {
    Result<std::vector<QuestionSession::Row>> rows = session_->ask(options_.statement, {user}, deadline);
    if (rows || rows.error().code != ErrorCode::backend_lost) return rows;
  }
  const protocol::Status opened = session_->open(options_.target, deadline);
  if (!opened) return opened.error();
  return session_->ask(options_.statement, {user}, deadline);
}

}  // namespace proxy::secrets
