#include "protocol/postgres/question.hpp"

#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace protocol::postgres {

namespace {

/// Names of settings that one question asks about beyond those that are listed.
constexpr std::size_t unlisted_max = 48;
constexpr std::size_t column_count = 4;

// Temporary objects depend on their schema, whatever they are; it is the schema's dependents that the server drops.
constexpr std::string_view temporary_text =
    "SELECT 't', NULL, NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) "
    "'pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())";
constexpr std::string_view lock_text =
    "SELECT 'l', NULL, NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) "
    "'advisory' AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())";
constexpr std::string_view cursor_text =
    "SELECT 'c', NULL, NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)";
constexpr std::string_view listen_text =
    "SELECT 'n', NULL, NULL, NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_listening_channels())";
constexpr std::string_view state_text =
    "SELECT 'p', name, NULL, NULL FROM pg_catalog.pg_prepared_statements WHERE from_sql UNION ALL "
    "SELECT 'r', pg_catalog.current_setting('role'), NULL, NULL UNION ALL "
    "SELECT 's', name, setting, context FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'session' "
    "AND name OPERATOR(pg_catalog.!~~) 'transaction\\_%'";

std::string quoted(std::string_view value, char quote) {
  std::string text(1, quote);
  for (const char c : value) {
    if (c == quote) text += quote;
    text += c;
  }
  return text + quote;
}

/// A literal that means `value` whatever standard_conforming_strings says.
std::string literal(std::string_view value) {
  if (value.find('\\') == std::string_view::npos) return quoted(value, '\'');
  std::string escaped;
  for (const char c : value) {
    if (c == '\\') escaped += '\\';
    escaped += c;
  }
  return " E" + quoted(escaped, '\'');
}

/// What sets `setting` again, in the form of the analyser's: equal texts, equal values.
std::string text_that_sets(const ListedSetting& setting) {
  return "SELECT pg_catalog.set_config(" + literal(setting.name) + ", " + literal(setting.value) + ", false)";
}

std::string folded(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool is_custom(std::string_view name) { return name.find('.') != std::string_view::npos; }

/// The next column of a DataRow; nullopt for NULL.
std::optional<std::string_view> read_column(ByteReader& reader) {
  const std::int32_t size = reader.read_i32_be();
  if (size < 0) return std::nullopt;
  return as_text(reader.read_bytes(static_cast<std::size_t>(size)));
}

}  // namespace

std::vector<std::string> unlisted_names(const Settings& settings, const std::vector<std::string>& more) {
  std::vector<std::string> names = more;
  for (const auto& [name, text] : settings) {
    if (is_custom(name) && names.size() < unlisted_max) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string question_text(PinReasonSet asked, const std::vector<std::string>& unlisted) {
  std::string text;
  const auto append = [&](std::string_view part) {
    if (!text.empty()) text += " UNION ALL ";
    text += part;
  };
  if (asked.has(PinReason::temporary_object)) append(temporary_text);
  if (asked.has(PinReason::advisory_lock)) append(lock_text);
  if (asked.has(PinReason::hold_cursor)) append(cursor_text);
  if (asked.has(PinReason::listen)) append(listen_text);
  if (asked.has(PinReason::untracked_state)) {
    append(state_text);
    for (const std::string& name : unlisted) {
      append("SELECT 's', " + literal(name) + ", pg_catalog.current_setting(" + literal(name) + ", true), 'user'");
    }
  }
  return text;
}

void read_answer_row(ByteView payload, Answer& answer) {
  ByteReader reader(payload);
  if (reader.read_u16_be() != column_count) {
    answer.is_usable = false;
    return;
  }
  const std::optional<std::string_view> kind = read_column(reader);
  const std::string name(read_column(reader).value_or(std::string_view{}));
  const std::optional<std::string_view> value = read_column(reader);
  const std::optional<std::string_view> context = read_column(reader);
  if (!reader.ok() || !kind || kind->size() != 1) {
    answer.is_usable = false;
    return;
  }
  switch (kind->front()) {
    case 't': answer.found.add(PinReason::temporary_object); return;
    case 'l': answer.found.add(PinReason::advisory_lock); return;
    case 'c': answer.found.add(PinReason::hold_cursor); return;
    case 'n': answer.found.add(PinReason::listen); return;
    case 'p': answer.prepared_names.push_back(name); return;
    case 'r': answer.role = name; return;
    case 's': {
      if (!value) return;  // known to the session, and not to the server any more
      const auto setter = context == "user" ? ListedSetting::Setter::anybody : ListedSetting::Setter::privileged;
      answer.settings.push_back(ListedSetting{folded(name), std::string(*value), setter});
      return;
    }
    default: answer.is_usable = false;
  }
}

Adopted adopt_settings(const Settings& known, const Answer& answer) {
  Adopted adopted;
  for (const auto& [name, text] : known) {
    // Whose session it is, the server reports by itself; beyond what can be asked in one question stays what was known.
    if (is_custom(name) || name == "session_authorization") adopted.settings.emplace(name, text);
  }
  if (answer.role != "none" && !answer.role.empty()) {
    adopted.settings.insert_or_assign("role", "SET ROLE " + quoted(answer.role, '"'));
  }
  for (const ListedSetting& setting : answer.settings) {
    const auto place = known.find(setting.name);
    if (setting.setter == ListedSetting::Setter::privileged && place == known.end()) {
      adopted.is_complete = false;
      continue;
    }
    // Named by another session of this connection once, and empty since: not this one's.
    if (is_custom(setting.name) && setting.value.empty() && place == known.end()) continue;
    // A custom setting that was taken back stays as an empty text: see SessionState::settle_customs.
    const bool is_bare = place != known.end() && setting.value.empty() && place->second.ends_with(" IS NULL");
    adopted.settings.insert_or_assign(setting.name, is_bare ? place->second : text_that_sets(setting));
  }
  return adopted;
}

}  // namespace protocol::postgres
