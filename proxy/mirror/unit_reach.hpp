#pragma once

#include "protocol/mirror_unit.hpp"

#include <string>
#include <vector>

namespace proxy::mirror {

/// What a unit changes in one table.
struct TableReach {
  std::string table;              ///< "schema.table"; empty: a statement's, which could be any
  std::vector<std::string> keys;  ///< as texts, unique; empty: not known
};

/// One for each table of the unit, in the order in which they come first.
[[nodiscard]] std::vector<TableReach> reach_of(const protocol::MirrorUnit& unit);

[[nodiscard]] bool has_barrier(const protocol::MirrorUnit& unit);

}  // namespace proxy::mirror
