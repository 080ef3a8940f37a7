#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace config {

/// The candidate that was most likely meant by `written`: fewest insertions, deletions, substitutions and
/// exchanges of neighbours, letters compared without case. Nothing if none is near (slips in at most a third
/// of the longer text, or `written` is its beginning). Looks at no more than 256 candidates and at texts of
/// no more than 64 bytes. Lifetime: a view of a candidate.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view written,
                                                      const std::vector<std::string_view>& candidates);

}  // namespace config
