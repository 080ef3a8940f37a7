#pragma once

#include "protocol/base/result.hpp"
#include "routing/plan.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::lifecycle {

/// Of a pair, what does not stand in the configuration: the weights that its rules have come to.
struct PairState {
  struct RuleState {
    std::string name;
    routing::Weights configured;
    routing::Weights live;
    routing::Weights previous;  ///< what a rollback goes back to
  };
  std::string pair;
  std::uint64_t epoch = 1;
  bool has_previous = false;
  std::vector<RuleState> rules;
};

[[nodiscard]] PairState state_of(const std::string& pair, const routing::Plan& configured, const routing::PlanHistory& history);
/// The history that a process with the configuration `wanted` goes on with.
[[nodiscard]] routing::PlanHistory history_from(const PairState& state, const routing::Plan& wanted);

/// Lines of words; names of pairs and rules hold no space.
[[nodiscard]] std::string encode_state(const PairState& state);
[[nodiscard]] protocol::Result<PairState> decode_state(std::string_view text);

}  // namespace proxy::lifecycle
