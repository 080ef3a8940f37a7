#include "tests/model/message.hpp"
#include "tests/sim/world.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using proxy::session::SessionTerms;
using proxy::session::TimeWatch;
using routing::Side;
using sim::Burst;
using sim::Client;
using sim::Script;
using sim::Weather;
using sim::World;

/// One statement after the other, each when the one before is answered (a byte count would have to know the replies:
/// what is sent at once is enough here).
Script script_of(const std::vector<std::string>& statements) {
  Script script;
  script.name = "cx";
  for (const std::string& statement : statements) script.bursts.push_back(Burst{model::query(statement).frame, 0, 0});
  return script;
}

Weather calm_with(const SessionTerms& terms, std::uint32_t pool_size) {
  Weather weather{false, 0, pool_size};
  weather.terms = terms;
  return weather;
}

/// What the last message says, as "FATAL 57014"; empty if that is no error.
std::string last_word(const Client& client) {
  std::string rest = client.heard();
  std::vector<model::ServerMessage> messages;
  model::take_messages(rest, messages);
  if (messages.empty() || messages.back().tag != 'E') return "";
  const std::string& fields = messages.back().payload;
  const std::size_t severity = fields.find('S') + 1;
  const std::size_t code = fields.find(std::string("\0C", 2)) + 2;
  return std::string(fields.c_str() + severity) + " " + std::string(fields.c_str() + code);
}

constexpr std::uint32_t pool_sizes[] = {0, 1};

}  // namespace

TEST_CASE("limits: a client that is silent too long → 57P05, not a moment sooner than the limit, in both pool modes") {
  for (const std::uint32_t pool_size : pool_sizes) {
    SessionTerms terms;
    terms.times.client_idle = 10s;
    World world(1, calm_with(terms, pool_size));
    Client& client = world.add_client(script_of({"SELECT 'r1'"}));
    world.loop().advance(9s);
    CHECK(last_word(client).empty());
    CHECK(world.worker().session_count() == 1);
    world.loop().advance(2s);
    CHECK(last_word(client) == "FATAL 57P05");
    CHECK(world.worker().session_count() == 0);
  }
}

TEST_CASE("limits: a client silent inside a transaction → 25P03, and its connection ends with the transaction") {
  for (const std::uint32_t pool_size : pool_sizes) {
    SessionTerms terms;
    terms.times.idle_in_transaction = 10s;
    World world(1, calm_with(terms, pool_size));
    Client& client = world.add_client(script_of({"BEGIN", "INSERT INTO t VALUES ('w1')"}));
    world.loop().advance(9s);
    CHECK(last_word(client).empty());
    CHECK_FALSE(world.backends().front()->is_closed());
    world.loop().advance(2s);
    CHECK(last_word(client) == "FATAL 25P03");
    CHECK(world.backends().front()->is_closed());
  }
}

TEST_CASE("limits: a client silent outside a transaction → the limit of silence inside one does not concern it") {
  SessionTerms terms;
  terms.times.idle_in_transaction = 10s;
  World world(1, calm_with(terms, 1));
  Client& client = world.add_client(script_of({"BEGIN", "COMMIT"}));
  world.loop().advance(60s);
  CHECK(last_word(client).empty());
  CHECK(world.worker().session_count() == 1);
  client.vanish();
  world.run();
}

TEST_CASE("limits: a transaction open too long → 25P04, and its connection ends") {
  SessionTerms terms;
  terms.times.transaction = 10s;
  World world(1, calm_with(terms, 1));
  Client& client = world.add_client(script_of({"BEGIN"}));
  world.loop().advance(9s);
  CHECK(last_word(client).empty());
  world.loop().advance(2s);
  CHECK(last_word(client) == "FATAL 25P04");
  CHECK(world.backends().front()->is_closed());
}

TEST_CASE("limits: a backend that does not answer, and no cancel request either → the link is cut, 57014") {
  SessionTerms terms;
  terms.times.query = 10s;
  World world(1, calm_with(terms, 1));
  Client& client = world.add_client(script_of({"SELECT 'r1'", "SELECT 'r2'"}));
  client.release_from(1);
  world.loop().advance(1s);
  world.stall(Side::blue);
  client.release_from(2);
  world.loop().advance(10s + TimeWatch::cut_after - 1s);
  CHECK(last_word(client).empty());
  CHECK(world.worker().session_count() == 1);
  world.loop().advance(2s);
  CHECK(last_word(client) == "FATAL 57014");
  CHECK(world.worker().session_count() == 0);
}

TEST_CASE("limits: none → no timer is armed for a session that idles") {
  World world(1, calm_with(SessionTerms{}, 0));
  Client& client = world.add_client(script_of({"SELECT 'r1'"}));
  world.loop().advance(1s);
  CHECK(world.loop().armed_timers_count() == 0);
  client.vanish();
  world.run();
}
