#include "proxy/session/held_bytes.hpp"

#include <doctest/doctest.h>

using proxy::session::HeldBytes;
using Outcome = HeldBytes::Share::Outcome;

TEST_CASE("held bytes: several sessions → their sum is bounded, only who grows is told, and what a session had is given back") {
  HeldBytes whole(100);
  HeldBytes::Share first(&whole);
  CHECK(first.set(60) == Outcome::fits);
  {
    HeldBytes::Share second(&whole);
    CHECK(second.set(40) == Outcome::fits);
    CHECK(second.set(41) == Outcome::too_much);
    CHECK(second.set(41) == Outcome::fits);  // told once
    CHECK(first.set(59) == Outcome::fits);   // shrinks
    CHECK(whole.bytes() == 100);
  }
  CHECK(whole.bytes() == 59);
  whole.set_max(50);
  CHECK(first.set(58) == Outcome::fits);
  CHECK(first.set(59) == Outcome::too_much);
}

TEST_CASE("held bytes: nobody counts → everything fits") {
  HeldBytes::Share share(nullptr);
  CHECK(share.set(SIZE_MAX) == Outcome::fits);
}
