#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace proxy::mirror {

/// Keeps the appliers from hammering a follower that cannot be reached: after a failure nobody tries until the pause is
/// over, then one does, and its success lets all of them go on. Time is passed in.
class Breaker {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds pause_first{50};
  static constexpr std::chrono::milliseconds pause_max{2'000};

  /// When the caller may try; if that is now, it must tell how it went.
  [[nodiscard]] Clock::time_point may_try_at(Clock::time_point now) {
    if (pause_.count() == 0) return now;
    if (now < next_try_) return next_try_;
    next_try_ = now + pause_;  // the others wait for this one
    return now;
  }
  /// When somebody may, if nobody is asked.
  [[nodiscard]] Clock::time_point next_try() const { return next_try_; }
  void succeed() { pause_ = std::chrono::milliseconds(0); }
  void fail(Clock::time_point now) {
    pause_ = std::clamp(pause_ * 2, pause_first, pause_max);
    next_try_ = now + pause_;
  }
  [[nodiscard]] bool is_open() const { return pause_.count() != 0; }

 private:
  std::chrono::milliseconds pause_{0};
  Clock::time_point next_try_;
};

}  // namespace proxy::mirror
