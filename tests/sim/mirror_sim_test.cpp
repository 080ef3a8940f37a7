#include "tests/sim/mirror_world.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

/// The real sessions of a mirrored pair with their captures. MIRROR_SEED=7 plays one seed and shows its last events; MIRROR_SEEDS=20000
/// plays more of them.
namespace {

using namespace std::chrono_literals;
using routing::Side;
using sim::CounterReading;
using sim::MirrorWorld;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t usual_seeds = 120;
#else
constexpr std::uint64_t usual_seeds = 600;
#endif

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t count = usual_seeds;
};

Seeds seeds() {
  if (const char* one = std::getenv("MIRROR_SEED")) return {std::stoull(one), 1};
  if (const char* many = std::getenv("MIRROR_SEEDS")) return {1, std::stoull(many)};
  return {};
}

void check(MirrorWorld& world, std::uint64_t seed) {
  const std::string complaints = world.complaints();
  const std::string trace = complaints.empty() ? "" : world.loop().trace();
  CHECK_MESSAGE(complaints.empty(), "seed " << seed << "\n" << complaints << trace);
}

/// Many short transactions on few rows, no faults but a follower of several slow appliers.
MirrorWorld::Nature crowded(CounterReading reading) {
  MirrorWorld::Nature nature;
  nature.mirror.reading = reading;
  nature.mirror.cut_percent = 0;
  nature.teller_count = 6;
  nature.tellers.shared_keys = 2;
  nature.green_weight = 0;
  return nature;
}

bool is_equal_after(std::uint64_t seed, CounterReading reading) {
  MirrorWorld world(seed, crowded(reading));
  world.set_slowness(10ms);
  world.live_calmly();
  return world.are_sides_equal() && world.complaints().empty();
}

std::uint64_t unequal_of(CounterReading reading, std::uint64_t count) {
  std::uint64_t unequal = 0;
  for (std::uint64_t seed = 1; seed <= count; ++seed) unequal += is_equal_after(seed, reading) ? 0 : 1;
  return unequal;
}

}  // namespace

TEST_CASE("mirror: many sessions, weights moving, a slow follower → each reads its own writes, whether reads wait or not; and some did wait") {
  std::uint64_t waited = 0;
  std::size_t by_green = 0;
  const Seeds played = seeds();
  for (std::uint64_t seed = played.first; seed < played.first + played.count / 3 + 1; ++seed) {
    MirrorWorld::Nature nature;
    nature.causal_wait = std::chrono::milliseconds(seed % 3 * 10);
    nature.pool_size = seed % 2 == 0 ? 0 : 2;
    nature.teller_count = 5;
    MirrorWorld world(seed, nature);
    for (int i = 0; i < 20; ++i) {
      world.set_weight(static_cast<std::uint32_t>(seed * 37 % 11 * 1'000 + static_cast<std::uint64_t>(i) * 700) % 10'001);
      world.set_slowness(std::chrono::microseconds(500 + seed % 7 * 4'000));
      world.loop().advance(3ms);
    }
    world.live_calmly();
    check(world, seed);
    if (nature.causal_wait == 0ms) CHECK(world.reads_waited() == 0);
    waited += world.reads_waited();
    by_green += world.reads_by(Side::green);
  }
  CHECK(waited > played.count);
  CHECK(by_green > played.count);
}

TEST_CASE("mirror: sides, proxy, clients and connections going, the authority over and back, the disk full → every acknowledged write once on both sides") {
  const Seeds played = seeds();
  std::size_t switchovers = 0;
  for (std::uint64_t seed = played.first; seed < played.first + played.count; ++seed) {
    MirrorWorld::Nature nature;
    nature.causal_wait = std::chrono::milliseconds(seed % 2 * 10);
    nature.pool_size = seed % 3 == 0 ? 2 : 0;
    nature.mirror.breaks_when_full = seed % 4 == 0;
    nature.tellers.turns = 30;
    MirrorWorld world(seed, nature);
    world.live_troubled(300ms);
    world.live_calmly();
    check(world, seed);
    switchovers += world.switchovers();
    if (played.count == 1) MESSAGE(world.loop().trace());
  }
  CHECK(switchovers > played.count / 4);
}

TEST_CASE("mirror: the counter read before COMMIT is sent and when the last write's reply has come → both sides equal, for every seed") {
  CHECK(unequal_of(CounterReading::right, usual_seeds / 3) == 0);
}

TEST_CASE("mirror: the counter read behind COMMIT → the sides differ for some seeds") {
  CHECK(unequal_of(CounterReading::commit_too_late, 60) > 0);
}

TEST_CASE("mirror: the counter read when the last write was sent → the sides differ for some seeds") {
  CHECK(unequal_of(CounterReading::write_too_early, 60) > 0);
}
