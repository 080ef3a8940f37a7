#pragma once

#include "proxy/mirror/control.hpp"
#include "proxy/switchover/sync_path.hpp"

#include <chrono>

namespace proxy::switchover {

/// The mirror as the way of the data.
class MirrorPath final : public SyncPath {
 public:
  /// More than this means that catching up may not fit a hold.
  static constexpr std::chrono::milliseconds lag_max{1'000};

  /// `mirror` outlives this.
  explicit MirrorPath(mirror::MirrorControl& mirror) : mirror_(mirror) {}

  [[nodiscard]] std::vector<routing::SwitchoverFinding> findings(routing::Side to, std::chrono::milliseconds hold) override;
  [[nodiscard]] protocol::Status catch_up(Clock::time_point deadline, const std::stop_token& stop) override;
  [[nodiscard]] protocol::Status final_check(const std::vector<std::string>& accepted, const std::string& who) override;
  [[nodiscard]] protocol::Status turn(routing::Side authority) override;
  [[nodiscard]] protocol::Status turn_at_once(routing::Side authority, Clock::time_point deadline) override;
  [[nodiscard]] std::optional<std::string> trouble(routing::Side follower) override;
  [[nodiscard]] std::vector<std::string> left_behind() override;

 private:
  [[nodiscard]] std::vector<routing::SwitchoverFinding> troubles(routing::Side to) const;
  mirror::MirrorControl& mirror_;
};

}  // namespace proxy::switchover
