#include "protocol/base/task.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>

using protocol::Task;
using protocol::TaskChain;

namespace {

/// Counts the objects alive, to see that frames give back what they hold exactly once.
class Counted {
 public:
  explicit Counted(int& alive) : alive_(alive) { ++alive_; }
  ~Counted() { --alive_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int& alive_;
};

/// Parks the chain until the test resumes it.
struct Park {
  std::coroutine_handle<>* where;
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { *where = handle; }
  void await_resume() const noexcept {}
};

Task<int> ready_value(int value) { co_return value; }

Task<long> sum_ready_tasks(int count) {
  long sum = 0;
  for (int i = 0; i < count; ++i) {
    const int value = co_await ready_value(1);
    sum += value;
  }
  co_return sum;
}

Task<std::string> parked_text(std::coroutine_handle<>* where, int* alive) {
  const Counted counted(*alive);
  std::string text(100, 'a');
  co_await Park{where};
  co_return text;
}

Task<std::size_t> nested(std::coroutine_handle<>* where, int* alive) {
  const Counted counted(*alive);
  Task<std::string> child = parked_text(where, alive);
  const std::string text = co_await child;
  co_return text.size();
}

Task<std::unique_ptr<int>> move_only(std::unique_ptr<int> value) { co_return value; }

Task<int> await_move_only() {
  std::unique_ptr<int> given = std::make_unique<int>(7);
  std::unique_ptr<int> got = co_await move_only(std::move(given));
  co_return *got;
}

Task<int> throwing() {
  throw std::runtime_error("broken");
  co_return 1;
}

Task<int> awaits_throwing(int* alive) {
  const Counted counted(*alive);
  const int value = co_await throwing();
  co_return value;
}

Task<void> depth(int levels, int* reached) {
  ++*reached;
  if (levels > 0) co_await depth(levels - 1, reached);
}

}  // namespace

TEST_CASE("task: a million ready tasks awaited in a loop → flat stack, right sum") {
  TaskChain chain;
  Task<long> task = sum_ready_tasks(1'000'000);
  task.start(chain);
  REQUIRE(task.is_done());
  CHECK(task.take_result() == 1'000'000);
}

TEST_CASE("task: lazy → nothing runs before start") {
  int reached = 0;
  TaskChain chain;
  Task<void> task = depth(10'000, &reached);
  CHECK(reached == 0);
  task.start(chain);
  CHECK(task.is_done());
  CHECK(reached == 10'001);
}

TEST_CASE("task: child resumed from outside → parent goes on with its value, locals freed once") {
  std::coroutine_handle<> parked;
  int alive = 0;
  TaskChain chain;
  Task<std::size_t> task = nested(&parked, &alive);
  task.start(chain);
  CHECK_FALSE(task.is_done());
  CHECK(alive == 2);
  chain.run(parked);
  REQUIRE(task.is_done());
  CHECK(task.take_result() == 100);
  CHECK(alive == 0);
}

TEST_CASE("task: destroyed while a nested child waits → every frame and local is freed") {
  std::coroutine_handle<> parked;
  int alive = 0;
  {
    TaskChain chain;
    Task<std::size_t> task = nested(&parked, &alive);
    task.start(chain);
    CHECK(alive == 2);
  }
  CHECK(alive == 0);
}

TEST_CASE("task: destroyed unstarted → parameters are freed") {
  Task<std::unique_ptr<int>> task = move_only(std::make_unique<int>(1));
  CHECK(task.is_valid());
}

TEST_CASE("task: a move-only parameter and result → arrives") {
  TaskChain chain;
  Task<int> task = await_move_only();
  task.start(chain);
  CHECK(task.take_result() == 7);
}

TEST_CASE("task: exception in a child → comes out of the chain, the parent does not go on") {
  int alive = 0;
  {
    TaskChain chain;
    Task<int> task = awaits_throwing(&alive);
    CHECK_THROWS_AS(task.start(chain), std::runtime_error);
    CHECK_FALSE(chain.is_running());
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
}
