#pragma once

#include "proxy/runtime/loop.hpp"
#include "proxy/runtime/task.hpp"

#include <cassert>
#include <coroutine>
#include <utility>

namespace proxy::runtime {

/// Wakes one task that waits for "something may have changed". Notifications coalesce: any number of them
/// before the wait ends are one. Belongs to one loop's thread.
///
/// Suspends: wait() until a notification. Cancel: destroying the waiting task withdraws its wait; the
/// notification that it missed stays for the next wait. A Signal outlives the wait on it.
class Signal {
 public:
  explicit Signal(Loop& loop) : loop_(loop) {}
  ~Signal() { assert(state_.waiting == nullptr && "a signal was destroyed under its waiter"); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  class Wait;
  /// Awaitable, once at a time.
  [[nodiscard]] Wait wait();

  /// Wakes the waiter after the current callback. Safe from anywhere on the loop's thread, the waiter's own
  /// task included.
  void notify() {
    state_.is_notified = true;
    if (state_.waiting == nullptr || state_.is_deferred()) return;
    loop_.defer(state_);
  }

  /// Resumes the waiter inside this call. For callbacks of the loop, which have nothing else on the stack.
  void notify_now() {
    state_.is_notified = true;
    state_.wake();  // the waiter may destroy this Signal
  }

 private:
  struct State final : Deferred {
    void run() override { wake(); }
    /// Touches nothing of its own once the waiter runs, which may destroy the Signal and with it this.
    void wake() {
      if (waiting == nullptr || !is_notified) return;
      TaskChain& chain_of_waiter = *chain;
      const std::coroutine_handle<> handle = std::exchange(waiting, nullptr);
      chain_of_waiter.run(handle);
    }
    std::coroutine_handle<> waiting;
    TaskChain* chain = nullptr;
    bool is_notified = false;
  };

  Loop& loop_;
  State state_;
};

/// See Signal::wait().
class Signal::Wait {
 public:
  explicit Wait(State& state) : state_(state) {}
  ~Wait() {
    // GCC 12 has destroyed temporaries of awaiting expressions twice; written so that it would not matter.
    if (is_waiting_) state_.waiting = nullptr;
    is_waiting_ = false;
  }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  [[nodiscard]] bool await_ready() const { return state_.is_notified; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) {
    assert(state_.waiting == nullptr && "a signal has one waiter");
    state_.waiting = handle;
    state_.chain = &handle.promise().chain();
    is_waiting_ = true;
  }
  void await_resume() {
    is_waiting_ = false;
    state_.is_notified = false;
  }

 private:
  State& state_;  ///< the Signal's, which outlives the wait
  bool is_waiting_ = false;
};

inline Signal::Wait Signal::wait() { return Wait(state_); }

}  // namespace proxy::runtime
