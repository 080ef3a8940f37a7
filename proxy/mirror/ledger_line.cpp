#include "proxy/mirror/ledger_line.hpp"

#include "protocol/base/bytes.hpp"
#include "proxy/mirror/crc32c.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

namespace proxy::mirror {

namespace {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;

constexpr std::string_view checksum_member = ",\"check\":\"";

constexpr std::array all_kinds{LedgerKind::unsafe_statement, LedgerKind::unit_failed,       LedgerKind::unit_dependent,
                               LedgerKind::rows_differ,      LedgerKind::unit_lost,         LedgerKind::broken_off,
                               LedgerKind::in_doubt,         LedgerKind::window_unproven,   LedgerKind::acknowledged_late,
                               LedgerKind::left_behind};

/// RFC 8259, section 7: quote, backslash and controls are escaped; all else stands as it is.
void append_text(std::string& line, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  line += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (code < 0x20) {
      line += "\\u00";
      line += digits[code >> 4];
      line += digits[code & 0xF];
    } else {
      line += c;
    }
  }
  line += '"';
}

void append_member(std::string& line, std::string_view name, std::string_view text) {
  line.append(",\"").append(name).append("\":");
  append_text(line, text);
}

void append_member(std::string& line, std::string_view name, std::uint64_t number) {
  line.append(",\"").append(name).append("\":").append(std::to_string(number));
}

std::uint64_t since_1970(std::chrono::system_clock::time_point time) {
  const auto span = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
  return static_cast<std::uint64_t>(span.count());
}

std::chrono::system_clock::time_point time_of(std::uint64_t milliseconds) {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(milliseconds));
}

std::string hexadecimal(std::uint32_t value) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  const std::string text(digits.data(), end);
  return std::string(digits.size() - text.size(), '0') + text;
}

/// Reads the objects that encode_line() writes: members of texts, numbers and lists of texts, without spaces.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : text_(text) {}

  struct Members {
    std::map<std::string, std::string> texts;
    std::map<std::string, std::uint64_t> numbers;
    std::map<std::string, std::vector<std::string>> lists;
  };

  std::optional<Members> read() {
    Members members;
    if (!skip('{')) return std::nullopt;
    do {
      const std::optional<std::string> name = read_text();
      if (!name || !skip(':') || !read_value(*name, members)) return std::nullopt;
    } while (skip(','));
    if (position_ != text_.size()) return std::nullopt;
    return members;
  }

 private:
  bool skip(char wanted) {
    if (position_ >= text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  bool read_value(const std::string& name, Members& members) {
    if (position_ >= text_.size()) return false;
    if (text_[position_] == '"') {
      auto text = read_text();
      if (text) members.texts[name] = *std::move(text);
      return text.has_value();
    }
    if (text_[position_] == '[') return read_list(members.lists[name]);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text_.data() + position_, text_.data() + text_.size(), number);
    if (error != std::errc()) return false;
    position_ = static_cast<std::size_t>(end - text_.data());
    members.numbers[name] = number;
    return true;
  }

  bool read_list(std::vector<std::string>& list) {
    if (!skip('[')) return false;
    if (skip(']')) return true;
    do {
      auto text = read_text();
      if (!text) return false;
      list.push_back(*std::move(text));
    } while (skip(','));
    return skip(']');
  }

  std::optional<std::string> read_text() {
    if (!skip('"')) return std::nullopt;
    std::string text;
    while (position_ < text_.size() && text_[position_] != '"') {
      if (text_[position_] != '\\') {
        text += text_[position_++];
        continue;
      }
      if (++position_ >= text_.size()) return std::nullopt;
      if (text_[position_] != 'u') {
        text += text_[position_++];
        continue;
      }
      unsigned code = 0;
      const std::string_view digits = text_.substr(std::min(position_ + 1, text_.size()), 4);
      if (digits.size() != 4 || std::from_chars(digits.data(), digits.data() + 4, code, 16).ptr != digits.data() + 4) return std::nullopt;
      text += static_cast<char>(code);
      position_ += 5;
    }
    if (!skip('"')) return std::nullopt;
    return text;
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace

std::string encode_line(const LedgerEntry& entry, std::uint32_t seed) {
  std::string line = "{\"id\":" + std::to_string(entry.id);
  append_member(line, "kind", name_of(entry.kind));
  append_member(line, "state", entry.is_open ? "open" : "closed");
  append_member(line, "database", entry.database);
  append_member(line, "table", entry.table);
  line += ",\"keys\":[";
  for (std::size_t i = 0; i < entry.keys.size(); ++i) {
    if (i != 0) line += ',';
    append_text(line, entry.keys[i]);
  }
  line += ']';
  append_member(line, "fingerprint", std::to_string(entry.fingerprint));
  append_member(line, "cause", entry.cause);
  append_member(line, "first_position", entry.first_position);
  append_member(line, "last_position", entry.last_position);
  append_member(line, "count", entry.count);
  append_member(line, "first_seen_ms", since_1970(entry.first_seen));
  append_member(line, "last_seen_ms", since_1970(entry.last_seen));
  append_member(line, "closed_by", entry.closed_by);
  const std::uint32_t checksum = crc32c(protocol::as_bytes(line), seed);
  return line.append(checksum_member).append(hexadecimal(checksum)).append("\"}");
}

protocol::Result<LedgerLine> decode_line(std::string_view line, std::uint32_t seed) {
  const protocol::Error malformed = failure(ErrorCode::message_malformed, Blame::self, "a line of the ledger that is not whole");
  const std::size_t end = line.rfind(checksum_member);
  if (end == std::string_view::npos) return malformed;
  LedgerLine read;
  read.checksum = crc32c(protocol::as_bytes(line.substr(0, end)), seed);
  if (line.substr(end) != std::string(checksum_member) + hexadecimal(read.checksum) + "\"}") return malformed;
  const auto members = LineReader(line.substr(0, end)).read();
  if (!members) return malformed;
  LedgerEntry& entry = read.entry;
  const auto text = [&](const char* name) {
    const auto found = members->texts.find(name);
    return found == members->texts.end() ? std::string() : found->second;
  };
  const auto number = [&](const char* name) {
    const auto found = members->numbers.find(name);
    return found == members->numbers.end() ? std::uint64_t{0} : found->second;
  };
  const std::string kind_name = text("kind");
  const auto* const kind = std::ranges::find(all_kinds, kind_name, [](LedgerKind each) { return name_of(each); });
  if (kind == all_kinds.end()) return malformed;
  entry.kind = *kind;
  entry.id = number("id");
  entry.is_open = text("state") == "open";
  entry.database = text("database");
  entry.table = text("table");
  const auto keys = members->lists.find("keys");
  if (keys != members->lists.end()) entry.keys = keys->second;
  const std::string fingerprint = text("fingerprint");
  std::from_chars(fingerprint.data(), fingerprint.data() + fingerprint.size(), entry.fingerprint);
  entry.cause = text("cause");
  entry.first_position = number("first_position");
  entry.last_position = number("last_position");
  entry.count = number("count");
  entry.first_seen = time_of(number("first_seen_ms"));
  entry.last_seen = time_of(number("last_seen_ms"));
  entry.closed_by = text("closed_by");
  return read;
}

}  // namespace proxy::mirror
