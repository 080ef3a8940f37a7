#pragma once

#include "config/load.hpp"

#include <map>
#include <string>

namespace config_test {

/// Files and variables made of values.
class Pretended : public config::Surroundings {
 public:
  std::map<std::string, config::SecretFile> files;
  std::map<std::string, std::string> variables;

  [[nodiscard]] protocol::Result<config::SecretFile> read_secret_file(
      const std::filesystem::path& path, std::size_t) const override {
    const auto found = files.find(path.string());
    if (found != files.end()) return found->second;
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                             "no such file");
  }
  /// Keys whose content says "open" are too open.
  [[nodiscard]] protocol::Status check_file(const std::filesystem::path& path,
                                            config::Secrecy secrecy) const override {
    const auto file = read_secret_file(path, config::secret_bytes_max);
    if (!file) return file.error();
    if (secrecy == config::Secrecy::open || file->content != "open") return {};
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, "too open");
  }
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const override {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  }
};

/// A file of one valid pair `p` without rules of its own. Parts are lines with their indentation: `top` at
/// the top, `pair` (four blanks) inside the pair, `user` (eight blanks) inside user `u`, `rules` as the list
/// (six blanks).
struct Parts {
  std::string top;
  std::string pair;
  std::string user = "        password: secret\n";
  std::string rules = "      - name: r\n";
  std::string listen = "127.0.0.1:6432";
};

inline std::string text_of(const Parts& parts) {
  return parts.top + "pairs:\n  p:\n    dialect: postgres\n    listen: " + parts.listen +
         "\n    blue: {host: b}\n    green: {host: g}\n" + parts.pair + "    users:\n      u:\n" +
         parts.user + "    rules:\n" + parts.rules;
}

/// Problems as lines, without the name of the file.
inline std::string problems_of(const config::Outcome& outcome) {
  std::string text = config::format_problems(outcome.problems);
  for (std::size_t at = text.find("/etc/f.yaml"); at != std::string::npos;
       at = text.find("/etc/f.yaml", at)) {
    text.erase(at, std::string("/etc/f.yaml:").size());
  }
  return text;
}

inline config::Outcome check(const std::string& text, const Pretended& surroundings = {}) {
  return config::check_text("/etc/f.yaml", text, surroundings);
}

inline bool is_in(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace config_test
