#pragma once

#include "protocol/base/secret_text.hpp"

#include <string>
#include <string_view>

namespace config {

/// A password or token. It can be asked for by name only: there is no output operator, no formatter and no
/// conversion to text, so that none gets into a log by accident; it is wiped at its end.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view value) : value_(value) {}

  /// Lifetime: a loan from this object. Never log it.
  [[nodiscard]] const std::string& reveal() const { return value_.reveal(); }
  [[nodiscard]] bool is_empty() const { return value_.is_empty(); }
  bool operator==(const Secret& other) const { return reveal() == other.reveal(); }

 private:
  protocol::SecretText value_;
};

}  // namespace config
