#pragma once

#include "proxy/session/environment.hpp"
#include "routing/plan.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

namespace proxy::session {

/// Where a pair's plan in force is kept, for all workers. Publishing is the flip: what a worker reads afterwards
/// is the new plan.
class PlanPublisher {
 public:
  explicit PlanPublisher(routing::PlanSnapshot plan) : epoch_(plan->epoch), plan_(std::move(plan)) {}

  /// Precondition: a higher epoch than before. Any thread.
  void publish(routing::PlanSnapshot plan) {
    const std::lock_guard lock(mutex_);
    plan_ = std::move(plan);
    epoch_.store(plan_->epoch, std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  [[nodiscard]] routing::PlanSnapshot snapshot() const {
    const std::lock_guard lock(mutex_);
    return plan_;
  }

 private:
  std::atomic<std::uint64_t> epoch_;
  mutable std::mutex mutex_;
  routing::PlanSnapshot plan_;
};

/// One worker's view: an atomic load per reading while nothing changes.
class WorkerPlanReader final : public PlanReader {
 public:
  explicit WorkerPlanReader(const PlanPublisher& publisher) : publisher_(publisher), plan_(publisher.snapshot()) {}
  [[nodiscard]] const routing::Plan& plan() override {
    if (publisher_.epoch() != plan_->epoch) plan_ = publisher_.snapshot();
    return *plan_;
  }

 private:
  const PlanPublisher& publisher_;
  routing::PlanSnapshot plan_;
};

}  // namespace proxy::session
