#pragma once

#include "proxy/runtime/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace test_support {

/// A loop with a clock of its own, which moves only when the test says so. Everything happens on the caller's
/// thread, one event at a time, in an order that depends on nothing but what was asked for: deferred work in
/// order, then posted work in order, then timers by deadline and, among equals, by when they were armed.
class SimLoop final : public proxy::runtime::Loop {
 public:
  using Instant = proxy::runtime::Instant;
  using Duration = proxy::runtime::Clock::duration;

  SimLoop() = default;
  ~SimLoop() override;
  SimLoop(const SimLoop&) = delete;
  SimLoop& operator=(const SimLoop&) = delete;

  [[nodiscard]] Instant now() const override { return now_; }
  [[nodiscard]] std::unique_ptr<proxy::runtime::Timer> make_timer(std::function<void()> on_expiry) override;
  void defer(proxy::runtime::Deferred& work) override { deferred_.push_back(work); }
  using Loop::defer;
  void post(std::function<void()> work) override { posted_.push_back(std::move(work)); }

  /// Runs the next event that is due now. False: there is none.
  bool step();
  /// Runs everything that is due now. Throws std::runtime_error, with the trace, after `events_max` events:
  /// something keeps itself busy for ever.
  void run_ready();
  /// Moves the clock by `span`, stopping at each deadline on the way to run what is due there.
  void advance(Duration span);
  /// Runs what is ready, then moves from deadline to deadline until nothing is armed any more or `span` is
  /// over. The clock stands at the last event then.
  void run_until_quiet(Duration span);

  /// Runs after every event: the place for invariants.
  void set_after_event(std::function<void()> check) { after_event_ = std::move(check); }
  [[nodiscard]] std::uint64_t events_count() const { return events_count_; }
  [[nodiscard]] std::size_t armed_timers_count() const { return timers_.size(); }

  /// Remembers a line for failure messages; the last `trace_lines_max` are kept.
  void note(std::string line);
  /// The remembered lines with their time and event number.
  [[nodiscard]] std::string trace() const;

  static constexpr std::size_t trace_lines_max = 50;
  static constexpr std::uint64_t events_max = 1'000'000;

 private:
  class SimTimer;
  using TimerKey = std::pair<Instant, std::uint64_t>;

  void finish_event();

  Instant now_{std::chrono::hours(1)};  // not zero: a default Instant must not look like now
  proxy::runtime::Ring<proxy::runtime::Deferred> deferred_;
  std::deque<std::function<void()>> posted_;
  std::map<TimerKey, SimTimer*> timers_;
  std::uint64_t next_timer_number_ = 0;
  std::uint64_t events_count_ = 0;
  std::function<void()> after_event_;
  std::deque<std::string> trace_;
};

}  // namespace test_support
