#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace proxy::telemetry {

/// Types that a database defines, and that the two sides do not have under the same number.
struct TypeReport {
  static constexpr std::size_t shown_max = 200;  ///< per database
  struct Difference {
    std::string name;  ///< schema.name
    std::string kind;
    std::uint64_t blue = 0;  ///< 0: not there
    std::uint64_t green = 0;
  };
  struct Database {
    std::string name;
    bool is_compared = false;   ///< both sides have answered
    bool is_identical = false;  ///< the rows of tables, too, are numbered alike
    std::uint64_t total = 0;
    std::vector<Difference> shown;
  };
  std::uint64_t total = 0;
  std::vector<Database> databases;  ///< that sessions have named
};

}  // namespace proxy::telemetry
