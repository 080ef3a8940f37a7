#include "config/readers.hpp"

#include <algorithm>
#include <array>

namespace config {

namespace {

/// The stems that secrets are known by; Section keeps views of the keys asked for, so they must be literals.
struct SecretKeys {
  std::string_view inline_key;
  std::string_view file_key;
  std::string_view env_key;
};

SecretKeys keys_of(const std::string& stem) {
  if (stem == "token") return {"token", "token_file", "token_env"};
  if (stem == "verifier") return {"verifier", "verifier_file", "verifier_env"};
  return {"password", "password_file", "password_env"};
}

/// Files made by hand end in a line break, which is not part of the secret; anything else is.
std::string without_line_end(std::string content) {
  if (content.ends_with('\n')) content.pop_back();
  if (content.ends_with('\r')) content.pop_back();
  return content;
}

std::optional<Secret> accept(std::string value, Mark mark, const std::string& what, Reading& reading) {
  std::string_view why;
  if (value.empty()) why = "is empty";
  if (value.size() > secret_bytes_max) why = "is longer than 4096 bytes";
  if (value.find('\0') != std::string::npos) why = "holds a zero byte";
  if (value.find('\n') != std::string::npos) why = "holds more than one line";
  if (why.empty()) return Secret(value);
  reading.findings.error(mark, about(what, std::string(why)));
  return std::nullopt;
}

std::optional<Secret> from_file(const std::string& written, Mark mark, const std::string& what,
                                Reading& reading) {
  const std::filesystem::path path = reading.folder / written;
  const auto file = reading.surroundings.read_secret_file(path, secret_bytes_max);
  if (!file) {
    reading.findings.error(mark, about(what, quote(written) + " cannot be read: " + file.error().detail));
    return std::nullopt;
  }
  if (file->is_readable_by_others) {
    reading.findings.warning(
        mark, about(what, quote(written) + " can be read by other users of this machine; `chmod 600` it"));
  }
  return accept(without_line_end(file->content), mark, what, reading);
}

std::optional<Secret> from_environment(const std::string& name, Mark mark, const std::string& what,
                                       Reading& reading) {
  auto value = reading.surroundings.environment(name);
  if (!value) {
    reading.findings.error(mark, about(what, "the environment variable " + quote(name) + " is not set"));
    return std::nullopt;
  }
  return accept(std::move(*value), mark, what, reading);
}

}  // namespace

bool has_secret(const Section& section, const std::string& stem) {
  const SecretKeys keys = keys_of(stem);
  return section.has(keys.inline_key) || section.has(keys.file_key) || section.has(keys.env_key);
}

std::optional<Secret> take_secret(Section& section, const std::string& stem, Reading& reading) {
  const SecretKeys keys = keys_of(stem);
  const Node* literal = section.take(keys.inline_key);
  const auto file = section.take_text(keys.file_key);
  const auto variable = section.take_text(keys.env_key);
  const std::array<bool, 3> given{section.has(keys.inline_key), section.has(keys.file_key),
                                  section.has(keys.env_key)};
  if (std::count(given.begin(), given.end(), true) > 1) {
    reading.findings.error(
        section.mark(),
        about(section.path(), "gives the " + stem + " in more than one way; use one of " +
                                  std::string(keys.inline_key) + ", " + std::string(keys.file_key) + ", " +
                                  std::string(keys.env_key)));
    return std::nullopt;
  }
  const auto note = [&](std::string_view key, std::optional<Secret> secret) {
    if (secret) reading.secrets.insert_or_assign(section.path_of(key), *secret);
    return secret;
  };
  if (file) {
    return note(keys.file_key, from_file(*file, section.mark_of(keys.file_key), section.path_of(keys.file_key), reading));
  }
  if (variable) {
    return note(keys.env_key,
                from_environment(*variable, section.mark_of(keys.env_key), section.path_of(keys.env_key), reading));
  }
  if (literal == nullptr) return std::nullopt;
  const std::string what = section.path_of(keys.inline_key);
  if (!expect_kind(*literal, Node::Kind::scalar, what, reading.findings)) return std::nullopt;
  if (!reading.first_inline_secret) reading.first_inline_secret = literal->mark;
  return accept(literal->text, literal->mark, what, reading);
}

}  // namespace config
