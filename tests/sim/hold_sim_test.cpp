#include "tests/sim/world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;
using proxy::session::DrainOutcome;
using routing::HoldClass;
using routing::Side;
using sim::ScriptOptions;
using sim::Weather;
using sim::World;
using test_support::CutKind;

constexpr std::uint64_t seed_count = 20;

std::size_t executed_count(const World& world) {
  std::size_t count = 0;
  for (const auto& backend : world.backends()) count += backend->server().executed().size();
  return count;
}

bool is_everybody_idle(const World& world) {
  return world.is_side_idle(Side::blue) && world.is_side_idle(Side::green);
}

/// Clients at work, and a pause that comes and goes at random moments.
class Paused {
 public:
  Paused(std::uint64_t seed, std::uint32_t pool_size, HoldClass hold_class = HoldClass::everything)
      : world(seed, Weather{seed % 4 != 0, static_cast<std::uint32_t>(seed % 3 * 5000), pool_size}), hold_class_(hold_class) {
    for (std::size_t i = 0; i < 4; ++i) {
      world.add_client(sim::make_script("c" + std::to_string(i) + "x", world.random(), ScriptOptions{}));
    }
    pause_timer_ = world.loop().make_timer([this] { begin(); });
    pause_timer_->arm(world.loop().now() + std::chrono::microseconds(world.random().below(30'000)));
  }
  /// Runs until the pause is complete and nothing happens any more. False: everybody had finished before it came.
  void run_into_pause() { world.run(60s); }

  World world;
  std::optional<DrainOutcome> outcome;
  std::size_t executed_when_drained = 0;

 private:
  void begin() {
    world.pause(hold_class_, [this](DrainOutcome told) {
      outcome = told;
      executed_when_drained = executed_count(world);
      is_idle_when_drained = is_everybody_idle(world);
    });
  }
  HoldClass hold_class_;
  std::unique_ptr<proxy::runtime::Timer> pause_timer_;

 public:
  bool is_idle_when_drained = false;
};

}  // namespace

TEST_CASE("hold: a pause in the middle of work → drained, nothing starts while held, then everything goes on as if nothing had been") {
  for (std::uint64_t seed = 1; seed <= seed_count; ++seed) {
    Paused paused(seed, static_cast<std::uint32_t>(seed % 3));
    paused.run_into_pause();
    REQUIRE(paused.outcome == DrainOutcome::drained);
    CHECK_MESSAGE(paused.is_idle_when_drained, "seed " << seed);
    CHECK_MESSAGE(executed_count(paused.world) == paused.executed_when_drained, "seed " << seed);
    paused.world.resume();
    paused.world.run();
    const std::string complaints = paused.world.complaints();
    CHECK_MESSAGE(complaints.empty(), "seed " << seed << "\n" << complaints);
  }
}

TEST_CASE("hold: of writes alone → no write starts while held, and all is released in order") {
  for (std::uint64_t seed = 1; seed <= seed_count; ++seed) {
    Paused paused(seed, static_cast<std::uint32_t>(seed % 3), HoldClass::writes);
    paused.run_into_pause();
    REQUIRE(paused.outcome == DrainOutcome::drained);
    const auto writes = [&] {
      std::size_t count = 0;
      for (const auto& backend : paused.world.backends()) {
        const auto& ran = backend->server().executed();
        count += static_cast<std::size_t>(std::ranges::count_if(ran, [](const std::string& text) { return text.starts_with("INSERT"); }));
      }
      return count;
    };
    const std::size_t before = writes();
    paused.world.run(60s);
    CHECK(writes() == before);
    paused.world.resume();
    paused.world.run();
    const std::string complaints = paused.world.complaints();
    CHECK_MESSAGE(complaints.empty(), "seed " << seed << "\n" << complaints);
  }
}

TEST_CASE("hold: both servers restart inside a pause → no client notices") {
  for (std::uint64_t seed = 1; seed <= seed_count; ++seed) {
    Paused paused(seed, 2);
    paused.run_into_pause();
    REQUIRE(paused.outcome == DrainOutcome::drained);
    for (const Side side : routing::both_sides) paused.world.kill(side, CutKind::end);
    paused.world.run(10s);
    for (const Side side : routing::both_sides) paused.world.revive(side);
    paused.world.resume();
    paused.world.run();
    for (const auto& client : paused.world.clients()) {
      CHECK_MESSAGE(client->heard() == client->script().expected, "seed " << seed);
    }
  }
}

TEST_CASE("hold: resumed before it is drained → whoever waits for the drain is told so") {
  World world(1, Weather{false, 0});
  std::optional<DrainOutcome> outcome;
  world.add_client(sim::make_script("cx", world.random(), ScriptOptions{}));
  world.loop().advance(5ms);
  const bool is_drained_at_once = [&] {
    world.pause(HoldClass::everything, [&](DrainOutcome told) { outcome = told; });
    return outcome.has_value();
  }();
  world.resume();
  REQUIRE(outcome.has_value());
  CHECK((is_drained_at_once || *outcome == DrainOutcome::released));
  world.run();
  CHECK(world.complaints().empty());
}

TEST_CASE("hold: longer than the queue's timeout → 57P03 to who waits, once") {
  Paused paused(3, 1);
  paused.world.run(600s);
  REQUIRE(paused.outcome == DrainOutcome::drained);
  CHECK(paused.world.worker().session_count() == 0);
  std::size_t told = 0;
  for (const auto& client : paused.world.clients()) {
    const std::string heard = client->heard();
    if (heard.find("C57P03") != std::string::npos) ++told;
    CHECK((heard == client->script().expected || heard.find("C57P03") != std::string::npos || heard.empty()));
  }
  CHECK(told > 0);
}

TEST_CASE("hold: the proxy stops while clients wait → 57P01 to each, nothing of theirs has run") {
  for (std::uint64_t seed = 1; seed <= seed_count; ++seed) {
    Paused paused(seed, static_cast<std::uint32_t>(seed % 3));
    paused.run_into_pause();
    const std::size_t before = executed_count(paused.world);
    paused.world.worker().stop_sessions(proxy::session::Session::Stop::when_idle);
    paused.world.run(1s);
    CHECK_MESSAGE(paused.world.worker().session_count() == 0, "seed " << seed);
    CHECK(executed_count(paused.world) == before);
    for (const auto& client : paused.world.clients()) {
      // Whoever had not been let in yet was told in the middle of its login.
      const std::string heard = client->heard();
      const bool is_told = heard == client->script().expected || heard.find("C57P01") != std::string::npos || heard.empty();
      CHECK_MESSAGE(is_told, "seed " << seed << " heard " << heard.size() << " bytes");
    }
  }
}

TEST_CASE("hold: a client is gone when its request is held → its session ends all the same") {
  for (std::uint64_t seed = 1; seed <= seed_count; ++seed) {
    World world(seed, Weather{false, 0, static_cast<std::uint32_t>(seed % 3)});
    for (const char* name : {"c0x", "c1x"}) world.add_client(sim::make_script(name, world.random(), ScriptOptions{}));
    const auto timer = world.loop().make_timer([&] {
      for (const auto& client : world.clients()) client->vanish();
      world.pause(HoldClass::everything, [](DrainOutcome) {});
    });
    timer->arm(world.loop().now() + std::chrono::microseconds(world.random().below(20'000)));
    world.run(30s);
    CHECK_MESSAGE(world.worker().session_count() == 0, "seed " << seed);
  }
}

TEST_CASE("hold: a client vanishes while it waits → its request never runs, the others go on") {
  for (std::uint64_t seed = 1; seed <= seed_count; ++seed) {
    Paused paused(seed, static_cast<std::uint32_t>(seed % 3));
    paused.run_into_pause();
    const std::size_t sessions = paused.world.worker().session_count();
    sim::Client& gone = *paused.world.clients().front();
    const bool was_there = !gone.is_closed();
    const std::size_t ran = paused.world.executed("c0x", Side::blue).size() + paused.world.executed("c0x", Side::green).size();
    gone.vanish();
    paused.world.run(30s);
    CHECK_MESSAGE(paused.world.worker().session_count() == sessions - (was_there ? 1 : 0), "seed " << seed);
    paused.world.resume();
    paused.world.run();
    CHECK(paused.world.executed("c0x", Side::blue).size() + paused.world.executed("c0x", Side::green).size() == ran);
    for (std::size_t i = 1; i < paused.world.clients().size(); ++i) {
      const sim::Client& client = *paused.world.clients()[i];
      CHECK_MESSAGE(client.heard() == client.script().expected, "seed " << seed);
    }
  }
}
