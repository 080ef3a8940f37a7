#pragma once

#include <cassert>
#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

namespace protocol {

/// Runs a root task and the tasks that it awaits, one at a time, without ever nesting one resumption in
/// another. A task that awaits a child, and a child that ends, only say who is next and return to this loop:
/// the stack stays flat in every build mode (GCC makes a symmetric transfer a tail call only when it
/// optimises), and no frame is destroyed from inside its own await_suspend.
/// Lifetime: outlives the tasks that run on it.
class TaskChain {
 public:
  TaskChain() = default;
  TaskChain(const TaskChain&) = delete;
  TaskChain& operator=(const TaskChain&) = delete;

  /// Resumes `at` and whatever becomes next, until the chain waits for the outside or its root has ended.
  /// An exception that leaves a task comes out here; the chain must then only be destroyed.
  void run(std::coroutine_handle<> at) {
    assert(!is_running_ && "a task chain was resumed from inside itself");
    const RunningMark mark(is_running_);
    next_ = at;
    while (next_) {
      const std::coroutine_handle<> current = std::exchange(next_, nullptr);
      current.resume();
    }
  }

  /// True while run() is on the stack: the chain must not be destroyed now.
  [[nodiscard]] bool is_running() const { return is_running_; }

  /// For awaiters: who runs when the current task has suspended.
  void continue_with(std::coroutine_handle<> next) { next_ = next; }

 private:
  struct RunningMark {
    explicit RunningMark(bool& flag) : flag_(flag) { flag_ = true; }
    ~RunningMark() { flag_ = false; }
    RunningMark(const RunningMark&) = delete;
    RunningMark& operator=(const RunningMark&) = delete;
    bool& flag_;
  };

  std::coroutine_handle<> next_;
  bool is_running_ = false;
};

/// What every task's promise knows. An awaiter takes `std::coroutine_handle<Promise>` with a Promise derived
/// from this to learn the chain that it must resume.
class TaskPromiseBase {
 public:
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      TaskPromiseBase& promise = ended.promise();
      promise.chain_->continue_with(promise.parent_);
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  /// Out through TaskChain::run() to whoever started the root: expected failures are values, so what is
  /// thrown ends the whole chain.
  [[noreturn]] void unhandled_exception() { throw; }

  [[nodiscard]] TaskChain& chain() const { return *chain_; }
  void attach(TaskChain& chain, std::coroutine_handle<> parent) {
    chain_ = &chain;
    parent_ = parent;
  }

 private:
  TaskChain* chain_ = nullptr;
  std::coroutine_handle<> parent_;
};

template <class T>
class TaskPromise;

/// A coroutine that starts when it is awaited, is awaited exactly once, and yields a T.
/// Destroying a Task destroys its frame and, with it, every task that it awaits. Parameters that are
/// references or views are loans for the whole task.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { destroy(); }

  [[nodiscard]] bool is_valid() const { return handle_ != nullptr; }
  [[nodiscard]] bool is_done() const { return handle_ != nullptr && handle_.done(); }

  /// Runs this task as the root of `chain` until it first waits. Once only; `chain` outlives the task.
  void start(TaskChain& chain) {
    handle_.promise().attach(chain, nullptr);
    chain.run(handle_);
  }

  /// The value of a root task. Precondition: is_done(), and no exception came out of the chain.
  decltype(auto) take_result() { return handle_.promise().take(); }

  struct Awaiter {
    Handle child;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> parent) const noexcept {
      TaskChain& chain = parent.promise().chain();
      child.promise().attach(chain, parent);
      chain.continue_with(child);
    }
    T await_resume() const { return child.promise().take(); }
  };
  /// The task keeps the child's frame; it is freed when the Task object ends, not here.
  Awaiter operator co_await() const noexcept { return Awaiter{handle_}; }

 private:
  void destroy() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }
  Handle handle_;
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  Task<T> get_return_object() { return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this)); }
  template <class U>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  [[nodiscard]] T take() {
    assert(value_.has_value());
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  Task<void> get_return_object() { return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this)); }
  void return_void() {}
  void take() {}
};

}  // namespace protocol
