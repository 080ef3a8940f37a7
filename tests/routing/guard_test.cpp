#include "routing/guard.hpp"

#include <doctest/doctest.h>

using routing::Guard;
using routing::GuardTerms;
using routing::Pulse;
using std::chrono::milliseconds;

TEST_CASE("guard: nothing is to be looked at → nothing is said, whatever happens") {
  Guard guard({}, {});
  CHECK_FALSE(guard.look({1'000, 1'000, 1'000, 1'000}));
}

TEST_CASE("guard: the share of errors → said beyond its limit, of what came since the last look alone") {
  Guard guard({5, milliseconds(0)}, {10'000, 9'000, 10'000, 0});
  CHECK_FALSE(guard.look({10'200, 9'010, 10'200, 0}));
  CHECK(guard.look({10'400, 9'021, 10'400, 0}) == "11 of 200 requests failed");
  CHECK_FALSE(guard.look({10'600, 9'021, 10'600, 0}));
}

TEST_CASE("guard: one request in a hundred may be slow, not two") {
  Guard guard({0, milliseconds(250)}, {});
  CHECK_FALSE(guard.look({200, 0, 200, 2}));
  CHECK(guard.look({400, 0, 400, 5}) == "3 of 200 requests took more than 250 ms");
}

TEST_CASE("guard: too few requests → they are kept for the next look") {
  Guard guard({5, milliseconds(0)}, {});
  CHECK_FALSE(guard.look({60, 60, 60, 0}));
  CHECK(guard.look({120, 60, 120, 0}) == "60 of 120 requests failed");
}
