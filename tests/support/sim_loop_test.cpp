#include "tests/support/sim_loop.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using test_support::SimLoop;

TEST_CASE("sim loop: deferred, posted and timers → that order, equals in the order they were asked for") {
  SimLoop loop;
  std::vector<int> order;
  const auto second = loop.make_timer([&] { order.push_back(5); });
  const auto first = loop.make_timer([&] { order.push_back(4); });
  first->arm(loop.now());
  second->arm(loop.now());
  loop.post([&] { order.push_back(3); });
  loop.defer([&] { order.push_back(1); });
  loop.defer([&] { order.push_back(2); });
  loop.run_ready();
  CHECK(order == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(loop.events_count() == 5);
}

TEST_CASE("sim loop: time moved → stops at each deadline, timers armed on the way included") {
  SimLoop loop;
  const auto start = loop.now();
  std::vector<SimLoop::Duration> seen;
  std::unique_ptr<proxy::runtime::Timer> timer;
  timer = loop.make_timer([&] {
    seen.push_back(loop.now() - start);
    if (seen.size() < 3) timer->arm(loop.now() + 2ms);
  });
  timer->arm(start + 1ms);
  loop.advance(4ms);
  CHECK(seen == std::vector<SimLoop::Duration>{1ms, 3ms});
  CHECK(loop.now() == start + 4ms);
  loop.run_until_quiet(1h);
  CHECK(seen.size() == 3);
  CHECK(loop.now() == start + 5ms);
  CHECK(loop.armed_timers_count() == 0);
}

TEST_CASE("sim loop: timer destroyed in its own expiry, and disarmed by another → safe, not run") {
  SimLoop loop;
  int runs = 0;
  std::unique_ptr<proxy::runtime::Timer> other = loop.make_timer([&] { ++runs; });
  std::unique_ptr<proxy::runtime::Timer> own;
  own = loop.make_timer([&] {
    own.reset();
    other.reset();
  });
  own->arm(loop.now() + 1ms);
  other->arm(loop.now() + 1ms);
  loop.advance(1s);
  CHECK(runs == 0);
}

TEST_CASE("sim loop: work that never ends → reported with the trace instead of a hang") {
  SimLoop loop;
  loop.note("began");
  std::function<void()> again = [&] { loop.defer(again); };
  loop.defer(again);
  CHECK_THROWS_WITH_AS(loop.run_ready(), "the simulation does not come to rest\n0 us, event 0: began\n",
                       std::runtime_error);
}

TEST_CASE("sim loop: an invariant is set → checked after every event") {
  SimLoop loop;
  int checks = 0;
  loop.set_after_event([&] { ++checks; });
  for (int i = 0; i < 7; ++i) loop.post([] {});
  loop.run_ready();
  CHECK(checks == 7);
}
