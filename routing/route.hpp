#pragma once

#include "routing/side.hpp"

#include <cstdint>
#include <string_view>

namespace routing {

/// Why a batch goes where it goes. Stable texts, used in logs, metrics and `explain`.
enum class RouteReason : std::uint8_t {
  pinned,               ///< the session holds state that cannot move
  write_refused,        ///< likewise, on a side that this batch, which may write, does not belong to: what writes is not run
  transaction_open,     ///< a transaction follows its first decision
  session_statement,    ///< concerns the session only: stays where the session is
  read_weight,          ///< a provable read, by the weights of its rule
  own_writes,           ///< likewise, but its side does not have yet what the session has written
  type_numbers,         ///< likewise, of what the sides number differently: to the side that the client learns the numbers from
  side_unavailable,     ///< a provable read whose side by weight could not be reached
  write_side,           ///< everything else, to the rule's side for writes
  no_rule_matched,      ///< no rule of the plan matched: the side for writes of the pair
};

[[nodiscard]] std::string_view name_of(RouteReason reason);

inline constexpr std::uint32_t no_rule = 0xFFFFFFFF;

/// A decision.
struct Route {
  Side side = Side::blue;
  RouteReason reason = RouteReason::no_rule_matched;
  std::uint32_t rule_index = no_rule;  ///< into Plan::rules
  bool operator==(const Route&) const = default;
};

}  // namespace routing
