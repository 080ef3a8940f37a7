#include "proxy/runtime/signal.hpp"

#include "proxy/runtime/event_loop.hpp"

#include <doctest/doctest.h>

#include <memory>

using proxy::runtime::EventLoop;
using proxy::runtime::Signal;
using proxy::runtime::Task;
using proxy::runtime::TaskChain;

namespace {

Task<void> count_wakes(Signal* signal, int* wakes) {
  while (true) {
    co_await signal->wait();
    ++*wakes;
  }
}

Task<void> wait_then_destroy(std::unique_ptr<Signal>* signal, bool* is_over) {
  co_await (*signal)->wait();
  signal->reset();
  *is_over = true;
}

void run_until_idle(EventLoop& loop) {
  loop.defer([&loop] { loop.defer([&loop] { loop.stop(); }); });
  loop.run();
}

}  // namespace

TEST_CASE("signal: many notifications before the wake → one wake, after the current callback") {
  EventLoop loop;
  Signal signal(loop);
  int wakes = 0;
  TaskChain chain;
  Task<void> task = count_wakes(&signal, &wakes);
  task.start(chain);
  for (int i = 0; i < 5; ++i) signal.notify();
  CHECK(wakes == 0);
  run_until_idle(loop);
  CHECK(wakes == 1);
}

TEST_CASE("signal: notified before the wait → the wait is over at once") {
  EventLoop loop;
  Signal signal(loop);
  signal.notify();
  int wakes = 0;
  TaskChain chain;
  Task<void> task = count_wakes(&signal, &wakes);
  task.start(chain);
  CHECK(wakes == 1);
  signal.notify_now();
  CHECK(wakes == 2);
}

TEST_CASE("signal: waiter destroyed with a wake under way → nothing is resumed") {
  EventLoop loop;
  Signal signal(loop);
  int wakes = 0;
  {
    TaskChain chain;
    Task<void> task = count_wakes(&signal, &wakes);
    task.start(chain);
    signal.notify();
  }
  run_until_idle(loop);
  CHECK(wakes == 0);
}

TEST_CASE("signal: destroyed by the task that it wakes → safe") {
  EventLoop loop;
  auto signal = std::make_unique<Signal>(loop);
  bool is_over = false;
  TaskChain chain;
  Task<void> task = wait_then_destroy(&signal, &is_over);
  task.start(chain);
  signal->notify_now();
  CHECK(is_over);
  CHECK(signal == nullptr);
}
