#include "proxy/mirror/apply_pace.hpp"

#include <doctest/doctest.h>

using proxy::mirror::ApplyPace;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const ApplyPace::Clock::time_point start{seconds(1'000)};

}  // namespace

TEST_CASE("apply pace: nothing was seen, or nothing had to be applied → nothing is known") {
  ApplyPace pace;
  CHECK_FALSE(pace.units_per_second());
  CHECK(pace.worst_age() == milliseconds(0));
  pace.look(start, 10, 0, milliseconds(0));
  pace.look(start + seconds(1), 500, 3, milliseconds(1));
  pace.look(start + seconds(2), 900, 0, milliseconds(0));
  CHECK_FALSE(pace.units_per_second());
}

TEST_CASE("apply pace: something was left at both looks → the units between them, by the time; what is newer counts more") {
  ApplyPace pace;
  pace.look(start, 0, 1'000, milliseconds(1));
  pace.look(start + milliseconds(50), 999, 1'000, milliseconds(1));
  pace.look(start + seconds(1), 200, 800, milliseconds(1));
  REQUIRE(pace.units_per_second());
  CHECK(*pace.units_per_second() == doctest::Approx(200));
  pace.look(start + seconds(2), 600, 400, milliseconds(1));
  CHECK(*pace.units_per_second() == doctest::Approx(300).epsilon(0.02));
  CHECK(*pace.units_per_second() > 300);
}

TEST_CASE("apply pace: it stands still → slower with every look") {
  ApplyPace pace;
  pace.look(start, 0, 10, milliseconds(1));
  pace.look(start + seconds(1), 100, 10, milliseconds(1));
  pace.look(start + seconds(2), 100, 10, milliseconds(1'000));
  CHECK(*pace.units_per_second() < 60);
}

TEST_CASE("apply pace: the worst age → of the last minute") {
  ApplyPace pace;
  pace.look(start, 0, 1, milliseconds(900));
  pace.look(start + seconds(1), 0, 1, milliseconds(2'000));
  pace.look(start + seconds(30), 0, 1, milliseconds(300));
  CHECK(pace.worst_age() == milliseconds(2'000));
  pace.look(start + seconds(62), 0, 1, milliseconds(100));
  CHECK(pace.worst_age() == milliseconds(300));
}
