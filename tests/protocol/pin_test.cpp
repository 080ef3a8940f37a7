#include "protocol/pin.hpp"

#include <doctest/doctest.h>

#include <vector>

using protocol::Pin;
using protocol::PinReason;
using protocol::Pins;

namespace {

std::vector<Pin> list_of(const Pins& pins) { return {pins.begin(), pins.end()}; }

}  // namespace

TEST_CASE("pins: several reasons → one pin each, in the order of the reasons, with the first cause") {
  Pins pins;
  pins.add(PinReason::listen, 3);
  pins.add(PinReason::temporary_object, 1);
  pins.add(PinReason::listen, 4);
  CHECK(list_of(pins) == std::vector<Pin>{{PinReason::temporary_object, 1}, {PinReason::listen, 3}});
  CHECK(pins.has(PinReason::listen));
  CHECK_FALSE(pins.has(PinReason::hold_cursor));
}

TEST_CASE("pins: one comes or goes → another version; nothing changes → the same") {
  Pins pins;
  const auto empty = pins.version();
  pins.add(PinReason::listen, 3);
  const auto one = pins.version();
  CHECK(one != empty);
  pins.add(PinReason::listen, 5);
  pins.remove(PinReason::hold_cursor);
  CHECK(pins.version() == one);
  pins.remove(PinReason::listen);
  CHECK(pins.version() != one);
  CHECK(pins.empty());
}

TEST_CASE("pins: everything is discarded → a loaded library, a stream of replication and a refused login stay") {
  Pins pins;
  for (const PinReason reason : {PinReason::temporary_object, PinReason::advisory_lock, PinReason::listen,
                                 PinReason::hold_cursor, PinReason::replication, PinReason::loaded_library,
                                 PinReason::untracked_state, PinReason::restore_failed, PinReason::login_refused}) {
    pins.add(reason, 0);
    CHECK_FALSE(protocol::clearing_of(reason).empty());
  }
  pins.discard();
  CHECK(list_of(pins) == std::vector<Pin>{{PinReason::replication, 0}, {PinReason::loaded_library, 0}, {PinReason::login_refused, 0}});
}
