#pragma once

#include "proxy/runtime/ring.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

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

/// Work that its owner keeps and defers again and again, which costs no memory. Destroying it withdraws it.
class Deferred : public RingMember {
 public:
  virtual ~Deferred() = default;
  [[nodiscard]] bool is_deferred() const { return is_linked(); }
  void withdraw() { unlink(); }
  /// It may destroy itself and be deferred again.
  virtual void run() = 0;
  /// In place of run() when the loop has ended.
  virtual void drop() {}
};

/// What a session needs of its worker's event loop. The real one is libevent; the simulation has a fake one
/// with a clock that it moves itself.
class Loop {
 public:
  virtual ~Loop() = default;
  /// The time now; inside a callback of a socket it may be the time of the first call inside it.
  [[nodiscard]] virtual Instant now() const = 0;
  /// `on_expiry` runs on the loop; it may destroy the timer.
  [[nodiscard]] virtual std::unique_ptr<Timer> make_timer(std::function<void()> on_expiry) = 0;
  /// Runs `work` on this loop soon, after the current callback. From the loop's own thread only.
  virtual void defer(Deferred& work) = 0;
  /// The same for work that is rare enough to deserve memory each time.
  void defer(std::function<void()> work);
  /// The same from any thread. Wakes the loop. Work posted after the loop has ended is destroyed unrun.
  virtual void post(std::function<void()> work) = 0;
};

/// Owns itself from when it is deferred until it has run or was dropped.
class DeferredCall final : public Deferred {
 public:
  explicit DeferredCall(std::function<void()> call) : call_(std::move(call)) {}
  void run() override {
    const std::function<void()> call = std::move(call_);
    delete this;
    call();
  }
  void drop() override { delete this; }

 private:
  std::function<void()> call_;
};

inline void Loop::defer(std::function<void()> work) {
  auto call = std::make_unique<DeferredCall>(std::move(work));
  defer(*call);
  // A loop that has ended takes nothing; then the call ends here.
  if (call->is_deferred()) call.release();
}

}  // namespace proxy::runtime
