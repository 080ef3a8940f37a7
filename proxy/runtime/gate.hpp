#pragma once

#include "proxy/runtime/loop.hpp"
#include "proxy/runtime/signal.hpp"
#include "proxy/runtime/task.hpp"

#include <cstddef>
#include <list>
#include <memory>

namespace proxy::runtime {

/// Work that must be over before its owner may go: counts what is under way, owns the tasks started through
/// it, refuses newcomers once closed. Belongs to one loop's thread. Destroying it with work inside ends the
/// process: that owner was about to leave tasks behind that use it.
class Gate {
 public:
  explicit Gate(Loop& loop) : loop_(loop), is_empty_(loop), rooms_(std::make_shared<Rooms>()) {}
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// Leaves the gate when it goes. Must not outlive the gate.
  class [[nodiscard]] Pass {
   public:
    Pass() = default;
    explicit Pass(Gate& gate) : gate_(&gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Pass() {
      if (gate_ != nullptr) gate_->leave();
    }
    /// False: the gate was closed.
    [[nodiscard]] bool is_inside() const { return gate_ != nullptr; }

   private:
    Gate* gate_ = nullptr;
  };

  /// For work that is not a task. Nobody is let in any more once the gate is closed.
  Pass try_enter() {
    if (is_closed_) return Pass();
    ++passes_count_;
    return Pass(*this);
  }

  /// Runs `task` until it first waits, and owns it until it ends. False, and the task destroyed unrun, when the
  /// gate is closed. An exception out of the task ends the process.
  bool start(Task<void> task) noexcept;

  /// Lets nobody in any more, then waits for everybody inside to leave. To be awaited by a task that is not
  /// inside itself. Suspends: until empty. Cancel: the gate stays closed.
  [[nodiscard]] Task<void> close();
  /// The same without the waiting.
  void refuse_newcomers() { is_closed_ = true; }

  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] bool is_closed() const { return is_closed_; }

 private:
  struct Room {
    TaskChain chain;
    Task<void> task;
  };
  /// Shared with deferred clean-ups, which may come after the gate's end.
  struct Rooms {
    std::list<Room> list;
    void remove_ended();
  };

  Task<void> run_to_end(Task<void> task);
  void leave();

  Loop& loop_;
  Signal is_empty_;
  std::shared_ptr<Rooms> rooms_;
  std::size_t tasks_count_ = 0;
  std::size_t passes_count_ = 0;
  bool is_closed_ = false;
};

}  // namespace proxy::runtime
