#include "tests/sim/mini_server.hpp"

#include "tests/model/message.hpp"

#include <cctype>

namespace sim {

namespace {

constexpr std::size_t long_row_bytes = 700;

std::string message(char tag, std::string_view payload) {
  return tag + model::int32_be(static_cast<std::uint32_t>(payload.size() + 4)) + std::string(payload);
}

std::string text_z(std::string_view text) { return std::string(text) + '\0'; }

std::string take_text_z(std::string_view& payload) {
  const std::size_t end = payload.find('\0');
  std::string text(payload.substr(0, end));
  payload.remove_prefix(end + 1);
  return text;
}

std::string row_description() {
  // One column "v" of type text.
  return message('T', std::string("\0\1v\0", 4) + model::int32_be(0) + std::string("\0\0", 2) + model::int32_be(25) +
                          std::string("\xff\xff", 2) + model::int32_be(0xFFFFFFFF) + std::string("\0\0", 2));
}

std::string data_row(std::string_view value) {
  return message('D', std::string("\0\1", 2) + model::int32_be(static_cast<std::uint32_t>(value.size())) + std::string(value));
}

std::string int16_be(std::size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)}; }

std::string description_of(const std::vector<std::string>& names) {
  std::string payload = int16_be(names.size());
  for (const std::string& name : names) payload += name + std::string(1 + 18, '\0');
  return message('T', payload);
}

std::string row_of(const std::vector<std::string>& values) {
  std::string payload = int16_be(values.size());
  for (const std::string& value : values) payload += model::int32_be(static_cast<std::uint32_t>(value.size())) + value;
  return message('D', payload);
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.remove_suffix(1);
  return std::string(text);
}

std::string lower(std::string_view text) {
  std::string result;
  for (const char letter : text) {
    if (letter != '"') result += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return result;
}

std::string quoted_part(std::string_view text) {
  const std::size_t begin = text.find('\'');
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin + 1, text.find('\'', begin + 1) - begin - 1));
}

std::vector<std::string> quoted_parts(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t begin = text.find('\''); begin != std::string_view::npos; begin = text.find('\'', begin)) {
    const std::size_t end = text.find('\'', begin + 1);
    parts.emplace_back(text.substr(begin + 1, end - begin - 1));
    begin = end + 1;
  }
  return parts;
}

std::string word(std::string_view text, std::size_t number) {
  for (; number > 0; --number) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return "";
    text.remove_prefix(blank + 1);
  }
  return lower(text.substr(0, text.find_first_of(" =")));
}

bool ends_transaction(std::string_view statement) {
  return statement.starts_with("COMMIT") || statement.starts_with("ROLLBACK");
}

bool has_rows(std::string_view statement) { return statement.starts_with("SELECT") || statement.starts_with("SHOW"); }

}  // namespace

std::string farewell_message(char tag, std::string_view code) {
  const std::string severity = tag == 'E' ? "FATAL" : "WARNING";
  return message(tag, text_z("S" + severity) + text_z("V" + severity) + text_z("C" + std::string(code)) + text_z("Mgoing") + '\0');
}

MiniServer::MiniServer(char mark) : mark_(mark), settings_{{"timezone", "UTC"}, {"work_mem", "4MB"}} {
  committed_ = settings_;
  reported_time_zone_ = "UTC";
}

std::string MiniServer::greeting() const {
  std::string out = message('R', model::int32_be(0));
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"client_encoding", "UTF8"}, {"server_version", "15.0"}, {"TimeZone", "UTC"}}) {
    out += message('S', text_z(name) + text_z(value));
  }
  out += message('K', model::int32_be(4711) + model::int32_be(static_cast<std::uint32_t>(mark_)));
  return out + message('Z', "I");
}

void MiniServer::say_ready(std::string& out) {
  if (status_ == 'I') end_transaction(!segment_failed_);
  segment_failed_ = false;
  if (settings_["timezone"] != reported_time_zone_) {
    reported_time_zone_ = settings_["timezone"];
    out += message('S', text_z("TimeZone") + text_z(reported_time_zone_));
  }
  out += message('Z', std::string(1, status_));
}

void MiniServer::end_transaction(bool is_committed) {
  if (is_committed) {
    committed_ = settings_;
  } else {
    settings_ = committed_;
  }
  portals_.clear();
  if (store_ != nullptr && transaction_ != 0) store_->end(transaction_, is_committed ? RowStore::Fate::committed : RowStore::Fate::aborted);
  transaction_ = 0;
}

void MiniServer::abandon() { end_transaction(false); }

bool MiniServer::fail(std::string_view code, std::string_view words, std::string& out) {
  out += message('E', text_z("SERROR") + text_z("VERROR") + text_z("C" + std::string(code)) +
                          text_z("M" + std::string(words) + "@" + mark_) + '\0');
  segment_failed_ = true;
  if (status_ == 'T') status_ = 'E';
  if (status_ == 'I') settings_ = committed_;
  return false;
}

void MiniServer::take(char tag, std::string_view payload, std::string& out) {
  if (skipping_ && tag != 'S' && tag != 'X') return;
  switch (tag) {
    case 'Q':
      prepared_.erase("");
      return take_query(take_text_z(payload), out);
    case 'S':
      skipping_ = false;
      return say_ready(out);
    case 'X':
      is_over_ = true;
      return;
    case 'H':
      return;
    default:
      return take_extended(tag, payload, out);
  }
}

void MiniServer::take_query(std::string_view text, std::string& out) {
  if (trimmed(text).empty()) out += message('I', "");
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    const std::string statement = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!statement.empty() && !run(statement, Rows::described, out)) break;
  }
  say_ready(out);
}

void MiniServer::take_extended(char tag, std::string_view payload, std::string& out) {
  bool is_done = true;
  switch (tag) {
    case 'P': {
      const std::string name = take_text_z(payload);
      const std::string text = take_text_z(payload);
      if (!name.empty() && prepared_.contains(name)) {
        is_done = fail("42P05", "prepared statement exists: " + name, out);
      } else if (status_ == 'E' && !ends_transaction(text)) {
        is_done = fail("25P02", "transaction is aborted", out);
      } else {
        prepared_[name] = text;
        out += message('1', "");
      }
      break;
    }
    case 'B': {
      const std::string portal = take_text_z(payload);
      const auto known = prepared_.find(take_text_z(payload));
      if (known == prepared_.end()) {
        is_done = fail("26000", "no such prepared statement", out);
      } else if (status_ == 'E' && !ends_transaction(known->second)) {
        is_done = fail("25P02", "transaction is aborted", out);
      } else {
        portals_[portal] = known->second;
        out += message('2', "");
      }
      break;
    }
    case 'D': {
      const bool is_statement = payload.front() == 'S';
      payload.remove_prefix(1);
      const auto& names = is_statement ? prepared_ : portals_;
      const auto known = names.find(take_text_z(payload));
      if (known == names.end()) {
        is_done = fail(is_statement ? "26000" : "34000", "nothing to describe", out);
      } else {
        if (is_statement) out += message('t', std::string("\0\0", 2));
        out += has_rows(known->second) ? row_description() : message('n', "");
      }
      break;
    }
    case 'E': {
      const auto known = portals_.find(take_text_z(payload));
      is_done = known == portals_.end() ? fail("34000", "no such portal", out) : run(known->second, Rows::plain, out);
      break;
    }
    case 'C': {
      auto& names = payload.front() == 'S' ? prepared_ : portals_;
      payload.remove_prefix(1);
      names.erase(take_text_z(payload));
      out += message('3', "");
      break;
    }
    default:
      is_done = fail("08P01", "a message that the mini server does not know", out);
      break;
  }
  skipping_ = !is_done;
}

bool MiniServer::run(std::string_view statement, Rows rows, std::string& out) {
  if (status_ == 'E' && !ends_transaction(statement)) return fail("25P02", "transaction is aborted", out);
  if (statement.starts_with("INSERT") && is_read_only_ && status_ == 'T') return fail("25006", "read-only transaction", out);
  if (store_ != nullptr) {
    if (const std::optional<bool> is_done = run_on_rows(statement, out)) return *is_done;
  }
  executed_.emplace_back(statement);
  if (statement.starts_with("SELECT")) return run_select(statement, rows, out);
  if (statement.starts_with("INSERT")) {
    out += message('C', text_z("INSERT 0 1"));
    return true;
  }
  if (statement.starts_with("BEGIN")) {
    if (status_ == 'I') {
      end_transaction(true);
      is_read_only_ = statement.ends_with("READ ONLY");
    }
    status_ = 'T';
    out += message('C', text_z("BEGIN"));
    return true;
  }
  if (ends_transaction(statement)) {
    const bool is_committed = statement.starts_with("COMMIT") && status_ != 'E';
    if (status_ != 'I') end_transaction(is_committed);
    status_ = 'I';
    out += message('C', text_z(is_committed ? "COMMIT" : "ROLLBACK"));
    return true;
  }
  if (statement.starts_with("DEALLOCATE")) {
    prepared_.erase(word(statement, 1));
    out += message('C', text_z("DEALLOCATE"));
    return true;
  }
  return run_setting(statement, rows, out);
}

std::optional<bool> MiniServer::run_on_rows(std::string_view statement, std::string& out) {
  const auto answer = [&](const std::vector<std::string>& names, const std::vector<std::string>& row) {
    out += description_of(names) + row_of(row) + message('C', text_z("SELECT 1"));
    return true;
  };
  // What the capture asks for a table, and of how numbers are written.
  if (statement.starts_with("SELECT n.nspname")) {
    return answer({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"},
                  {"public", "t", "f", "id\x1fv", "id", "", "", "", "f", "", "", "f", "", "", "f", "f"});
  }
  if (statement.starts_with("SELECT pg_catalog.current_setting('extra_float_digits')")) return answer({"a"}, {"f"});
  if (statement.starts_with("INSERT") || statement.starts_with("UPDATE")) return run_write(statement, out);
  if (!statement.starts_with("SELECT v FROM t")) return std::nullopt;
  const std::string value = store_->read(transaction_, quoted_parts(statement).front()).value_or("none");
  return answer({"v"}, {value + "@" + mark_});
}

bool MiniServer::run_write(std::string_view statement, std::string& out) {
  const bool is_insert = statement.starts_with("INSERT");
  std::vector<std::string> parts = quoted_parts(statement);
  if (!is_insert) std::swap(parts[0], parts[1]);
  if (transaction_ == 0) transaction_ = store_->begin();
  switch (store_->write(transaction_, is_insert ? RowStore::Verb::insert : RowStore::Verb::update, parts[0], parts[1])) {
    case RowStore::Write::done: break;
    case RowStore::Write::locked: return fail("55P03", "locked", out);
    case RowStore::Write::duplicate: return fail("23505", "duplicate", out);
    case RowStore::Write::fenced: return fail("25006", "read-only", out);
  }
  if (statement.find("RETURNING") != std::string_view::npos) {
    out += description_of({"_crossfade_transaction", "_crossfade_row"}) +
           row_of({std::to_string(transaction_), "(" + parts[0] + "," + parts[1] + ")"});
  }
  out += message('C', text_z(is_insert ? "INSERT 0 1" : "UPDATE 1"));
  return true;
}

bool MiniServer::run_select(std::string_view statement, Rows rows, std::string& out) {
  const std::string value = quoted_part(statement);
  if (rows == Rows::described) out += row_description();
  std::size_t count = 1;
  if (value.starts_with("b")) count = std::stoul(std::string(statement.substr(statement.find(',') + 1)));
  for (std::size_t i = 0; i < count; ++i) {
    std::string cell = value + "@" + mark_;
    if (value.starts_with("b")) cell.resize(long_row_bytes, '.');
    out += data_row(cell);
  }
  if (value.starts_with("e")) return fail("22012", "division by zero in " + value, out);
  out += message('C', text_z("SELECT " + std::to_string(count)));
  return true;
}

bool MiniServer::run_setting(std::string_view statement, Rows rows, std::string& out) {
  const std::string verb = word(statement, 0);
  const std::string name = word(statement, 1);
  if (!settings_.contains(name)) {
    if (verb == "set" && (name == "client_encoding" || name == "application_name")) {
      out += message('C', text_z("SET"));
      return true;
    }
    return fail("42601", "the mini server does not know: " + std::string(statement), out);
  }
  if (verb == "set") {
    settings_[name] = quoted_part(statement);
    out += message('C', text_z("SET"));
  } else if (verb == "reset") {
    settings_[name] = name == "timezone" ? "UTC" : "4MB";
    out += message('C', text_z("RESET"));
  } else if (verb == "show") {
    if (rows == Rows::described) out += row_description();
    out += data_row(settings_[name]) + message('C', text_z("SHOW"));
  } else {
    return fail("42601", "the mini server does not know: " + std::string(statement), out);
  }
  return true;
}

}  // namespace sim
