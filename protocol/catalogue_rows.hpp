#pragma once

#include <string>

namespace protocol {

/// One row of what a database says about its own functions, operators and views. Plain text, so that whoever
/// fetches rows need not know what they mean; the dialect that wrote the query reads them.
struct CatalogueRow {
  std::string kind;  ///< what the row is about; a word of the dialect's own
  std::string schema;
  std::string name;
  std::string detail;
  bool is_stable = false;  ///< promises to change nothing
};

}  // namespace protocol
