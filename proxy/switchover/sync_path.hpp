#pragma once

#include "protocol/base/result.hpp"
#include "routing/side.hpp"
#include "routing/switchover.hpp"

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace proxy::switchover {

using Clock = std::chrono::steady_clock;

/// How the follower is kept equal, as the switchover sees it. Calls on the controller's thread; those with a deadline
/// may wait until then.
class SyncPath {
 public:
  virtual ~SyncPath() = default;
  /// What speaks against a switchover to `to`: lag, an unhealthy stream, open ledger entries, and a time to catch up beyond `hold`.
  [[nodiscard]] virtual std::vector<routing::SwitchoverFinding> findings(routing::Side to, std::chrono::milliseconds hold) = 0;
  /// Nobody writes any more: returns once the follower has everything.
  [[nodiscard]] virtual protocol::Status catch_up(Clock::time_point deadline, const std::stop_token& stop) = 0;
  /// The last look before the flip. Open entries whose ids are in `accepted` are taken over by `who`.
  [[nodiscard]] virtual protocol::Status final_check(const std::vector<std::string>& accepted, const std::string& who) = 0;
  /// From now on `authority` is followed by the other side. Durable when it returns; harmless when it is so already.
  [[nodiscard]] virtual protocol::Status turn(routing::Side authority) = 0;
  /// The same in an incident: what the follower lacks at the deadline is told durably and given up.
  [[nodiscard]] virtual protocol::Status turn_at_once(routing::Side authority, Clock::time_point deadline) = 0;
  /// After a switchover: why there would be no way back to `follower` just now, in words. Nothing: there is one.
  [[nodiscard]] virtual std::optional<std::string> trouble(routing::Side follower) = 0;
  /// What an immediate switchover to `to` would leave behind now, in words; one entry each.
  [[nodiscard]] virtual std::vector<std::string> left_behind() = 0;
};

/// Nothing of Crossfade's keeps the sides equal: the operator says by name that they are.
class NoSync final : public SyncPath {
 public:
  [[nodiscard]] std::vector<routing::SwitchoverFinding> findings(routing::Side, std::chrono::milliseconds) override {
    using Weight = routing::SwitchoverFinding::Weight;
    return {{"sync_none",
             "nothing carries the writes from one side to the other: accept this if something else does, or if the data is "
             "equal and nobody needs the way back",
             Weight::acceptable_blocker, false}};
  }
  [[nodiscard]] protocol::Status catch_up(Clock::time_point, const std::stop_token&) override { return {}; }
  [[nodiscard]] protocol::Status final_check(const std::vector<std::string>&, const std::string&) override { return {}; }
  [[nodiscard]] protocol::Status turn(routing::Side) override { return {}; }
  [[nodiscard]] protocol::Status turn_at_once(routing::Side, Clock::time_point) override { return {}; }
  [[nodiscard]] std::optional<std::string> trouble(routing::Side) override { return std::nullopt; }
  [[nodiscard]] std::vector<std::string> left_behind() override {
    return {"nothing is known of what the other side lacks: nothing of Crossfade's keeps the sides equal"};
  }
};

}  // namespace proxy::switchover
