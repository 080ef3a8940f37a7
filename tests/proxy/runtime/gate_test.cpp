#include "proxy/runtime/gate.hpp"

#include "proxy/runtime/event_loop.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>

using proxy::runtime::EventLoop;
using proxy::runtime::Gate;
using proxy::runtime::Signal;
using proxy::runtime::Task;
using proxy::runtime::TaskChain;

namespace {

Task<void> wait_for(Signal* signal, std::shared_ptr<int> held) {
  co_await signal->wait();
  ++*held;
}

Task<void> at_once(int* ran) {
  ++*ran;
  co_return;
}

Task<void> close_gate(Gate* gate, bool* is_over) {
  co_await gate->close();
  *is_over = true;
}

void run_until_idle(EventLoop& loop) {
  loop.defer([&loop] { loop.defer([&loop] { loop.defer([&loop] { loop.stop(); }); }); });
  loop.run();
}

}  // namespace

TEST_CASE("gate: closing with a task and a pass inside → waits for both, refuses newcomers, frees the task") {
  EventLoop loop;
  Gate gate(loop);
  Signal signal(loop);
  const auto held = std::make_shared<int>(0);
  CHECK(gate.start(wait_for(&signal, held)));
  Gate::Pass pass = gate.try_enter();
  CHECK(pass.is_inside());
  CHECK(gate.count() == 2);
  bool is_over = false;
  TaskChain chain;
  Task<void> closing = close_gate(&gate, &is_over);
  closing.start(chain);
  CHECK_FALSE(is_over);

  int ran = 0;
  CHECK_FALSE(gate.start(at_once(&ran)));
  CHECK_FALSE(gate.try_enter().is_inside());
  CHECK(ran == 0);

  signal.notify_now();
  CHECK(*held == 1);
  CHECK(held.use_count() == 1);
  CHECK(gate.count() == 1);
  pass = Gate::Pass();
  CHECK_FALSE(is_over);
  run_until_idle(loop);
  CHECK(is_over);
}

TEST_CASE("gate: empty when closed → over at once; a task that never waits leaves nothing") {
  EventLoop loop;
  Gate gate(loop);
  int ran = 0;
  CHECK(gate.start(at_once(&ran)));
  CHECK(ran == 1);
  CHECK(gate.count() == 0);
  bool is_over = false;
  TaskChain chain;
  Task<void> closing = close_gate(&gate, &is_over);
  closing.start(chain);
  CHECK(is_over);
}

TEST_CASE("gate: destroyed with work inside → the process ends and says why") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(2);
    EventLoop loop;
    Gate::Pass pass;
    {
      Gate gate(loop);
      pass = gate.try_enter();
    }
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}
