#pragma once

#include <string>
#include <utility>

namespace config {

/// A password or token. It can be asked for by name only: there is no output operator, no formatter and no
/// conversion to text, so that none gets into a log by accident.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}

  /// Lifetime: a loan from this object. Never log it.
  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool is_empty() const { return value_.empty(); }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace config
