#pragma once

#include "protocol/base/result.hpp"

#include <string>
#include <vector>

namespace proxy::lifecycle {

/// Starts the program that stands by now where this process came from, with these words. It has this process's
/// environment, but for what the service manager said to this process alone. Gives its number.
[[nodiscard]] protocol::Result<long> start_successor(const std::vector<std::string>& words);

}  // namespace proxy::lifecycle
