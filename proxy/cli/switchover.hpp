#pragma once

#include "proxy/cli/remote.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace proxy::cli {

/// What an operator wants of a switchover or a rollback; what is empty is not sent.
struct SwitchoverOrder {
  std::string pair;  ///< empty: the only one there is
  std::string to;
  enum class Extent : std::uint8_t { whole, dry_run } extent = Extent::whole;
  enum class Urgency : std::uint8_t { careful, now } urgency = Urgency::careful;
  std::optional<std::uint32_t> hold_max_ms;
  std::string on_drain_timeout;
  std::vector<std::string> accepted;
  std::string who;
  std::string why;
};

/// Begins, shows each step as it comes, and how long clients were held at the end.
[[nodiscard]] int switch_over(const Remote& remote, const SwitchoverOrder& order);
/// Weights at once, or the authority as switch_over() does: whatever was changed last.
[[nodiscard]] int roll_back(const Remote& remote, const SwitchoverOrder& order);
[[nodiscard]] int abort_switchover(const Remote& remote, const SwitchoverOrder& order);
/// Weights and the authority stay as they are, or may move again.
[[nodiscard]] int freeze_traffic(const Remote& remote, const SwitchoverOrder& order);
[[nodiscard]] int thaw_traffic(const Remote& remote, const SwitchoverOrder& order);
/// Somebody has compared the rows of both sides.
[[nodiscard]] int say_verified(const Remote& remote, const SwitchoverOrder& order, bool is_equal);
[[nodiscard]] int show_history(const Remote& remote, const std::string& pair);
[[nodiscard]] int set_authority(const Remote& remote, const SwitchoverOrder& order);
/// Reads an audit's file and tells whether its chain is whole.
[[nodiscard]] int verify_audit_file(const std::string& path, std::ostream& out, std::ostream& complaints);

}  // namespace proxy::cli
