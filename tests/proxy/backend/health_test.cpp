#include "proxy/backend/health.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace {

using namespace std::chrono_literals;
using protocol::Blame;
using protocol::ErrorCode;
using proxy::backend::Health;
using proxy::backend::HealthSign;
using proxy::backend::HealthState;
using proxy::runtime::Instant;
using routing::Side;

const Instant begin{1h};

struct Fixture {
  Fixture() {
    health.listen({[this](Side side) { doubts.push_back(side); }, [this](Side side) { downs.push_back(side); }});
  }
  void probe(std::optional<HealthSign> sign) { health.note_probe(Side::green, sign, begin); }
  void sign(HealthSign sign) { health.note_sign(Side::green, sign, begin); }
  [[nodiscard]] HealthState state() const { return health.state(Side::green); }

  Health health{"shop", {2, 3}, nullptr, begin};
  std::vector<Side> doubts;
  std::vector<Side> downs;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "health: nothing is known → up") {
  CHECK(state() == HealthState::up);
  CHECK_FALSE(health.is_down(Side::green));
  CHECK(health.report(Side::green).since == begin);
}

TEST_CASE_FIXTURE(Fixture, "health: probes time out → suspect, and down with the third in a row") {
  probe(HealthSign::timeout);
  CHECK(state() == HealthState::suspect);
  probe(HealthSign::timeout);
  CHECK(state() == HealthState::suspect);
  CHECK(downs.empty());
  probe(HealthSign::timeout);
  CHECK(state() == HealthState::down);
  CHECK(downs == std::vector<Side>{Side::green});
  CHECK(health.report(Side::green).reason == HealthSign::timeout);
  CHECK(health.report(Side::green).failed_probes == 3);
  CHECK(health.state(Side::blue) == HealthState::up);
}

TEST_CASE_FIXTURE(Fixture, "health: a good probe between bad ones → the count begins anew") {
  for (int i = 0; i < 5; ++i) {
    probe(HealthSign::timeout);
    probe(HealthSign::lost);
    probe(std::nullopt);
    CHECK(state() == HealthState::up);
    CHECK_FALSE(health.report(Side::green).reason);
  }
}

TEST_CASE_FIXTURE(Fixture, "health: a refused connection, or a server that takes nobody → down at once, from a probe or from traffic") {
  for (const HealthSign hard : {HealthSign::refused, HealthSign::not_ready}) {
    Fixture by_probe;
    by_probe.probe(hard);
    CHECK(by_probe.state() == HealthState::down);
    Fixture by_traffic;
    by_traffic.sign(hard);
    CHECK(by_traffic.state() == HealthState::down);
    CHECK(by_traffic.downs.size() == 1);
    CHECK(by_traffic.doubts.size() == 1);
  }
}

TEST_CASE_FIXTURE(Fixture, "health: connections break → suspect and one probe asked for, never down by itself") {
  for (int i = 0; i < 1000; ++i) sign(HealthSign::lost);
  CHECK(state() == HealthState::suspect);
  CHECK(doubts == std::vector<Side>{Side::green});
  CHECK(downs.empty());
  probe(std::nullopt);
  CHECK(state() == HealthState::up);
}

TEST_CASE_FIXTURE(Fixture, "health: down → up again with the second good probe in a row, and not before") {
  sign(HealthSign::refused);
  probe(std::nullopt);
  CHECK(state() == HealthState::down);
  probe(HealthSign::timeout);
  probe(std::nullopt);
  CHECK(state() == HealthState::down);
  sign(HealthSign::not_ready);  // traffic knows better
  CHECK(health.report(Side::green).reason == HealthSign::not_ready);
  probe(std::nullopt);
  CHECK(state() == HealthState::down);
  health.note_probe(Side::green, std::nullopt, begin + 5s);
  CHECK(state() == HealthState::up);
  CHECK(health.report(Side::green).since == begin + 5s);
  CHECK(health.report(Side::green).transitions == 2);
}

TEST_CASE_FIXTURE(Fixture, "health: a probe has logged in → what the server says of itself is kept") {
  const protocol::ServerTraits traits{"15.4", true, true};
  health.note_probe(Side::green, std::nullopt, begin, &traits);
  probe(HealthSign::timeout);
  CHECK(health.report(Side::green).traits == traits);
}

TEST_CASE("health: errors that concern one user, or us → no sign of a side's health") {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(ErrorCode::internal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    const bool is_sides = code == ErrorCode::backend_unreachable || code == ErrorCode::backend_not_ready ||
                          code == ErrorCode::backend_timeout || code == ErrorCode::backend_lost ||
                          code == ErrorCode::backend_misbehaved || code == ErrorCode::encryption_failed;
    CAPTURE(protocol::name_of(code));
    CHECK(proxy::backend::sign_of({code, Blame::backend, {}}).has_value() == is_sides);
  }
}
