#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace proxy::runtime {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;

/// A one-shot timer. Destroying it disarms it.
class Timer {
 public:
  virtual ~Timer() = default;
  /// Replaces an earlier deadline.
  virtual void arm(Instant deadline) = 0;
  virtual void disarm() = 0;
  [[nodiscard]] virtual bool is_armed() const = 0;
};

/// What a session needs of its worker's event loop. The real one is libevent; the simulation has a fake one
/// with a clock that it moves itself.
class Loop {
 public:
  virtual ~Loop() = default;
  /// The time now, read from the clock at each call.
  [[nodiscard]] virtual Instant now() const = 0;
  /// `on_expiry` runs on the loop; it may destroy the timer.
  [[nodiscard]] virtual std::unique_ptr<Timer> make_timer(std::function<void()> on_expiry) = 0;
  /// Runs `work` on this loop soon, after the current callback. From the loop's own thread only.
  virtual void defer(std::function<void()> work) = 0;
  /// The same from any thread. Wakes the loop. Work posted after the loop has ended is destroyed unrun.
  virtual void post(std::function<void()> work) = 0;
};

}  // namespace proxy::runtime
