#include "proxy/migrate/server.hpp"

#include <utility>

namespace proxy::migrate {

std::string literal(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted + "'";
}

std::string array_of(const std::vector<std::string>& texts) {
  std::string array = "{";
  for (const std::string& text : texts) {
    if (array.size() > 1) array += ',';
    array += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  return array + "}";
}

protocol::Result<Server::Session*> Server::session_of(const std::string& database, Clock::time_point deadline) {
  Session& session = sessions_[database];
  if (session.session != nullptr && session.session->is_open() && !session.stop.stop_requested()) return &session;
  session.stop = std::stop_source();
  session.session = std::make_unique<secrets::QuestionSession>(session.stop.get_token());
  secrets::QuestionTarget target = target_;
  target.database = database;
  target.more.emplace_back("options", "-c default_transaction_read_only=off -c standard_conforming_strings=on -c statement_timeout=0");
  const protocol::Status opened = session.session->open(target, deadline);
  if (!opened) return opened.error();
  const auto process = session.session->ask("SELECT pg_backend_pid()", {}, deadline);
  if (!process) return process.error();
  processes_.push_back(process->at(0).at(0)->reveal());
  return &session;
}

protocol::Result<std::vector<Row>> Server::ask(const std::string& database, const std::string& statement,
                                               const std::vector<std::string>& parameters, Clock::time_point deadline,
                                               const std::stop_token& stop) {
  const protocol::Result<Session*> session = session_of(database, deadline);
  if (!session) return session.error();
  const std::stop_callback pass_on(stop, [&source = (*session)->stop] { source.request_stop(); });
  const auto rows = (*session)->session->ask(statement, parameters, deadline);
  if (!rows) return rows.error();
  std::vector<Row> texts;
  texts.reserve(rows->size());
  for (const auto& row : *rows) {
    Row& text = texts.emplace_back();
    for (const auto& value : row) {
      value ? text.emplace_back(value->reveal()) : text.emplace_back(std::nullopt);
    }
  }
  return texts;
}

void Server::close() {
  sessions_.clear();
  processes_.clear();
}

}  // namespace proxy::migrate
