#include "proxy/cli/convert/ini.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <utility>

namespace proxy::cli {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;

namespace {

constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// A name of a database may stand in double quotes, doubled inside.
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  std::string result;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    result += text[i];
    if (text[i] == '"' && i + 2 < text.size() && text[i + 1] == '"') ++i;
  }
  return result;
}

protocol::Error invalid(std::string words) {
  return failure(ErrorCode::configuration_invalid, Blame::operator_, std::move(words));
}

class Reader {
 public:
  protocol::Status read(const std::string& path, int depth) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return invalid(path + " cannot be read");
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (text.size() > ini_bytes_max) return invalid(path + " is too large");
    const std::string name = path.substr(path.rfind('/') + 1);
    std::size_t number = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string place = name + ":" + std::to_string(++number);
      const protocol::Status taken = take(trimmed(std::string_view(text).substr(at, end - at)), place, depth);
      if (!taken) return taken;
      at = end + 1;
    }
    return {};
  }
  std::vector<IniEntry> entries;

 private:
  protocol::Status take(std::string_view line, const std::string& place, int depth) {
    if (line.empty() || line[0] == ';' || line[0] == '#') return {};
    if (line.starts_with("%include")) {
      if (depth >= include_depth_max) return invalid(place + ": too many includes inside each other");
      return read(std::string(trimmed(line.substr(8))), depth + 1);
    }
    if (line[0] == '[') {
      const std::size_t end = line.find(']');
      if (end == std::string_view::npos) return invalid(place + ": a section without `]`");
      section_ = lower(trimmed(line.substr(1, end - 1)));
      return {};
    }
    // A quoted name may hold what looks like the end of it.
    const std::size_t from = line[0] == '"' ? line.find('"', 1) : 0;
    const std::size_t equals = from == std::string_view::npos ? from : line.find('=', from);
    if (equals == std::string_view::npos) return invalid(place + ": neither a section nor `key = value`");
    IniEntry entry{section_, unquoted(trimmed(line.substr(0, equals))), std::string(trimmed(line.substr(equals + 1))), place};
    if (entry.section == "pgbouncer") entry.key = lower(entry.key);
    std::erase_if(entries, [&](const IniEntry& other) { return other.section == entry.section && other.key == entry.key; });
    entries.push_back(std::move(entry));
    return {};
  }
  std::string section_;
};

}  // namespace

protocol::Result<std::vector<IniEntry>> read_ini(const std::string& path) {
  Reader reader;
  const protocol::Status read = reader.read(path, 0);
  if (!read) return read.error();
  return std::move(reader.entries);
}

protocol::Result<std::vector<std::pair<std::string, std::string>>> parse_connection_string(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::size_t at = 0;
  const auto skip_blanks = [&] {
    while (at < text.size() && blanks.find(text[at]) != std::string_view::npos) ++at;
  };
  for (skip_blanks(); at < text.size(); skip_blanks()) {
    const std::size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) return invalid("a key without a value in the connection string");
    const std::string key = lower(trimmed(text.substr(at, equals - at)));
    at = equals + 1;
    skip_blanks();
    std::string value;
    if (at < text.size() && text[at] == '\'') {
      bool is_closed = false;
      for (++at; at < text.size() && !is_closed; ++at) {
        if (text[at] != '\'') {
          value += text[at];
        } else if (at + 1 < text.size() && text[at + 1] == '\'') {
          value += text[at++];
        } else {
          is_closed = true;
        }
      }
      if (!is_closed) return invalid("a quote that is not closed in the connection string");
    } else {
      while (at < text.size() && blanks.find(text[at]) == std::string_view::npos) value += text[at++];
    }
    pairs.emplace_back(key, value);
  }
  return pairs;
}

}  // namespace proxy::cli
