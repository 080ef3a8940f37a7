#include "tests/model/message.hpp"
#include "tests/sim/world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using routing::Side;
using sim::Client;
using sim::first_difference;
using sim::Script;
using sim::ScriptOptions;
using sim::Weather;
using sim::World;
using test_support::CutKind;

/// Seeds 1 to here in every run, fewer where a sanitiser makes each ten times as long; CROSSFADE_SIM_SEEDS in the
/// environment asks for more.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t usual_seed_count = 14;
#else
constexpr std::uint64_t usual_seed_count = 40;
#endif

/// CROSSFADE_SIM_FIRST_SEED in the environment leaves out those before it.
std::uint64_t first_seed() {
  const char* wish = std::getenv("CROSSFADE_SIM_FIRST_SEED");
  return wish == nullptr ? 1 : std::stoull(wish);
}

std::uint64_t seed_count() {
  const char* wish = std::getenv("CROSSFADE_SIM_SEEDS");
  return wish == nullptr ? usual_seed_count : std::stoull(wish);
}

/// Runs the same world again on failure messages only, so the trace is in one place.
void check_no_complaints(World& world, std::uint64_t seed) {
  const std::string complaints = world.complaints();
  const std::string trace = complaints.empty() ? "" : world.loop().trace();
  CHECK_MESSAGE(complaints.empty(), "seed " << seed << "\n" << complaints << trace);
}

void add_clients(World& world, std::size_t count, const ScriptOptions& options = {}) {
  for (std::size_t i = 0; i < count; ++i) {
    world.add_client(sim::make_script("c" + std::to_string(i) + "x", world.random(), options));
  }
}

/// Everything heard is what one server would have said, as far as it goes.
void check_prefix(const std::string& heard, const Client& client, std::uint64_t seed) {
  const std::string& expected = client.script().expected;
  const bool is_prefix = expected.compare(0, heard.size(), heard) == 0;
  const std::string words = is_prefix ? "" : first_difference(heard, expected) + ", " + std::to_string(heard.size()) + " bytes of " +
                                                 std::to_string(expected.size()) + ", the end: " +
                                                 model::readable(heard.substr(heard.size() > 100 ? heard.size() - 100 : 0), 300);
  CHECK_MESSAGE(is_prefix, "seed " << seed << "\n" << words);
}

/// The last message of `heard` if that is an ErrorResponse with this code and severity FATAL, taken off; else nothing.
std::string without_farewell(std::string heard, const std::string& code) {
  const std::string field = std::string("C") + code;
  for (std::size_t at = heard.rfind('E'); at != std::string::npos; at = at == 0 ? std::string::npos : heard.rfind('E', at - 1)) {
    if (heard.size() - at < 6 || model::read_int32_be(heard, at + 1) + 1 != heard.size() - at) continue;
    if (heard.find(field, at) == std::string::npos || heard.find("FATAL", at) == std::string::npos) continue;
    return heard.substr(0, at);
  }
  return heard;
}

/// Changes the read weights at random until nothing else happens.
void keep_changing_weights(World& world, std::shared_ptr<proxy::runtime::Timer>& timer, int changes_left) {
  timer = world.loop().make_timer([&world, &timer, changes_left] {
    const std::shared_ptr<proxy::runtime::Timer> expired = timer;
    world.set_green_weight(static_cast<std::uint32_t>(world.random().below(101) * 100));
    if (changes_left > 0) keep_changing_weights(world, timer, changes_left - 1);
  });
  timer->arm(world.loop().now() + std::chrono::microseconds(world.random().between(1, 3000)));
}

}  // namespace

TEST_CASE("session: streams cut anywhere, weights moving → every client reads what one server would say, each request runs once") {
  for (std::uint64_t seed = first_seed(); seed <= seed_count(); ++seed) {
    World world(seed, Weather{true, static_cast<std::uint32_t>(seed % 3 * 5000)});
    add_clients(world, world.random().between(1, 4));
    std::shared_ptr<proxy::runtime::Timer> timer;
    keep_changing_weights(world, timer, 60);
    world.run();
    check_no_complaints(world, seed);
  }
}

TEST_CASE("session: the same in TLS on both ends → the same, and a side that dies takes nobody's bytes with it") {
  for (std::uint64_t seed = 1; seed <= std::min<std::uint64_t>(seed_count(), 12); ++seed) {
    World world(seed, Weather{true, static_cast<std::uint32_t>(seed % 3 * 5000), 0, true});
    add_clients(world, world.random().between(1, 4));
    std::shared_ptr<proxy::runtime::Timer> timer;
    keep_changing_weights(world, timer, 60);
    const bool is_killed = seed % 4 == 0;
    std::unique_ptr<proxy::runtime::Timer> killer = world.loop().make_timer([&] { world.kill(Side::blue, CutKind::reset); });
    if (is_killed) killer->arm(world.loop().now() + std::chrono::milliseconds(world.random().between(1, 40)));
    world.run();
    if (!is_killed) {
      check_no_complaints(world, seed);
      continue;
    }
    for (const auto& client : world.clients()) check_prefix(without_farewell(client->heard(), "08006"), *client, seed);
  }
}

TEST_CASE("session: a TLS handshake that stalls → cut at the login's deadline, without waiting for anybody after it") {
  World world(1, Weather{false, 0, 0, true});
  test_support::MemoryPair pair(world.loop());
  world.worker().take_in(std::move(pair.b), routing::ClientAddress{});
  const std::string_view half_hello("\x16\x03\x01\x02", 4);
  CHECK(pair.a->try_write(protocol::as_bytes(half_hello)).state == proxy::net::IoState::done);
  const auto begin = world.loop().now();
  world.loop().advance(14s);
  CHECK(world.worker().session_count() == 1);
  world.run();
  CHECK(world.worker().session_count() == 0);
  CHECK(world.loop().now() - begin == 15s);
}

TEST_CASE("session: few connections for many clients, weights moving → each reads what a server of its own would say") {
  for (std::uint64_t seed = first_seed(); seed <= seed_count(); ++seed) {
    World world(seed, Weather{seed % 4 != 0, static_cast<std::uint32_t>(seed % 3 * 5000), static_cast<std::uint32_t>(1 + seed % 3)});
    add_clients(world, world.random().between(2, 7));
    std::shared_ptr<proxy::runtime::Timer> timer;
    keep_changing_weights(world, timer, 60);
    world.run();
    check_no_complaints(world, seed);
    for (const Side side : routing::both_sides) CHECK(world.most_open(side) <= 1 + seed % 3);
  }
}

TEST_CASE("session: a long row through small buffers → complete, and no buffer of ours grows with it") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    World world(seed, Weather{true, 5000});
    ScriptOptions options;
    options.unit_count = 6;
    options.long_rows_max = 2000;
    add_clients(world, 2, options);
    world.run();
    check_no_complaints(world, seed);
  }
}

namespace {

/// Plays the first half of a script with both sides in use and the second half on blue alone; `fate` befalls
/// green in between. Returns when the client heard its last byte, and what it heard.
struct Outcome {
  std::string heard;
  test_support::SimLoop::Instant end;
};

enum class Fate { nothing, killed, reset, stalled };

Outcome play_with_fate_of_green(std::uint64_t seed, Fate fate) {
  World world(seed, Weather{true, 5000});
  Client& client = world.add_client(sim::make_script("cx", world.random(), ScriptOptions{}));
  const std::size_t half = client.script().bursts.size() / 2;
  client.release_from(half);
  world.run();
  REQUIRE(client.has_finished(half));
  world.set_green_weight(0);
  const auto delay = std::chrono::microseconds(world.random().below(3000));
  const auto timer = world.loop().make_timer([&world, fate] {
    if (!world.is_side_idle(Side::green)) return;  // a transaction that began there goes on there
    switch (fate) {
      case Fate::nothing: break;
      case Fate::killed: world.kill(Side::green, CutKind::end); break;
      case Fate::reset: world.kill(Side::green, CutKind::reset); break;
      case Fate::stalled: world.stall(Side::green); break;
    }
  });
  timer->arm(world.loop().now() + delay);
  client.release_from(client.script().bursts.size());
  world.run();
  if (fate == Fate::nothing) check_no_complaints(world, seed);
  CHECK(world.worker().session_count() == 0);
  return {client.heard(), client.last_event()};
}

}  // namespace

TEST_CASE("session: the other side is killed or falls silent → not one byte and not one instant changes for the client") {
  for (std::uint64_t seed = first_seed(); seed <= seed_count() / 2; ++seed) {
    const Outcome calm = play_with_fate_of_green(seed, Fate::nothing);
    for (const Fate fate : {Fate::killed, Fate::reset, Fate::stalled}) {
      const Outcome outcome = play_with_fate_of_green(seed, fate);
      CHECK_MESSAGE(outcome.heard == calm.heard, "seed " << seed);
      CHECK_MESSAGE(outcome.end == calm.end, "seed " << seed);
    }
  }
}

TEST_CASE("session: the answering side dies at any moment → the client has a true beginning and at most one FATAL") {
  for (std::uint64_t seed = first_seed(); seed <= seed_count(); ++seed) {
    World world(seed, Weather{true, 3000});
    Client& client = world.add_client(sim::make_script("cx", world.random(), ScriptOptions{}));
    const auto timer = world.loop().make_timer([&world] {
      for (const auto& backend : world.backends()) {
        if (!backend->is_closed()) backend->kill(world.random().chance(50) ? CutKind::end : CutKind::reset);
      }
    });
    timer->arm(world.loop().now() + std::chrono::microseconds(world.random().below(40'000)));
    world.run();
    CHECK_MESSAGE(world.worker().session_count() == 0, "seed " << seed);
    CHECK_MESSAGE(client.is_closed(), "seed " << seed);
    const std::string heard = without_farewell(client.heard(), "08006");
    check_prefix(heard, client, seed);
    std::vector<std::string> ran = world.executed("cx", Side::blue);
    for (const std::string& statement : world.executed("cx", Side::green)) ran.push_back(statement);
    // Reads may be made again; writes never.
    std::vector<std::string> due = client.script().executed;
    for (std::vector<std::string>* statements : {&ran, &due}) {
      std::erase_if(*statements, [](const std::string& statement) { return !statement.starts_with("INSERT"); });
      std::sort(statements->begin(), statements->end());
    }
    CHECK_MESSAGE(std::includes(due.begin(), due.end(), ran.begin(), ran.end()), "seed " << seed << ": something ran twice");
  }
}

TEST_CASE("session: stopped when idle → requests under way are answered, then 57P01, and no session remains") {
  for (std::uint64_t seed = first_seed(); seed <= seed_count(); ++seed) {
    World world(seed, Weather{true, 5000});
    add_clients(world, 3);
    const auto timer = world.loop().make_timer(
        [&world] { world.worker().stop_sessions(proxy::session::Session::Stop::when_idle); });
    timer->arm(world.loop().now() + std::chrono::microseconds(world.random().below(40'000)));
    world.run();
    CHECK_MESSAGE(world.worker().session_count() == 0, "seed " << seed);
    for (const auto& backend : world.backends()) CHECK_MESSAGE(backend->is_closed(), "seed " << seed);
    for (const auto& client : world.clients()) {
      const std::string heard = without_farewell(client->heard(), "57P01");
      check_prefix(heard, *client, seed);
      CHECK_MESSAGE((heard.empty() || heard.substr(heard.size() - 6, 5) == std::string("Z\0\0\0\5", 5)), "seed " << seed);
    }
  }
}

TEST_CASE("session: a client that vanishes → its sessions on both sides end, the other clients notice nothing") {
  for (std::uint64_t seed = first_seed(); seed <= seed_count(); ++seed) {
    World world(seed, Weather{true, 5000});
    add_clients(world, 3);
    const auto timer = world.loop().make_timer([&world] { world.clients().front()->vanish(); });
    timer->arm(world.loop().now() + std::chrono::microseconds(world.random().below(30'000)));
    world.run();
    CHECK_MESSAGE(world.worker().session_count() == 0, "seed " << seed);
    for (const auto& backend : world.backends()) CHECK_MESSAGE(backend->is_closed(), "seed " << seed);
    for (std::size_t i = 1; i < world.clients().size(); ++i) {
      CHECK_MESSAGE(world.clients()[i]->heard() == world.clients()[i]->script().expected, "seed " << seed);
    }
  }
}

TEST_CASE("session: a client that reads nothing → what we hold for it stays bounded, and so does what we take from it") {
  World world(1, Weather{false, 0});
  model::Random random(1);
  ScriptOptions options;
  options.unit_count = 400;
  options.wait_percent = 0;
  options.long_rows_max = 3000;
  Client& client = world.add_client(sim::make_script("cx", random, options), Client::Pace::deaf);
  world.run(30s);
  std::size_t taken_bytes = 0;
  for (const auto& backend : world.backends()) taken_bytes += backend->stream().written().size() - backend->stream().unread_bytes();
  // Two network buffers of 64 KiB on the way to the client and from the backend, one receive buffer, one read's worth pending.
  const std::size_t on_the_way_max = std::size_t{64} * 1024 * 5;
  CHECK(client.script().expected.size() > 2 * on_the_way_max);
  CHECK(taken_bytes < on_the_way_max);
  CHECK(client.sent_bytes() < client.script().expected.size());
  client.vanish();
  world.run();
  CHECK(world.worker().session_count() == 0);
}
