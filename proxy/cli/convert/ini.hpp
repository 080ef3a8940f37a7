#pragma once

#include "protocol/base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::cli {

/// One `key = value` of PgBouncer's configuration, and where it stands.
struct IniEntry {
  std::string section;  ///< lower case
  std::string key;
  std::string value;
  std::string place;  ///< "pgbouncer.ini:12"
};

/// The entries of a file and of those that it includes, in order; of a key that comes twice in a section the later counts,
/// as for PgBouncer. Errors: what cannot be read, with its place.
/// Source: PgBouncer 1.18, config.md: "Generic settings", "%include filename".
[[nodiscard]] protocol::Result<std::vector<IniEntry>> read_ini(const std::string& path);

/// `host=db1 password='it''s'` → the pairs. Errors: what is wrong, in words.
/// Source: PgBouncer 1.18, config.md, section [databases]: connection strings, quotes doubled inside quotes.
[[nodiscard]] protocol::Result<std::vector<std::pair<std::string, std::string>>> parse_connection_string(std::string_view text);

inline constexpr std::size_t ini_bytes_max = std::size_t{4} << 20;
inline constexpr int include_depth_max = 10;

}  // namespace proxy::cli
