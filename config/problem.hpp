#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace config {

enum class Severity : std::uint8_t { error, warning };

/// One finding about a configuration file.
struct Problem {
  Severity severity = Severity::error;
  std::string file;          ///< as it was named by the caller
  std::uint32_t line = 0;    ///< from 1; 0 when the file as a whole is meant
  std::uint32_t column = 0;  ///< from 1, in bytes
  std::string message;       ///< one line; quotes the offending text, never a secret
  bool operator==(const Problem&) const = default;
};

/// `file:line:column: error: message`, without a line end.
[[nodiscard]] std::string format_problem(const Problem& problem);
/// One line per problem, `file:line:column: error: message`, in the order of the file.
[[nodiscard]] std::string format_problems(const std::vector<Problem>& problems);

}  // namespace config
