#pragma once

#include "config/secret.hpp"
#include "protocol/base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// One user of a file in the format of PgBouncer's auth_file.
struct UserlistEntry {
  std::string user;
  Secret secret;  ///< a password, "md5…" or "SCRAM-SHA-256$…"; empty: the user has none
  bool operator==(const UserlistEntry&) const = default;
};

/// What a userlist may come to at most.
inline constexpr std::size_t userlist_bytes_max = std::size_t{16} << 20;
inline constexpr std::size_t userlist_entries_max = 100'000;

/// Reads lines of `"user" "secret"`, anything behind them ignored, a quote inside doubled; empty lines and lines that
/// begin with a semicolon are skipped. Errors: configuration_invalid with the line, the column and the reason, never
/// with a word of the file.
/// Source: PgBouncer's manual, "Authentication file format".
[[nodiscard]] protocol::Result<std::vector<UserlistEntry>> parse_userlist(std::string_view text);

}  // namespace config
