#include "proxy/runtime/event_loop.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using proxy::runtime::Clock;
using proxy::runtime::Deferred;
using proxy::runtime::EventLoop;
using proxy::runtime::Instant;
using proxy::runtime::Timer;

TEST_CASE("event loop: work posted before run → runs in order, then stop ends the loop") {
  EventLoop loop;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
  loop.post([&loop] { loop.stop(); });
  loop.run();
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("event loop: stopped before run → runs what was posted before, then ends") {
  EventLoop loop;
  int ran = 0;
  loop.post([&ran] { ++ran; });
  loop.stop();
  loop.run();
  CHECK(ran == 1);
}

TEST_CASE("event loop: posts from several threads at once → all run, each thread's in order") {
  EventLoop loop;
  constexpr int threads_count = 4;
  constexpr int each = 5'000;
  std::vector<int> last(threads_count, -1);
  int done = 0;
  bool is_in_order = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < threads_count; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        loop.post([&, t, i] {
          is_in_order = is_in_order && last[static_cast<std::size_t>(t)] == i - 1;
          last[static_cast<std::size_t>(t)] = i;
          if (++done == threads_count * each) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (std::thread& thread : threads) thread.join();
  CHECK(done == threads_count * each);
  CHECK(is_in_order);
}

namespace {

/// Posts and defers from its destructor, as a session that says goodbye might.
struct Reposts {
  Reposts(EventLoop& loop, int& destroyed) : loop_(loop), destroyed_(destroyed) {}
  ~Reposts() {
    ++destroyed_;
    loop_.post([] { FAIL("ran after the end"); });
    loop_.defer([] { FAIL("ran after the end"); });
  }
  Reposts(const Reposts&) = delete;
  Reposts& operator=(const Reposts&) = delete;
  EventLoop& loop_;
  int& destroyed_;
};

}  // namespace

TEST_CASE("event loop: deferred work left at the stop → destroyed unrun, though its destructor posts and defers") {
  EventLoop loop;
  int destroyed = 0;
  loop.stop();
  loop.post([&] {
    loop.defer([reposts = std::make_shared<Reposts>(loop, destroyed)] { FAIL("ran after the stop"); });
  });
  loop.run();
  CHECK(destroyed == 1);
  bool has_run = false;
  loop.post([&has_run] { has_run = true; });
  CHECK_FALSE(has_run);
}

TEST_CASE("event loop: destroyed without a run → posted work is destroyed unrun") {
  int destroyed = 0;
  {
    EventLoop loop;
    loop.post([reposts = std::make_shared<Reposts>(loop, destroyed)] { FAIL("ran"); });
  }
  CHECK(destroyed == 1);
}

TEST_CASE("event loop: deferred work → runs after the current callback, in order, before later posts") {
  EventLoop loop;
  std::vector<int> order;
  loop.post([&] {
    loop.defer([&] { order.push_back(2); });
    loop.defer([&] {
      order.push_back(3);
      loop.defer([&] {
        order.push_back(4);
        loop.post([&loop] { loop.stop(); });
      });
    });
    order.push_back(1);
  });
  loop.run();
  CHECK(order == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("event loop: work that defers itself for ever → posts and timers still get their turn") {
  EventLoop loop;
  bool is_over = false;
  bool has_timer_run = false;
  std::function<void()> again = [&] {
    if (!is_over) loop.defer(again);
  };
  const std::unique_ptr<Timer> timer = loop.make_timer([&] {
    has_timer_run = true;
    loop.post([&] {
      is_over = true;
      loop.stop();
    });
  });
  loop.post([&] {
    loop.defer(again);
    timer->arm(loop.now() + 1ms);
  });
  loop.run();
  CHECK(has_timer_run);
}

namespace {

struct Counted final : Deferred {
  explicit Counted(int& runs) : runs_(runs) {}
  void run() override { ++runs_; }
  int& runs_;
};

}  // namespace

TEST_CASE("event loop: work of an owner, deferred twice and then its owner gone → once, and not at all") {
  EventLoop loop;
  int runs_of_kept = 0;
  int runs_of_gone = 0;
  Counted kept(runs_of_kept);
  loop.post([&] {
    loop.defer(kept);
    loop.defer(kept);
    Counted gone(runs_of_gone);
    loop.defer(gone);
  });
  loop.post([&] { loop.defer([&] { loop.stop(); }); });
  loop.run();
  CHECK(runs_of_kept == 1);
  CHECK(runs_of_gone == 0);
}

TEST_CASE("event loop: work deferred inside an event → waits for the other events of the round") {
  EventLoop loop;
  std::vector<int> order;
  loop.post([&] {
    loop.run_event([&] {
      loop.defer([&] {
        order.push_back(3);
        loop.stop();
      });
      order.push_back(1);
    });
    loop.run_event([&] { order.push_back(2); });
  });
  loop.run();
  CHECK(order == std::vector<int>{1, 2, 3});
}

TEST_CASE("event loop: time asked for inside an event → stands still there, goes on behind it") {
  EventLoop loop;
  loop.post([&] {
    Instant first{};
    Instant last{};
    loop.run_event([&] {
      first = loop.now();
      while (Clock::now() == first) {
      }
      last = loop.now();
    });
    CHECK(first == last);
    CHECK(loop.now() > first);
    loop.run_event([&] { CHECK(loop.now() > first); });
    loop.stop();
  });
  loop.run();
}

TEST_CASE("timer: several deadlines → expire in order and never early") {
  EventLoop loop;
  std::vector<int> order;
  bool is_early = false;
  const Instant start = loop.now();
  std::vector<std::unique_ptr<Timer>> timers;
  for (const int milliseconds : {7, 1, 3}) {
    const Instant deadline = start + std::chrono::milliseconds(milliseconds);
    timers.push_back(loop.make_timer([&, milliseconds, deadline] {
      is_early = is_early || loop.now() < deadline;
      order.push_back(milliseconds);
      if (order.size() == 3) loop.stop();
    }));
    timers.back()->arm(deadline);
  }
  loop.run();
  CHECK(order == std::vector<int>{1, 3, 7});
  CHECK_FALSE(is_early);
}

TEST_CASE("timer: deadline moved later, earlier and withdrawn → only the last word counts") {
  EventLoop loop;
  const Instant start = loop.now();
  bool has_disarmed_run = false;
  Instant later_ran{};
  bool has_earlier_run = false;
  const std::unique_ptr<Timer> disarmed = loop.make_timer([&] { has_disarmed_run = true; });
  const std::unique_ptr<Timer> earlier = loop.make_timer([&] { has_earlier_run = true; });
  const std::unique_ptr<Timer> later = loop.make_timer([&] {
    later_ran = loop.now();
    loop.stop();
  });
  disarmed->arm(start + 1ms);
  disarmed->disarm();
  CHECK_FALSE(disarmed->is_armed());
  earlier->arm(start + 1h);
  earlier->arm(start + 1ms);
  later->arm(start + 1ms);
  later->arm(start + 8ms);
  CHECK(later->is_armed());
  loop.run();
  CHECK_FALSE(has_disarmed_run);
  CHECK(has_earlier_run);
  CHECK(later_ran >= start + 8ms);
  CHECK_FALSE(later->is_armed());
}

TEST_CASE("timer: destroys itself, and re-arms itself, from its expiry → both are safe") {
  EventLoop loop;
  std::unique_ptr<Timer> suicidal;
  std::unique_ptr<Timer> repeating;
  std::vector<int> big_capture(1000, 1);
  std::size_t seen = 0;
  suicidal = loop.make_timer([&suicidal, &seen, big_capture] {
    suicidal.reset();
    seen = big_capture.size();  // the callback's own state lives until it returns
  });
  int repeats = 0;
  repeating = loop.make_timer([&] {
    if (++repeats == 3) {
      loop.stop();
    } else {
      repeating->arm(loop.now());
    }
  });
  suicidal->arm(loop.now());
  repeating->arm(loop.now());
  loop.run();
  CHECK(seen == 1000);
  CHECK(repeats == 3);
}

TEST_CASE("timer: destroyed while armed → never runs") {
  EventLoop loop;
  std::unique_ptr<Timer> doomed = loop.make_timer([] { FAIL("ran"); });
  doomed->arm(loop.now() + 1ms);
  doomed.reset();
  const std::unique_ptr<Timer> last = loop.make_timer([&] { loop.stop(); });
  last->arm(loop.now() + 3ms);
  loop.run();
}

namespace {

struct Counter final : proxy::runtime::Ticked {
  explicit Counter(std::function<void()> action) : on_each(std::move(action)) {}
  void on_tick() override {
    ++ticks;
    const std::function<void()> action = on_each;
    action();
  }
  int ticks = 0;
  std::function<void()> on_each;
};

}  // namespace

TEST_CASE("ticks: enrolled → called every time until withdrawn, destroying others on the way is safe") {
  EventLoop loop(1ms);
  auto doomed = std::make_unique<Counter>([] {});
  int doomed_ticks = 0;
  std::unique_ptr<Counter> suicidal;
  suicidal = std::make_unique<Counter>([&] { suicidal.reset(); });
  Counter once([] {});
  once.on_each = [&] { loop.withdraw(once); };
  Counter steady([] {});
  steady.on_each = [&] {
    if (doomed != nullptr) doomed_ticks = doomed->ticks;
    doomed.reset();
    if (steady.ticks == 3) loop.stop();
  };
  for (Counter* counter : {&steady, doomed.get(), suicidal.get(), &once}) loop.enroll(*counter);
  loop.enroll(steady);
  loop.run();
  CHECK(steady.ticks == 3);
  CHECK(once.ticks == 1);
  CHECK(doomed_ticks == 0);
  CHECK(suicidal == nullptr);
}

TEST_CASE("ticks: nobody enrolled any more → enrolling later begins again") {
  EventLoop loop(1ms);
  Counter late([&loop] { loop.stop(); });
  Counter once([] {});
  const auto timer = loop.make_timer([&] { loop.enroll(late); });
  once.on_each = [&] {
    loop.withdraw(once);
    timer->arm(loop.now() + 5ms);
  };
  loop.enroll(once);
  loop.run();
  CHECK(late.ticks == 1);
  CHECK(once.ticks == 1);
}
