#pragma once

#include "config/outline.hpp"
#include "config/problem.hpp"
#include "config/settings.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// Everything found in one go. `settings` is set exactly when no problem is an error.
struct Outcome {
  std::optional<Settings> settings;
  std::vector<Problem> problems;  ///< errors and warnings in the order of the file
  Outline outline;                ///< what the file says, key by key, for a comparison with another one
};

/// A secret's file as it was found.
struct SecretFile {
  std::string content;
  bool is_readable_by_others = false;
};

/// Whether a file that is only named here may be seen by everybody, or holds a key.
enum class Secrecy : std::uint8_t { open, key };

/// What a configuration may ask of the machine around it; replaced in tests and fuzzers.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  /// Fails with the system's words for it ("No such file or directory") and when it is longer than
  /// `bytes_max`.
  [[nodiscard]] virtual protocol::Result<SecretFile> read_secret_file(
      const std::filesystem::path& path, std::size_t bytes_max) const = 0;
  /// Whether a file that others will read is there and can be read. Of a key: and whether it is kept as PostgreSQL
  /// wants its own kept: it belongs to this user and is closed to all others, or to root and is closed to all but
  /// its group. Fails with words that can follow the file's name and a colon.
  /// Source: PostgreSQL 15 manual, 19.9.1 "Basic Setup".
  [[nodiscard]] virtual protocol::Status check_file(const std::filesystem::path& path, Secrecy secrecy) const = 0;
  [[nodiscard]] virtual std::optional<std::string> environment(const std::string& name) const = 0;
  /// Whether a folder is there and may be written to, or could be made. Fails with words that can follow its name and a colon.
  [[nodiscard]] virtual protocol::Status check_directory(const std::filesystem::path&) const { return {}; }
};

inline constexpr std::size_t secret_bytes_max = 4096;
/// A configuration of a thousand pairs stays far below; yaml-cpp needs about a second for this much.
inline constexpr std::size_t file_bytes_max = std::size_t{1} << 20;

/// Reads and validates the file at `path`. Relative paths in it are taken from its own folder.
/// Reads the environment and the files of secrets that it names; changes nothing.
[[nodiscard]] Outcome load(const std::string& path);

/// Validates a text. `name` stands for the file in problems, and relative paths are taken from its folder.
[[nodiscard]] Outcome check_text(const std::string& name, std::string_view text,
                                 const Surroundings& surroundings);

/// The same where nothing surrounds it: every file is missing and every variable unset.
[[nodiscard]] Outcome check_text(const std::string& name, std::string_view text);

}  // namespace config
