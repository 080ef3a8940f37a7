#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proxy::cli {

/// `text` between double quotes, as YAML reads it back.
[[nodiscard]] std::string yaml_quoted(std::string_view text);
/// ["a", "b"].
[[nodiscard]] std::string yaml_list(const std::vector<std::string>& texts);

}  // namespace proxy::cli
