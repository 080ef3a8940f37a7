#include "proxy/backend/prober.hpp"

#include "protocol/postgres/dialect.hpp"
#include "tests/support/fixed_nonce.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/sim_loop.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using proxy::backend::Health;
using proxy::backend::HealthSign;
using proxy::backend::HealthState;
using proxy::backend::Prober;
using proxy::net::Endpoint;
using routing::Side;
using test_support::ConnectAnswer;
using test_support::MemoryStream;

/// A server that answers whatever it is sent first with fixed bytes.
class Responder final : public proxy::net::StreamListener {
 public:
  Responder(std::unique_ptr<MemoryStream> stream, const std::string& answer) : stream_(std::move(stream)), answer_(answer) {
    stream_->set_listener(this);
  }
  void on_stream_ready() override {
    const std::string words = stream_->read_all_text();
    if (heard_.empty() && !words.empty()) (void)stream_->try_write(protocol::as_bytes(answer_));
    heard_ += words;
  }
  [[nodiscard]] const std::string& heard() const { return heard_; }

 private:
  std::unique_ptr<MemoryStream> stream_;
  const std::string& answer_;  ///< empty: it says nothing
  std::string heard_;
};

const std::string let_in("R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\0" "15.4\0S\0\0\0\x16in_hot_standby\0on\0Z\0\0\0\5I", 63);

struct Fixture : proxy::backend::CredentialsSource {
  Fixture() : prober(std::make_unique<Prober>(surroundings, health, Prober::Options{2s, 500ms}, 7)) {}
  [[nodiscard]] protocol::BackendCredentials credentials_for(const protocol::Login& login, Side) const override {
    return {login.user, ""};
  }
  [[nodiscard]] std::size_t attempts_at(Side side) const { return static_cast<std::size_t>(std::count(attempts.begin(), attempts.end(), side)); }
  void log_in_as(const std::string& user) {
    auto login = std::make_shared<protocol::Login>();
    login->user = user;
    login->parameters = {{"user", user}};
    prober->set_login(login);
  }

  test_support::SimLoop loop;
  tests::support::CountingNonceSource nonces;
  protocol::postgres::PostgresDialect dialect{{}, {}, nonces, {}};
  std::vector<Side> attempts;
  routing::PerSide<ConnectAnswer> answers{};
  routing::PerSide<std::string> words{{"N", "N"}};
  std::vector<std::unique_ptr<Responder>> servers;
  test_support::SimConnector connector{
      loop,
      [this](const Endpoint& endpoint, std::size_t) {
        const Side side = endpoint.host == "blue" ? Side::blue : Side::green;
        attempts.push_back(side);
        return test_support::SimConnector::Behaviour{answers[side], 1ms, {}, {}};
      },
      [this](const Endpoint& endpoint, std::unique_ptr<MemoryStream> server) {
        servers.push_back(std::make_unique<Responder>(std::move(server), words[endpoint.host == "blue" ? Side::blue : Side::green]));
      }};
  proxy::telemetry::PairMetrics metrics;
  std::array<std::byte, 4096> scratch{};
  proxy::backend::Surroundings surroundings{loop, dialect, connector, *this, metrics, {{Endpoint{"blue", 1}, Endpoint{"green", 2}}},
                                            scratch, 500ms};
  Health health{"shop", {2, 3}, nullptr, loop.now()};
  std::unique_ptr<Prober> prober;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "prober: nobody to log in as → each side is pinged, about every interval and never both at once") {
  loop.advance(60s);
  for (const Side side : routing::both_sides) {
    CHECK(attempts_at(side) >= 28);
    CHECK(attempts_at(side) <= 32);
    CHECK(health.state(side) == HealthState::up);
  }
  CHECK(servers.front()->heard() == std::string("\0\0\0\x08\x04\xd2\x16\x30", 8));
  CHECK(health.report(Side::blue).probes == attempts_at(Side::blue));
}

TEST_CASE_FIXTURE(Fixture, "prober: a side that refuses → down at once, looked at four times as often, up after two good ones") {
  answers[Side::green] = ConnectAnswer::refuse;
  loop.advance(2s);
  CHECK(health.state(Side::green) == HealthState::down);
  CHECK(health.report(Side::green).reason == HealthSign::refused);
  const std::size_t before = attempts_at(Side::green);
  loop.advance(10s);
  CHECK(attempts_at(Side::green) - before >= 18);
  answers[Side::green] = ConnectAnswer::accept;
  const auto mended = loop.now();
  while (health.state(Side::green) != HealthState::up) loop.advance(10ms);
  CHECK(loop.now() - mended < 1200ms);
  CHECK(health.state(Side::blue) == HealthState::up);
}

TEST_CASE_FIXTURE(Fixture, "prober: a server that stands still → suspect, then down by three timeouts") {
  words[Side::green].clear();
  loop.advance(2s);
  CHECK(health.state(Side::green) == HealthState::suspect);
  loop.advance(3s);
  CHECK(health.state(Side::green) == HealthState::down);
  CHECK(health.report(Side::green).reason == HealthSign::timeout);
}

TEST_CASE_FIXTURE(Fixture, "prober: a login is known → it logs in, says goodbye, and keeps what the server says of itself") {
  words[Side::green] = let_in;
  log_in_as("looker");
  loop.advance(3s);
  CHECK(health.state(Side::green) == HealthState::up);
  CHECK(health.report(Side::green).traits == protocol::ServerTraits{"15.4", true, false});
  CHECK(metrics.sides[Side::green].connections_open == 0);
  const auto is_goodbye = [](const std::unique_ptr<Responder>& each) {
    return each->heard().find("looker") != std::string::npos && each->heard().ends_with(std::string("X\0\0\0\4", 5));
  };
  CHECK(std::any_of(servers.begin(), servers.end(), is_goodbye));  // blue, which answers nonsense, hears none
}

TEST_CASE_FIXTURE(Fixture, "prober: a server that takes nobody now → down; one that refuses the prober's user alone → up, and pinged from then on") {
  log_in_as("looker");
  words[Side::blue] = std::string("E\0\0\0\x1aSFATAL\0VFATAL\0C57P03\0\0", 27);
  words[Side::green] = std::string("E\0\0\0\x1aSFATAL\0VFATAL\0C28000\0\0", 27);
  loop.advance(2s);
  CHECK(health.report(Side::blue).reason == HealthSign::not_ready);
  CHECK(health.state(Side::blue) == HealthState::down);
  CHECK(health.state(Side::green) == HealthState::up);
  words[Side::green] = "N";
  servers.clear();
  loop.advance(4s);
  CHECK(health.state(Side::green) == HealthState::up);
}

TEST_CASE_FIXTURE(Fixture, "prober: asked because of traffic → probes at once, and once more for who asks meanwhile") {
  loop.advance(3s);
  const std::size_t before = attempts_at(Side::green);
  for (int i = 0; i < 100; ++i) prober->ask(Side::green);
  loop.run_ready();
  CHECK(attempts_at(Side::green) == before + 1);
  loop.advance(50ms);
  CHECK(attempts_at(Side::green) == before + 2);
}

TEST_CASE_FIXTURE(Fixture, "prober: destroyed with probes under way and asked for → nothing is left on the loop") {
  loop.advance(300ms);
  prober->ask(Side::blue);
  loop.step();
  prober->ask(Side::green);
  prober.reset();
  loop.advance(10s);
  CHECK(loop.armed_timers_count() == 0);
}
