#include "routing/sample.hpp"

#include "routing/network.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace {

using routing::Position;

constexpr std::uint32_t key_count = 10'000;
const std::vector<std::uint32_t> weights{0, 1, 100, 1'000, 3'333, 5'000, 9'999, 10'000};

/// The share of green over 10,000 keys, in hundredths of a percent like the weight.
std::uint32_t share(std::uint32_t weight, const std::function<Position(std::uint32_t)>& position) {
  std::uint32_t green = 0;
  for (std::uint32_t i = 0; i < key_count; ++i) {
    if (routing::side_at(position(i), routing::Weights{weight}) == routing::Side::green) ++green;
  }
  return green;
}

std::uint32_t deviation(std::uint32_t share, std::uint32_t weight) {
  return share > weight ? share - weight : weight - share;
}

}  // namespace

TEST_CASE("weights: 10,000 consecutive sessions from anywhere → share within 0.1 points") {
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{123'456'789},
                                    std::uint64_t{1} << 40, ~std::uint64_t{0} - 5'000}) {
    for (const std::uint32_t weight : weights) {
      CAPTURE(first);
      CAPTURE(weight);
      const auto position = [&](std::uint32_t i) { return routing::position_of_session(first + i); };
      CHECK(deviation(share(weight, position), weight) <= 10);
    }
  }
}

TEST_CASE("weights: 100 consecutive sessions → share within 2 sessions") {
  for (const std::uint32_t weight : {1'000U, 5'000U, 9'000U}) {
    for (std::uint64_t first = 0; first < 1'000; first += 37) {
      std::uint32_t green = 0;
      for (std::uint64_t i = 0; i < 100; ++i)
        green += routing::position_of_session(first + i) < weight ? 1U : 0U;
      CHECK(deviation(green, weight / 100) <= 2);
    }
  }
}

TEST_CASE(
    "weights: batches of one session, of many sessions in turn, and every other batch → share within 0.5 "
    "points") {
  const std::vector<std::pair<std::string, std::function<Position(std::uint32_t)>>> traffics{
      {"one session", [](std::uint32_t i) { return routing::position_of_batch(7, i); }},
      {"every other batch", [](std::uint32_t i) { return routing::position_of_batch(7, 2ULL * i + 1); }},
      {"first batch of each session", [](std::uint32_t i) { return routing::position_of_batch(i, 0); }},
      {"64 sessions in step", [](std::uint32_t i) { return routing::position_of_batch(i % 64, i / 64); }},
      {"100 sessions of 100 batches",
       [](std::uint32_t i) { return routing::position_of_batch(i / 100, i % 100); }},
  };
  for (const auto& [name, position] : traffics) {
    for (const std::uint32_t weight : weights) {
      CAPTURE(name);
      CAPTURE(weight);
      CHECK(deviation(share(weight, position), weight) <= 50);
    }
  }
}

TEST_CASE("weights: 10,000 hashed keys of usual forms → share within 1 point") {
  const std::vector<std::pair<std::string, std::function<Position(std::uint32_t)>>> traffics{
      {"user", [](std::uint32_t i) { return routing::position_of_key("user" + std::to_string(i)); }},
      {"tenant",
       [](std::uint32_t i) { return routing::position_of_key("tenant-" + std::to_string(100'000 + i)); }},
      {"bare number", [](std::uint32_t i) { return routing::position_of_key(std::to_string(i)); }},
      {"long key",
       [](std::uint32_t i) { return routing::position_of_key(std::string(200, 'x') + std::to_string(i)); }},
      {"IPv4 block",
       [](std::uint32_t i) {
         auto address = *routing::parse_address("10.20.0.0");
         address[14] = static_cast<std::uint8_t>(i >> 8);
         address[15] = static_cast<std::uint8_t>(i);
         return routing::position_of_address(address);
       }},
      {"IPv6 networks",
       [](std::uint32_t i) {
         auto address = *routing::parse_address("2001:db8::1");
         address[6] = static_cast<std::uint8_t>(i >> 8);
         address[7] = static_cast<std::uint8_t>(i);
         return routing::position_of_address(address);
       }},
  };
  for (const auto& [name, position] : traffics) {
    for (const std::uint32_t weight : weights) {
      CAPTURE(name);
      CAPTURE(weight);
      CHECK(deviation(share(weight, position), weight) <= 100);
    }
  }
}

TEST_CASE("weights: 0 % → nobody on green, 100 % → everybody, 0.01 % → somebody") {
  const auto session = [](std::uint32_t i) { return routing::position_of_session(i); };
  CHECK(share(0, session) == 0);
  CHECK(share(10'000, session) == key_count);
  CHECK(share(1, session) == 1);
  for (std::uint32_t i = 0; i < key_count; ++i) CHECK_UNARY(session(i) < routing::weight_total);
}

TEST_CASE("weights: green raised step by step → keys move to green and none moves back") {
  for (std::uint32_t i = 0; i < key_count; ++i) {
    const Position position = routing::position_of_key("user" + std::to_string(i));
    bool was_green = false;
    for (const std::uint32_t weight : weights) {
      const bool is_green = routing::side_at(position, routing::Weights{weight}) == routing::Side::green;
      REQUIRE_UNARY(is_green || !was_green);
      was_green = is_green;
    }
  }
}

TEST_CASE("positions: fixed keys → fixed values, in every version and on every machine") {
  CHECK(routing::position_of_session(0) == 0);
  CHECK(routing::position_of_session(1) == 6180);
  CHECK(routing::position_of_session(2) == 2360);
  CHECK(routing::position_of_session(1'000'000) == 9887);
  CHECK(routing::position_of_batch(1, 0) == 4142);
  CHECK(routing::position_of_batch(3, 5) == 3328);
  CHECK(routing::position_of_key("") == 9576);
  CHECK(routing::position_of_key("app") == 2130);
  CHECK(routing::position_of_key("reporting") == 1310);
  CHECK(routing::position_of_key("tenant-4711") == 5390);
  CHECK(routing::position_of_key("Grüße") == 4405);
  CHECK(routing::position_of_address(*routing::parse_address("10.1.2.3")) == 1710);
  CHECK(routing::position_of_address(*routing::parse_address("2001:db8::7")) == 1338);
}
