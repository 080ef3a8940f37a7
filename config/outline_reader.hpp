#pragma once

#include "config/document.hpp"
#include "config/outline.hpp"

#include <map>
#include <string>

namespace config {

/// The outline of a whole document. `contents`: what the files and variables that it names hold, by path.
[[nodiscard]] Outline outline_of(const Node& root, const std::map<std::string, Secret>& contents);

}  // namespace config
