#pragma once

#include "tests/model/conversation.hpp"
#include "tests/model/player.hpp"

#include <string>

namespace model {

/// Why the two recordings differ, in one line; empty if a driver could not tell them apart.
[[nodiscard]] std::string difference(const Recording& expected, const Recording& actual);

/// The conversation, the difference, and both streams side by side around it.
[[nodiscard]] std::string report(const Conversation& conversation, const Recording& expected, const Recording& actual);

}  // namespace model
