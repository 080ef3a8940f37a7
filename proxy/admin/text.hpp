#pragma once

#include "protocol/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace proxy::admin {

/// The text with every byte that is not part of valid UTF-8 replaced by U+FFFD. Names and tags come from
/// clients in whatever encoding they use, and JSON must be UTF-8.
[[nodiscard]] std::string valid_utf8(std::string_view text);
[[nodiscard]] bool is_valid_utf8(std::string_view text);

/// The percent-decoded segments of a request target, without the query: "/a/b%2Fc?x" → {"a", "b/c"}. Only the
/// origin form is read. Errors (blame client): not starting with a slash, broken escapes, control characters,
/// bytes that are not UTF-8.
[[nodiscard]] protocol::Result<std::vector<std::string>> parse_target(std::string_view target);

[[nodiscard]] bool equals_ignoring_case(std::string_view left, std::string_view right);

/// "blue, green" of a list; at most 20 items and then "…".
[[nodiscard]] std::string listed(const std::vector<std::string>& items);

}  // namespace proxy::admin
