#pragma once

#include "config/secret.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// What one key of a file says. A secret is kept to be compared, and never shown.
struct OutlineEntry {
  std::string text;  ///< as written; of a secret empty
  Secret content;    ///< of a secret: itself; of a file or variable that is named: what it holds
  bool is_secret = false;
  bool operator==(const OutlineEntry&) const = default;
};

/// By the path of the key: "pairs.shop.rules[nightly].reads.green".
using Outline = std::map<std::string, OutlineEntry>;

/// One key that differs between two outlines.
struct Difference {
  enum class Kind : std::uint8_t { added, removed, changed };
  enum class Effect : std::uint8_t {
    at_once,
    by_restart,  ///< of a running process the value stays as it was
  };
  Kind kind = Kind::changed;
  std::string path;
  std::string before;  ///< empty for added, and for secrets
  std::string after;   ///< empty for removed, and for secrets
  Effect effect = Effect::at_once;
};

[[nodiscard]] std::string_view name_of(Difference::Kind kind);

/// In the order of the paths.
[[nodiscard]] std::vector<Difference> differences(const Outline& before, const Outline& after);

}  // namespace config
