#pragma once

#include "config/problem.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// A place in a file, both from 1; zeros mean the file as a whole.
struct Mark {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool operator==(const Mark&) const = default;
};

/// Collects problems, so that reading goes on after the first. Bounded: a file that is wrong throughout would
/// otherwise turn a mistake into megabytes of text.
class Findings {
 public:
  explicit Findings(std::string file) : file_(std::move(file)) {}

  void error(Mark mark, std::string message);
  void warning(Mark mark, std::string message);

  [[nodiscard]] bool has_error() const { return has_error_; }
  /// Further ones are counted but not kept; callers may spare themselves the search for good words.
  [[nodiscard]] bool is_full() const { return problems_.size() >= problem_count_max; }
  /// In the order of the file, each place and message once. Ends the collecting.
  [[nodiscard]] std::vector<Problem> take();

  static constexpr std::size_t problem_count_max = 200;

 private:
  void add(Severity severity, Mark mark, std::string message);

  std::string file_;
  std::vector<Problem> problems_;
  std::size_t dropped_count_ = 0;
  bool has_error_ = false;
};

/// The byte as \xNN.
[[nodiscard]] std::string escaped(char character);

/// Text of the file for a message: in backquotes, control characters as \xNN, cut at 100 bytes.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace config
