#pragma once

#include "protocol/base/result.hpp"
#include "proxy/cli/convert/ini.hpp"

#include <string>
#include <vector>

namespace proxy::cli {

/// What became of PgBouncer's configuration.
struct Conversion {
  std::string yaml;
  std::vector<std::string> lost;     ///< settings that have no counterpart and change something: they stand in the YAML too
  std::vector<std::string> changed;  ///< settings whose counterpart means something a little different
};

/// Our configuration from PgBouncer's. Each host of [databases] becomes a pair, green the same server as blue until
/// somebody fills it in. `title` names the file in a comment.
[[nodiscard]] protocol::Result<Conversion> convert_pgbouncer(const std::vector<IniEntry>& entries, const std::string& title);

/// One line of pg_hba.conf as one of our access rules, in YAML's flow form; empty: it concerns nobody here. Errors: what it
/// holds that has no counterpart.
/// Source: PgBouncer 1.18, config.md, "HBA file format"; PostgreSQL 15 manual, 21.1.
[[nodiscard]] protocol::Result<std::string> convert_hba_line(std::string_view line);

}  // namespace proxy::cli
