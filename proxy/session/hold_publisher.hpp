#pragma once

#include "routing/hold.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

namespace proxy::session {

/// Where a pair's hold in force is kept, for all workers. From the moment of a change no worker begins anything that
/// is held. Any thread.
class HoldPublisher {
 public:
  /// Puts `change(the hold in force)` in force, whose epoch is the next one. Changes come one after another.
  template <class Change>
  routing::HoldSnapshot publish(Change change) {
    const std::lock_guard lock(mutex_);
    hold_ = std::make_shared<const routing::Hold>(change(*hold_));
    epoch_.store(hold_->epoch, std::memory_order_release);
    return hold_;
  }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  [[nodiscard]] routing::HoldSnapshot snapshot() const {
    const std::lock_guard lock(mutex_);
    return hold_;
  }

 private:
  mutable std::mutex mutex_;
  routing::HoldSnapshot hold_ = std::make_shared<const routing::Hold>();
  std::atomic<std::uint64_t> epoch_{hold_->epoch};
};

}  // namespace proxy::session
