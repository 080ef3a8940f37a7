#pragma once

#include "tests/model/conversation.hpp"

#include <chrono>
#include <functional>

namespace model {

/// Leaves out steps and messages as long as `still_fails` says that what remains fails too, and time is left.
[[nodiscard]] Conversation shrink(Conversation failing, const std::function<bool(const Conversation&)>& still_fails,
                                  std::chrono::steady_clock::time_point deadline);

}  // namespace model
