#pragma once

#include "proxy/cli/demo/stop_signals.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::cli {

/// One table of two databases.
struct TableComparison {
  std::string table;             ///< with its schema, quoted where it must be
  std::uint64_t rows = 0;        ///< that are on both sides
  std::uint64_t differing = 0;   ///< that are on one side only
};

/// Every table of two databases, row by row, each row as its text; both have the same tables, or it throws.
/// Left out are the table `demo_side`, which names its server and so differs, and what the mirror itself keeps. The conninfos are
/// libpq's. Throws DemoFailure and Interrupted.
[[nodiscard]] std::vector<TableComparison> compare_tables(const std::string& one, const std::string& other, StopSignals& signals);

/// "  public.pgbench_accounts: 500,000 rows, equal"
[[nodiscard]] std::string comparison_line(const TableComparison& comparison);

}  // namespace proxy::cli
