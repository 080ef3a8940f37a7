#pragma once

#include "tests/model/conversation.hpp"
#include "tests/model/sql.hpp"

#include <cstdint>

namespace model {

/// The conversation of a seed. It need not make sense: errors, names that do not exist, messages at moments
/// that a sober driver would not choose are part of it. But a driver waits only where the protocol promises
/// replies: after Query, FunctionCall, Sync or Flush.
[[nodiscard]] Conversation generate(std::uint64_t seed, Repertoire repertoire);

}  // namespace model
