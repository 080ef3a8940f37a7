#include "config/problem.hpp"

namespace config {

std::string format_problem(const Problem& problem) {
  std::string text = problem.file;
  if (problem.line != 0) {
    text += ":" + std::to_string(problem.line);
    if (problem.column != 0) text += ":" + std::to_string(problem.column);
  }
  return text + (problem.severity == Severity::error ? ": error: " : ": warning: ") + problem.message;
}

std::string format_problems(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += format_problem(problem) + "\n";
  return text;
}

}  // namespace config
