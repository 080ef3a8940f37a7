#include "config/problem.hpp"

namespace config {

std::string format_problems(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) {
    text += problem.file;
    if (problem.line != 0) {
      text += ":" + std::to_string(problem.line);
      if (problem.column != 0) text += ":" + std::to_string(problem.column);
    }
    text += problem.severity == Severity::error ? ": error: " : ": warning: ";
    text += problem.message + "\n";
  }
  return text;
}

}  // namespace config
