#include "proxy/cli/convert/convert.hpp"
#include "proxy/cli/convert/yaml_text.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace proxy::cli {

namespace {

protocol::Error lost(std::string words) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(words));
}

/// Words, with lists at commas; quotes keep blanks and take a keyword its meaning, which is refused below where it matters.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"') {
      is_quoted = !is_quoted;
    } else if (!is_quoted && c == '#') {
      break;
    } else if (!is_quoted && (c == ' ' || c == '\t')) {
      if (!word.empty() && word.back() != ',') words.push_back(std::exchange(word, {}));
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

std::vector<std::string> list_of(const std::string& word) {
  std::vector<std::string> items;
  std::size_t begin = 0;
  while (begin <= word.size()) {
    const std::size_t end = std::min(word.find(',', begin), word.size());
    if (end > begin) items.push_back(word.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

bool is_special(const std::string& item) {
  static constexpr std::array<std::string_view, 3> words{"sameuser", "samerole", "samegroup"};
  return item.starts_with('+') || item.starts_with('@') || item.starts_with('/') || std::ranges::find(words, item) != words.end();
}

/// "10.0.0.0" and "255.0.0.0" → "10.0.0.0/8".
std::string with_mask(const std::string& address, const std::string& mask) {
  std::array<std::uint8_t, 16> bytes{};
  const int family = mask.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (inet_pton(family, mask.c_str(), bytes.data()) != 1) return address;
  int bits = 0;
  for (const std::uint8_t byte : bytes) bits += __builtin_popcount(byte);
  return address + "/" + std::to_string(bits);
}

}  // namespace

protocol::Result<std::string> convert_hba_line(std::string_view line) {
  std::vector<std::string> words = words_of(line);
  if (words.empty() || words[0] == "local") return std::string();
  static constexpr std::array<std::string_view, 3> kinds{"host", "hostssl", "hostnossl"};
  if (std::ranges::find(kinds, words[0]) == kinds.end()) return lost("lines of the kind " + words[0]);
  if (words.size() < 5) return lost("a line that is not whole");
  std::size_t method_at = 4;
  const bool has_mask = words.size() > 5 && words[4].find_first_not_of("0123456789.:abcdefABCDEF") == std::string::npos &&
                        words[4].find_first_of(".:") != std::string::npos;
  if (has_mask) {
    words[3] = with_mask(words[3], words[4]);
    method_at = 5;
  }
  const std::vector<std::string> databases = list_of(words[1]);
  const std::vector<std::string> users = list_of(words[2]);
  const bool is_any_database = std::ranges::find(databases, "all") != databases.end();
  const bool is_any_user = std::ranges::find(users, "all") != users.end();
  if ((!is_any_database && std::ranges::any_of(databases, is_special)) || (!is_any_user && std::ranges::any_of(users, is_special))) {
    return lost("groups, files, patterns, sameuser and samerole");
  }
  const std::string& address = words[3];
  const bool is_anywhere = address == "all";
  if (!is_anywhere && address.find_first_not_of("0123456789.:/abcdefABCDEF") != std::string::npos) {
    return lost("networks named by a host name, samehost or samenet");
  }
  static constexpr std::array<std::string_view, 6> methods{"trust", "reject", "password", "md5", "scram-sha-256", "cert"};
  const std::string& method = words[method_at];
  if (std::ranges::find(methods, method) == methods.end()) return lost("the method " + method);
  std::string rule = "{";
  if (!is_any_user) rule += "user: " + yaml_list(users) + ", ";
  if (!is_any_database) rule += "database: " + yaml_list(databases) + ", ";
  if (!is_anywhere) rule += "network: [" + yaml_quoted(address) + "], ";
  if (words[0] == "hostssl") rule += "tls: required, ";
  if (words[0] == "hostnossl") rule += "tls: forbidden, ";
  if (words[0] == "host" && method == "password") rule += "tls: any, ";
  return rule + "method: " + method + "}";
}

}  // namespace proxy::cli
