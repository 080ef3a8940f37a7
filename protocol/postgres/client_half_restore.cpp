#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_writer.hpp"

#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace protocol::postgres {

namespace {

/// Parameters that a server reports and a client may set. What was reported counts before what was parsed.
/// default_transaction_read_only is left out: it may be an operator's fence on one side.
/// Source: PostgreSQL 15 manual 55.2.7 "Asynchronous Operations".
constexpr std::array<std::string_view, 7> settable_reported{
    "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "application_name", "standard_conforming_strings",
    "search_path"};

/// What a driver relies on not to change after the start-up, so that no session can go where it is otherwise.
/// Source: the same section, on pseudo-parameters; that server_version changes with a move is what a move may be for.
constexpr std::array<std::string_view, 2> fixed_reported{"server_encoding", "integer_datetimes"};

/// Client encodings whose characters may hold bytes that mean something else in ASCII, a quote or a backslash.
/// Source: PostgreSQL 15 manual 24.3.1 "Supported Character Sets", those not allowed as server encodings.
constexpr std::array<std::string_view, 7> unreadable_encodings{"BIG5", "GB18030", "GBK",  "JOHAB",
                                                               "SJIS", "SHIFT_JIS_2004", "UHC"};

bool equals_folded(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    if (fold(left[i]) != fold(right[i])) return false;
  }
  return true;
}

/// In which order settings are made again: who the session is comes last, since the rights of the original user set
/// everything else, and the role after the authorization, which resets it.
/// Source: PostgreSQL 15 manual, SET SESSION AUTHORIZATION and SET ROLE.
int restoring_pass_of(std::string_view name) {
  if (name == "session_authorization") return 1;
  return name == "role" ? 2 : 0;
}

void append_quoted(std::string& sql, std::string_view text, char quote) {
  sql += quote;
  for (const char c : text) {
    if (c == quote) sql += quote;
    sql += c;
  }
  sql += quote;
}

/// A string literal that means `value` whatever standard_conforming_strings says.
void append_literal(std::string& sql, std::string_view value) {
  if (value.find('\\') == std::string_view::npos) {
    append_quoted(sql, value, '\'');
    return;
  }
  std::string escaped;
  for (const char c : value) {
    if (c == '\\') escaped += '\\';
    escaped += c;
  }
  sql += " E";
  append_quoted(sql, escaped, '\'');
}

void write_parameter_status(std::string_view name, std::string_view value, Bytes& target) {
  FrameWriter frame(target, BackendMessage::parameter_status);
  frame.fields().write_text_z(name);
  frame.fields().write_text_z(value);
  frame.finish();
}

const std::string* find_value(const ParameterMap& parameters, std::string_view name) {
  const auto place = parameters.find(std::string(name));
  return place == parameters.end() ? nullptr : &place->second;
}

/// An application's name as a server keeps it: printable ASCII and marks for all else.
/// Source: PostgreSQL manual 20.8.2, application_name; of version 15 ("question marks") and of 16 ("hexadecimal escapes").
std::string as_server_writes(std::string_view name, const ParameterMap& parameters) {
  const std::string* version = find_value(parameters, "server_version");
  const bool has_escapes = version != nullptr && std::atoi(version->c_str()) >= 16;
  std::string written;
  for (const char c : name) {
    if (c >= ' ' && c <= '~') {
      written += c;
    } else if (has_escapes) {
      constexpr std::string_view digits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      written += {'\\', 'x', digits[byte >> 4], digits[byte & 0xF]};
    } else {
      written += '?';
    }
  }
  return written;
}

}  // namespace

RestoreState PostgresClientHalf::begin_restore(BackendHalf& backend, Gather& to_backend, Gather& to_client) {
  auto& target = static_cast<PostgresBackendHalf&>(backend);
  if (is_in_line(target)) return RestoreState::not_needed;
  for (const std::string_view name : fixed_reported) {
    const std::string* told = find_value(*client_parameters_, name);
    const std::string* present = find_value(*target.parameters, name);
    if (told == nullptr || present == nullptr || *told == *present) continue;
    target.restore = RestorePhase::failed;
    return RestoreState::failed;
  }
  const std::string sql = restoration_sql(target);
  if (sql.empty()) {
    finish_restore(target, to_client);
    target.restore = RestorePhase::idle;
    return RestoreState::not_needed;
  }
  Bytes query;
  FrameWriter frame(query, FrontendMessage::query);
  frame.fields().write_text_z(sql);
  frame.finish();
  to_backend.own(query);
  // A simple query frees the unnamed statement. Source: manual 55.2.3.
  if (const auto unnamed = target.statements.find(std::string_view{}); unnamed != target.statements.end()) {
    target.statements.erase(unnamed);
  }
  target.tracker.expect(ExpectedReply{Kind::query, Disposition::swallow, false, nullptr, nullptr});
  target.restore = RestorePhase::under_way;
  return RestoreState::under_way;
}

bool PostgresClientHalf::is_in_line(const BackendHalf& backend) const {
  const auto& target = static_cast<const PostgresBackendHalf&>(backend);
  return target.settings == state_.settings() && target.parameters == client_parameters_ &&
         target.statements_version == state_.statements_version() && !is_strange(target);
}

void PostgresClientHalf::let_go(BackendHalf& backend) {
  auto& target = static_cast<PostgresBackendHalf&>(backend);
  if (current_ == &target) current_ = nullptr;
  if (doubted_ == &target) state_.forget_doubts();
  target.restore = RestorePhase::idle;
}

RestoreState PostgresClientHalf::restore_state(const BackendHalf& backend) const {
  switch (static_cast<const PostgresBackendHalf&>(backend).restore) {
    case RestorePhase::idle: return RestoreState::not_needed;
    case RestorePhase::under_way: return RestoreState::under_way;
    case RestorePhase::done: return RestoreState::done;
    case RestorePhase::failed: return RestoreState::failed;
  }
  return RestoreState::failed;
}

std::string PostgresClientHalf::restoration_sql(const PostgresBackendHalf& target) const {
  std::string sql;
  const bool begins_anew = is_strange(target);
  if (begins_anew) sql = "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;";
  const Settings& present_settings = begins_anew ? *no_settings() : *target.settings;
  const ParameterMap& present_parameters = begins_anew ? *target.startup_parameters : *target.parameters;
  if (begins_anew || target.settings != state_.settings()) append_setting_changes(target, present_settings, sql);
  for (const std::string_view name : settable_reported) {
    const std::string* wanted = find_value(*client_parameters_, name);
    const std::string* present = find_value(present_parameters, name);
    if (wanted == nullptr || present == nullptr || *wanted == *present) continue;
    sql += "SET ";
    sql += name;
    sql += " TO ";
    append_literal(sql, *wanted);
    sql += ";";
  }
  if (target.statements_version != state_.statements_version()) append_statement_changes(target, sql);
  return sql;
}

/// From `present`, what is set on `target`, to what is set in the session.
void PostgresClientHalf::append_setting_changes(const PostgresBackendHalf& target, const Settings& present,
                                                std::string& sql) const {
  const auto is_reported = [&](std::string_view name) {
    for (const std::string_view reported : settable_reported) {
      if (equals_folded(name, reported)) return find_value(*target.parameters, reported) != nullptr;
    }
    return false;
  };
  for (const int pass : {0, 1, 2}) {
    for (const auto& [name, text] : present) {
      if (restoring_pass_of(name) != pass || is_reported(name) || state_.settings()->count(name) != 0) continue;
      sql += name == "session_authorization" ? "RESET SESSION AUTHORIZATION" : "RESET " + name;
      sql += ";";
    }
    for (const auto& [name, text] : *state_.settings()) {
      if (restoring_pass_of(name) != pass || is_reported(name)) continue;
      const auto place = present.find(name);
      if (place != present.end() && place->second == text) continue;
      // The text of a setting that was only named in the session leaves a value alone: here, another session's.
      if (place != present.end() && name.find('.') != std::string::npos) sql += "RESET " + name + ";";
      sql += text;
      sql += ";";
    }
  }
}

void PostgresClientHalf::append_statement_changes(const PostgresBackendHalf& target, std::string& sql) const {
  for (const auto& [name, held] : target.statements) {
    const PreparedStatementPointer wanted = state_.find_statement(name);
    if (name.empty() || (wanted && is_same(*wanted, *held))) continue;
    sql += "DEALLOCATE ";
    append_quoted(sql, name, '"');
    sql += ";";
  }
  for (const auto& [name, statement] : state_.statements()) {
    if (statement->origin != PreparedStatement::Origin::sql) continue;
    const auto held = target.statements.find(name);
    if (held != target.statements.end() && is_same(*held->second, *statement)) continue;
    sql += statement->sql_text;
    sql += ";";
  }
}

/// What `target` holds is now what the session has, or it cannot serve it.
void PostgresClientHalf::finish_restore(PostgresBackendHalf& target, Gather& to_client) {
  if (target.restore == RestorePhase::failed) return;
  target.settings = state_.settings();
  if (is_strange(target)) target.has_unseen_settings = false;
  for (auto place = target.statements.begin(); place != target.statements.end();) {
    const PreparedStatementPointer wanted = state_.find_statement(place->first);
    const bool is_current = wanted && is_same(*wanted, *place->second);
    place = is_current || place->first.empty() ? std::next(place) : target.statements.erase(place);
  }
  for (const auto& [name, statement] : state_.statements()) {
    if (statement->origin == PreparedStatement::Origin::sql) target.statements.insert_or_assign(name, statement);
  }
  target.statements_version = state_.statements_version();
  for (const std::string_view name : settable_reported) {
    const std::string* wanted = find_value(*client_parameters_, name);
    const std::string* present = find_value(*target.parameters, name);
    if (wanted != nullptr && present != nullptr && *wanted != *present) {
      target.restore = RestorePhase::failed;
      return;
    }
  }
  tell_parameter_changes(target, to_client);
  target.restore = RestorePhase::done;
}

/// A server of another version, or one in recovery, must not pass for the one before.
void PostgresClientHalf::tell_parameter_changes(PostgresBackendHalf& target, Gather& to_client) {
  if (*target.parameters == *client_parameters_) {
    target.parameters = client_parameters_;  // shared, so that the next comparison is one of pointers
    return;
  }
  Bytes messages;
  for (const auto& [name, value] : *target.parameters) {
    const std::string* known = find_value(*client_parameters_, name);
    if (known == nullptr || *known != value) write_parameter_status(name, value, messages);
  }
  to_client.own(messages);
  note_told(target.parameters);
}

void PostgresClientHalf::note_told(ParameterPointer parameters) {
  client_parameters_ = std::move(parameters);
  const std::string* encoding = find_value(*client_parameters_, "client_encoding");
  is_encoding_readable_ = true;
  for (const std::string_view unreadable : unreadable_encodings) {
    if (encoding != nullptr && equals_folded(*encoding, unreadable)) is_encoding_readable_ = false;
  }
}

void PostgresClientHalf::write_welcome(const BackendHalf& first, const CancelKey& key, Bytes& to_client) {
  // What others have changed on this connection since its login is not the client's business.
  ParameterPointer parameters = static_cast<const PostgresBackendHalf&>(first).startup_parameters;
  application_name_ = as_server_writes(application_name_, *parameters);
  const std::string* application_name = find_value(*parameters, "application_name");
  if (application_name != nullptr && *application_name != application_name_) {
    auto own = std::make_shared<ParameterMap>(*parameters);
    own->insert_or_assign("application_name", application_name_);
    parameters = std::move(own);
  }
  note_told(std::move(parameters));
  for (const auto& [name, value] : *client_parameters_) write_parameter_status(name, value, to_client);
  ByteWriter writer(to_client);
  writer.write_u8(static_cast<std::uint8_t>(BackendMessage::backend_key_data));
  writer.write_u32_be(static_cast<std::uint32_t>(frame_length_min + sizeof(std::uint32_t) + key.secret.size()));
  writer.write_u32_be(key.process_id);
  writer.write_bytes(key.secret);
  writer.write_u8(static_cast<std::uint8_t>(BackendMessage::ready_for_query));
  writer.write_u32_be(frame_length_min + 1);
  writer.write_u8(static_cast<std::uint8_t>(TransactionStatus::idle));
}

}  // namespace protocol::postgres
