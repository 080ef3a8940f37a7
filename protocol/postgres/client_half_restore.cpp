#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/client_encoding.hpp"
#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_writer.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace protocol::postgres {

namespace {

constexpr std::string_view application_name_setting = "application_name";

/// Parameters that a server reports and a client may set. What was reported counts before what was parsed.
/// default_transaction_read_only is left out: it may be an operator's fence on one side.
/// Source: PostgreSQL 15 manual 55.2.7 "Asynchronous Operations".
constexpr std::array<std::string_view, 7> settable_reported{
    "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "application_name", "standard_conforming_strings",
    "search_path"};

/// What a driver relies on not to change after the start-up, so that no session can go where it is otherwise.
/// Source: the same section, on pseudo-parameters; that server_version changes with a move is what a move may be for.
constexpr std::array<std::string_view, 2> fixed_reported{"server_encoding", "integer_datetimes"};

/// In which order settings are made again: who the session is comes last, since the rights of the original user set
/// everything else, and the role after the authorization, which resets it.
/// Source: PostgreSQL 15 manual, SET SESSION AUTHORIZATION and SET ROLE.
int restoring_pass_of(std::string_view name) {
  if (name == "session_authorization") return 1;
  return name == "role" ? 2 : 0;
}

/// Settings whose values are names in the catalogue, which others may drop or take away.
/// Source: PostgreSQL 15 manual 20.11.1 "Statement Behavior" and SET ROLE.
Certainty certainty_of(std::string_view name) {
  constexpr std::array<std::string_view, 6> named_in_catalogue{"role",
                                                               "session_authorization",
                                                               "default_table_access_method",
                                                               "default_tablespace",
                                                               "default_text_search_config",
                                                               "temp_tablespaces"};
  const bool is_there = std::find(named_in_catalogue.begin(), named_in_catalogue.end(), name) != named_in_catalogue.end();
  return is_there ? Certainty::never : Certainty::provable;
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

/// What cannot fail goes ahead of the session's next request in the same write; anything else is waited for.
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
  compose_restoration(target);
  const bool has_closed = close_strange_names(target, to_backend);
  const RestorationText& text = target.restoration;
  if (text.is_empty() && !has_closed) {
    finish_restore(target, to_client);
    target.restore = RestorePhase::idle;
    return RestoreState::not_needed;
  }
  Bytes last;
  if (text.is_empty()) {
    FrameWriter(last, FrontendMessage::sync).finish();
  } else {
    FrameWriter frame(last, FrontendMessage::query);
    frame.fields().write_text_z(text.sql());
    frame.finish();
    // A simple query frees the unnamed statement. Source: manual 55.2.3.
    if (const auto unnamed = target.statements.find(std::string_view{}); unnamed != target.statements.end()) {
      target.statements.erase(unnamed);
    }
  }
  to_backend.own(last);
  const Kind kind = text.is_empty() ? Kind::sync : Kind::query;
  target.tracker.expect(ExpectedReply{kind, Disposition::restore, false, nullptr, nullptr});
  ++target.segment;
  target.restore = text.is_certain() ? RestorePhase::ahead : RestorePhase::under_way;
  return text.is_certain() ? RestoreState::ahead : RestoreState::under_way;
}

bool PostgresClientHalf::is_in_line(const BackendHalf& backend) const {
  const auto& target = static_cast<const PostgresBackendHalf&>(backend);
  // Its values are on the connection where it has drawn them, if they are anywhere.
  if (wants_sequence_value_ && target.drawn_by != id_) return false;
  return target.settings == state_.settings() && target.parameters == client_parameters_ &&
         target.statements_version == state_.statements_version() && !target.has_lent_names && !is_strange(target);
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
    case RestorePhase::ahead: return RestoreState::ahead;
    case RestorePhase::done: return RestoreState::done;
    case RestorePhase::failed:
    case RestorePhase::overtaken: return RestoreState::failed;
  }
  return RestoreState::failed;
}

void PostgresClientHalf::compose_restoration(PostgresBackendHalf& target) const {
  RestorationText& text = target.restoration;
  text.begin(target.proven.get());
  const bool begins_anew = is_strange(target);
  if (begins_anew) {
    for (const std::string_view statement : {"RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"}) {
      text.add(statement, Certainty::provable);
    }
    target.has_unseen_settings = false;
  }
  const Settings& present_settings = begins_anew ? *no_settings() : *target.settings;
  const ParameterMap& present_parameters = begins_anew ? *target.startup_parameters : *target.parameters;
  if (begins_anew || target.settings != state_.settings()) append_setting_changes(target, present_settings, text);
  for (const std::string_view name : settable_reported) {
    const std::string* wanted = find_value(*client_parameters_, name);
    const std::string* present = find_value(present_parameters, name);
    if (wanted == nullptr || present == nullptr || *wanted == *present) continue;
    std::string& sql = text.next_statement();
    sql += "SET ";
    sql += name;
    sql += " TO ";
    append_literal(sql, *wanted);
    text.end_statement(name == application_name_setting ? Certainty::certain : Certainty::provable);
  }
  if (target.statements_version == state_.statements_version()) return;
  for (const auto& [name, statement] : state_.statements()) {
    if (statement->origin != PreparedStatement::Origin::sql) continue;
    const auto held = target.statements.find(name);
    if (held != target.statements.end() && is_same(*held->second, *statement)) continue;
    text.add(statement->sql_text, Certainty::never);
  }
}

/// From `present`, what is set on `target`, to what is set in the session. Settings are made by the user of the login:
/// another one perhaps may not set or reset what that one has set, and the session set it before it took on who it is.
void PostgresClientHalf::append_setting_changes(const PostgresBackendHalf& target, const Settings& present,
                                                RestorationText& text) const {
  const Settings& wanted = *state_.settings();
  const auto is_reported = [&](std::string_view name) {
    for (const std::string_view reported : settable_reported) {
      if (equals_folded(name, reported)) return find_value(*target.parameters, reported) != nullptr;
    }
    return false;
  };
  const auto is_in = [](const Settings& settings, const std::string& name, const std::string& set) {
    const auto place = settings.find(name);
    return place != settings.end() && place->second == set;
  };
  const auto lacks = [&](const Settings& some, const Settings& others) {
    return std::any_of(some.begin(), some.end(), [&](const auto& each) {
      return !is_reported(each.first) && !is_in(others, each.first, each.second);
    });
  };
  if (!lacks(present, wanted) && !lacks(wanted, present)) return;
  for (const int pass : {1, 2, 0}) {
    for (const auto& [name, set] : present) {
      const bool is_identity = pass != 0;
      if (restoring_pass_of(name) != pass || is_reported(name)) continue;
      if (!is_identity && wanted.count(name) != 0) continue;
      std::string& sql = text.next_statement();
      sql += "RESET ";
      sql += name == "session_authorization" ? "SESSION AUTHORIZATION" : name;
      text.end_statement(Certainty::provable);
    }
  }
  for (const int pass : {0, 1, 2}) {
    for (const auto& [name, set] : wanted) {
      const bool is_identity = pass != 0;
      if (restoring_pass_of(name) != pass || is_reported(name)) continue;
      if (!is_identity && is_in(present, name, set)) continue;
      // The text of a setting that was only named in the session leaves a value alone: here, another session's.
      if (!is_identity && present.count(name) != 0 && name.find('.') != std::string::npos) {
        text.next_statement() += "RESET " + name;
        text.end_statement(Certainty::provable);
      }
      text.add(set, certainty_of(name));
    }
  }
}

/// Names of other sessions, and statements that this one has replaced or freed elsewhere, are free again. Closing a
/// statement that does not exist is no error. Source: PostgreSQL 15 manual 55.2.3 and 55.7, Close.
bool PostgresClientHalf::close_strange_names(PostgresBackendHalf& target, Gather& to_backend) {
  if (target.statements_version == state_.statements_version() && !target.has_lent_names) return false;
  target.has_lent_names = false;
  bool has_closed = false;
  for (auto place = target.statements.begin(); place != target.statements.end();) {
    const PreparedStatementPointer wanted = state_.find_statement(place->first);
    const bool is_kept = place->first.empty() || (wanted && is_same(*wanted, *place->second));
    if (is_kept) {
      ++place;
      continue;
    }
    write_close(place->first, to_backend);
    target.tracker.expect(ExpectedReply{Kind::close, Disposition::swallow, false, nullptr, nullptr});
    place = target.statements.erase(place);
    has_closed = true;
  }
  return has_closed;
}

/// The connection carries out what its session has set: these texts succeed here.
void PostgresClientHalf::note_proven(PostgresBackendHalf& source) const {
  if (source.proven == nullptr || source.settings == no_settings()) return;
  const Settings& settings = *source.settings;
  // What another role may set, the user of the login perhaps may not.
  if (settings.count("role") != 0 || settings.count("session_authorization") != 0) return;
  for (const auto& [name, text] : settings) source.proven->insert(text);
}

/// What `target` holds is now what the session has, or it cannot serve it.
void PostgresClientHalf::finish_restore(PostgresBackendHalf& target, Gather& to_client) {
  const bool was_ahead = target.restore == RestorePhase::ahead;
  if (target.restore == RestorePhase::failed) return;
  target.settings = state_.settings();
  for (const auto& [name, statement] : state_.statements()) {
    if (statement->origin == PreparedStatement::Origin::sql) target.statements.insert_or_assign(name, statement);
  }
  target.statements_version = state_.statements_version();
  for (const std::string_view name : settable_reported) {
    const std::string* wanted = find_value(*client_parameters_, name);
    const std::string* present = find_value(*target.parameters, name);
    if (name == application_name_setting) continue;  // servers shorten it as they please
    if (wanted != nullptr && present != nullptr && *wanted != *present) {
      target.restore = was_ahead ? RestorePhase::overtaken : RestorePhase::failed;
      return;
    }
  }
  if (target.proven != nullptr && !was_ahead) target.restoration.prove(*target.proven);
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
  is_encoding_readable_ = encoding == nullptr || is_readable_encoding(*encoding);
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
  process_id_ = key.process_id;
  writer.write_bytes(key.secret);
  writer.write_u8(static_cast<std::uint8_t>(BackendMessage::ready_for_query));
  writer.write_u32_be(frame_length_min + 1);
  writer.write_u8(static_cast<std::uint8_t>(TransactionStatus::idle));
}

}  // namespace protocol::postgres
