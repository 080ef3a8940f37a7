#pragma once

#include "proxy/runtime/loop.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

struct event_base;
struct event;

namespace proxy::runtime {

class EventLoop;

/// Something that wants a call about once a second while it is enrolled with a loop: for checks too cheap and
/// too rarely needed to deserve a timer each. Its destructor withdraws it.
class Ticked : public RingMember {
 public:
  virtual ~Ticked() = default;

 protected:
  /// May withdraw and destroy this or any other.
  virtual void on_tick() = 0;
  [[nodiscard]] bool is_enrolled() const { return is_linked(); }

 private:
  friend class EventLoop;
};

/// One thread's libevent loop. Made on any thread, run on one. Everything but post() and stop() belongs to the
/// running thread once run() has begun. Callbacks must not throw: an exception ends the process.
class EventLoop final : public Loop {
 public:
  /// Throws std::runtime_error when the kernel gives no epoll or eventfd.
  explicit EventLoop(std::chrono::milliseconds interval = tick_interval);
  /// Destroys work that never ran. Timers, streams and listeners of this loop must be gone. No other thread
  /// may be inside post() or stop().
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Inside a callback of a socket the clock is read at the first call only: a transaction asks half a dozen times.
  [[nodiscard]] Instant now() const override;
  [[nodiscard]] std::unique_ptr<Timer> make_timer(std::function<void()> on_expiry) override;
  /// Costs no system call. Work deferred by deferred work gets its turn in the same round, up to
  /// `defer_rounds_max` rounds; then sockets and timers come first.
  void defer(Deferred& work) override;
  using Loop::defer;
  void post(std::function<void()> work) override;

  /// Until stop(). Once only. What was posted before stop() is run; what comes after it may be destroyed unrun,
  /// and so may deferred work.
  void run();
  /// From any thread, also before run().
  void stop();
  /// Before run() every thread counts as the loop's.
  [[nodiscard]] bool is_loop_thread() const;

  /// Calls `ticked` at every tick from now on. Enrolling twice is once. A loop with nobody enrolled does not
  /// tick.
  void enroll(Ticked& ticked);
  void withdraw(Ticked& ticked) { ticked.unlink(); }

  /// The callback of a socket as a whole. What it defers runs behind the other sockets of the round, so that what several of them
  /// have for one connection goes in one write.
  template <class Callback>
  void run_event(Callback callback) {
    event_time_.reset();
    is_in_event_ = true;
    callback();
    is_in_event_ = false;
  }

  /// For what registers events of its own: sockets, timers.
  [[nodiscard]] event_base* base() { return base_.get(); }

  static constexpr int defer_rounds_max = 16;
  static constexpr std::chrono::milliseconds tick_interval{1000};

 private:
  struct BaseDeleter {
    void operator()(event_base* base) const;
  };
  struct EventDeleter {
    void operator()(event* event) const;
  };

  void on_wake();
  void run_deferred();
  void tick();
  void wake();
  void destroy_unrun_work();

  std::unique_ptr<event_base, BaseDeleter> base_;
  int wake_fd_ = -1;
  std::unique_ptr<event, EventDeleter> wake_event_;
  std::unique_ptr<event, EventDeleter> deferred_event_;

  enum class DrainState { idle, scheduled, running };
  DrainState drain_ = DrainState::idle;
  Ring<Deferred> deferred_;
  bool is_in_event_ = false;
  mutable std::optional<Instant> event_time_;

  const std::chrono::milliseconds tick_interval_;
  Ring<Ticked> enrolled_;
  std::unique_ptr<Timer> tick_timer_;

  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  ///< under mutex_
  bool has_ended_ = false;                     ///< under mutex_ for post(); written by the loop's thread only
  std::atomic<bool> is_stop_requested_ = false;
  std::atomic<std::thread::id> thread_{};
};

}  // namespace proxy::runtime
