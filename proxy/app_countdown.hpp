#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace proxy {

/// Counts down from the number of workers; shared with work that may run after the caller has gone.
class Countdown {
 public:
  explicit Countdown(std::size_t count) : remaining_(count) {}
  void count_down() {
    const std::lock_guard lock(mutex_);
    if (--remaining_ == 0) changed_.notify_all();
  }
  bool wait(std::chrono::steady_clock::duration timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return remaining_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t remaining_;
};

}  // namespace proxy
