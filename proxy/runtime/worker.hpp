#pragma once

#include "proxy/runtime/event_loop.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

namespace proxy::runtime {

/// A thread with an event loop and a buffer to receive into. What runs on it is its owner's business.
class Worker {
 public:
  /// One receive's size. Large enough that a reply in bulk costs few system calls, small enough to stay in the
  /// second-level cache beside what it is copied to.
  static constexpr std::size_t receive_scratch_bytes = 64 * 1024;

  /// `name` shows in ps and top; the kernel keeps its first fifteen characters.
  explicit Worker(std::string name);
  /// Stops and joins.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Begins the thread. On it, `on_start` runs before the loop and `on_end` after it, when nothing runs on the
  /// loop any more: the place to destroy what lives there. Once only. Signals are blocked on the thread.
  void start(std::function<void()> on_start = {}, std::function<void()> on_end = {});
  /// From any thread; does not wait.
  void stop() { loop_.stop(); }
  /// Waits for the thread's end. Not from the worker itself.
  void join();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] EventLoop& loop() { return loop_; }
  /// Shared by everything on this worker: what is in it is lost when the current callback returns.
  [[nodiscard]] std::span<std::byte> receive_scratch() { return {scratch_.get(), receive_scratch_bytes}; }

 private:
  void run(const std::function<void()>& on_start, const std::function<void()>& on_end);

  const std::string name_;
  EventLoop loop_;
  std::unique_ptr<std::byte[]> scratch_;
  std::thread thread_;
};

}  // namespace proxy::runtime
