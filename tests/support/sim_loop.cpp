#include "tests/support/sim_loop.hpp"

#include <algorithm>
#include <stdexcept>

namespace test_support {

class SimLoop::SimTimer final : public proxy::runtime::Timer {
 public:
  SimTimer(SimLoop& loop, std::function<void()> on_expiry)
      : loop_(loop), on_expiry_(std::make_shared<std::function<void()>>(std::move(on_expiry))) {}
  ~SimTimer() override { disarm(); }
  SimTimer(const SimTimer&) = delete;
  SimTimer& operator=(const SimTimer&) = delete;

  void arm(Instant deadline) override {
    disarm();
    key_ = {deadline, loop_.next_timer_number_++};
    loop_.timers_.emplace(key_, this);
    is_armed_ = true;
  }
  void disarm() override {
    if (is_armed_) loop_.timers_.erase(key_);
    is_armed_ = false;
  }
  [[nodiscard]] bool is_armed() const override { return is_armed_; }

  void expire() {
    disarm();
    const auto on_expiry = on_expiry_;  // it may destroy this timer
    (*on_expiry)();
  }

 private:
  SimLoop& loop_;
  std::shared_ptr<std::function<void()>> on_expiry_;
  TimerKey key_;
  bool is_armed_ = false;
};

SimLoop::~SimLoop() {
  // What dies here may defer and post again; it is dropped as a real loop's end drops it.
  for (int i = 0; i < 1000 && !(deferred_.is_empty() && posted_.empty()); ++i) {
    while (proxy::runtime::Deferred* const doomed = deferred_.pop_front()) doomed->drop();
    const std::deque<std::function<void()>> doomed = std::exchange(posted_, {});
  }
}

std::unique_ptr<proxy::runtime::Timer> SimLoop::make_timer(std::function<void()> on_expiry) {
  return std::make_unique<SimTimer>(*this, std::move(on_expiry));
}

bool SimLoop::step() {
  if (proxy::runtime::Deferred* const work = deferred_.pop_front()) {
    work->run();
    finish_event();
    return true;
  }
  if (!posted_.empty()) {
    const std::function<void()> work = std::move(posted_.front());
    posted_.pop_front();
    work();
    finish_event();
    return true;
  }
  if (timers_.empty() || timers_.begin()->first.first > now_) return false;
  timers_.begin()->second->expire();
  finish_event();
  return true;
}

void SimLoop::finish_event() {
  ++events_count_;
  if (after_event_) after_event_();
}

void SimLoop::run_ready() {
  const std::uint64_t limit = events_count_ + events_max;
  while (step()) {
    if (events_count_ >= limit) throw std::runtime_error("the simulation does not come to rest\n" + trace());
  }
}

void SimLoop::advance(Duration span) {
  const Instant target = now_ + span;
  run_ready();
  while (!timers_.empty() && timers_.begin()->first.first <= target) {
    now_ = std::max(now_, timers_.begin()->first.first);
    run_ready();
  }
  now_ = target;
}

void SimLoop::run_until_quiet(Duration span) {
  const Instant limit = now_ + span;
  run_ready();
  while (!timers_.empty() && timers_.begin()->first.first <= limit) {
    now_ = std::max(now_, timers_.begin()->first.first);
    run_ready();
  }
}

void SimLoop::note(std::string line) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now_ - Instant(std::chrono::hours(1)));
  trace_.push_back(std::to_string(micros.count()) + " us, event " + std::to_string(events_count_) + ": " +
                   std::move(line));
  if (trace_.size() > trace_lines_max) trace_.pop_front();
}

std::string SimLoop::trace() const {
  std::string text;
  for (const std::string& line : trace_) text += line + "\n";
  return text;
}

}  // namespace test_support
