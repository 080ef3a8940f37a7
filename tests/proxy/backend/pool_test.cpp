#include "proxy/backend/pool.hpp"

#include "protocol/postgres/backend_half.hpp"
#include "protocol/postgres/dialect.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "tests/sim/actors.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/sim_loop.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace proxy::backend;
using routing::Side;
using test_support::SimConnector;
using test_support::SimLoop;

class Credentials final : public CredentialsSource {
 public:
  [[nodiscard]] protocol::BackendCredentials credentials_for(const protocol::Login& login, Side) const override {
    return {login.user, ""};
  }
};

protocol::postgres::PostgresDialect make_dialect(protocol::postgres::NonceSource& nonces) {
  using namespace protocol::postgres;
  Admission nobody{std::make_shared<const AccessRules>(), std::make_shared<const UserDirectory>(nonces)};
  return PostgresDialect({}, std::move(nobody), nonces, [](const protocol::Login&) {});
}

/// A worker's pool and what it needs, with servers that let everybody in.
struct Worker {
  Worker(SimLoop& on_loop, ConnectionCounts& counts, LoginChanges& changes, std::vector<std::unique_ptr<sim::Backend>>& backends)
      : loop(on_loop),
        dialect(make_dialect(nonces)),
        connector(
            loop, [this](const proxy::net::Endpoint&, std::size_t) { return behaviour; },
            [&backends](const proxy::net::Endpoint&, std::unique_ptr<test_support::MemoryStream> server) {
              backends.push_back(std::make_unique<sim::Backend>(Side::blue, std::move(server), nullptr));
            }),
        surroundings{loop, dialect, connector, credentials, metrics, {}, scratch},
        pool(std::make_unique<Pool>(surroundings, counts, Pool::Options{.login_retry = 1s})) {
    surroundings.login_changes = &changes;
  }

  SimLoop& loop;
  SimConnector::Behaviour behaviour;
  protocol::postgres::SystemNonceSource nonces;
  protocol::postgres::PostgresDialect dialect;
  SimConnector connector;
  Credentials credentials;
  proxy::telemetry::PairMetrics metrics;
  std::array<std::byte, 4096> scratch{};
  Surroundings surroundings;
  std::unique_ptr<Pool> pool;
};

/// A session as far as the pool sees it.
struct Client final : Pool::Waiter, proxy::net::StreamListener {
  Client(Worker& on_worker, const std::string& user, const ConnectionTerms& terms) : worker(on_worker) {
    protocol::Login login;
    login.user = user;
    login.database = "shop";
    login.parameters = {{"user", user}, {"database", "shop"}};
    group = &worker.pool->enter(login, terms);
  }
  ~Client() override {
    worker.pool->leave_queue(*this);
    connection.reset();
    worker.pool->leave(*group);
  }
  void on_pool_turn() override { has_turn = true; }
  void on_stream_ready() override {
    if (connection != nullptr) connection->advance();
  }
  /// Whether it has one now, logged in.
  bool ask() {
    has_turn = false;
    connection = worker.pool->take(*group, Side::blue, nullptr, *this, *this);
    if (connection == nullptr) return false;
    connection->advance();
    worker.loop.run_ready();
    return connection->phase() == Connection::Phase::ready;
  }
  void give_back() {
    worker.pool->put_back(*group, std::move(connection));
    worker.loop.run_ready();
  }

  Worker& worker;
  Pool::Group* group;
  std::unique_ptr<Connection> connection;
  bool has_turn = false;
};

struct House {
  explicit House(const ConnectionLimits& limits = {}) : counts(limits), first(loop, counts, changes, backends), second(loop, counts, changes, backends) {}
  [[nodiscard]] std::size_t open_count() const {
    std::size_t count = 0;
    for (const auto& backend : backends) count += backend->is_closed() ? 0U : 1U;
    return count;
  }

  LoginChanges changes;
  ConnectionCounts counts;  // what is still posted on the loop belongs to it
  SimLoop loop;
  std::vector<std::unique_ptr<sim::Backend>> backends;
  Worker first;
  Worker second;
};

constexpr ConnectionTerms one_connection{1, 0, 0};

}  // namespace

TEST_CASE("pool: one connection, several sessions → each in the order of asking, always the same connection") {
  House house;
  Client one(house.first, "app", one_connection);
  Client two(house.first, "app", one_connection);
  Client three(house.first, "app", one_connection);
  REQUIRE(one.ask());
  CHECK_FALSE(two.ask());
  CHECK_FALSE(three.ask());
  one.give_back();
  CHECK(two.has_turn);
  CHECK_FALSE(three.has_turn);
  CHECK_FALSE(one.ask());  // others have waited
  REQUIRE(two.ask());
  two.give_back();
  CHECK(three.has_turn);
  REQUIRE(three.ask());
  three.give_back();
  CHECK(one.has_turn);
  CHECK(house.backends.size() == 1);
}

TEST_CASE("pool: a session waits, and nothing happens → no timer runs for it") {
  House house;
  Client one(house.first, "app", one_connection);
  Client two(house.first, "app", one_connection);
  REQUIRE(one.ask());
  CHECK_FALSE(two.ask());
  house.loop.run_ready();
  CHECK(house.loop.armed_timers_count() == 0);
}

TEST_CASE("pool: a cancel request is on its way to what ran → nobody else gets the connection before it has arrived") {
  House house;
  Client one(house.first, "app", one_connection);
  Client two(house.first, "app", one_connection);
  REQUIRE(one.ask());
  const std::shared_ptr<std::uint32_t> cancels = one.connection->cancels_under_way();
  ++*cancels;
  one.give_back();
  CHECK_FALSE(two.ask());
  house.first.pool->on_cancel_end();
  CHECK_FALSE(two.has_turn);
  --*cancels;
  house.first.pool->on_cancel_end();
  CHECK(two.has_turn);
  CHECK(two.ask());
  CHECK(house.backends.size() == 1);
}

TEST_CASE("pool: a connection that is kept back ends meanwhile → forgotten, and the room goes to who waits") {
  House house;
  Client one(house.first, "app", one_connection);
  Client two(house.first, "app", one_connection);
  REQUIRE(one.ask());
  ++*one.connection->cancels_under_way();
  one.give_back();
  CHECK_FALSE(two.ask());
  house.backends[0]->kill(test_support::CutKind::end);
  house.loop.run_ready();
  CHECK(two.has_turn);
  CHECK(two.ask());
}

TEST_CASE("pool: what another worker holds idle → given up for a session that waits here") {
  House house;
  Client there(house.second, "app", one_connection);
  REQUIRE(there.ask());
  there.give_back();
  Client here(house.first, "app", one_connection);
  CHECK_FALSE(here.ask());
  house.loop.run_ready();
  CHECK(here.has_turn);
  CHECK(here.ask());
  CHECK(house.open_count() == 1);
}

TEST_CASE("pool: a connection goes to another worker → shares what its server has proven with connections there, none with where it came from") {
  using protocol::postgres::PostgresBackendHalf;
  const auto proven = [](Client& client) { return static_cast<PostgresBackendHalf&>(client.connection->half()).proven; };
  House house;
  const ConnectionTerms three{3, 0, 0};
  Client stays(house.first, "app", three);
  Client leaves(house.first, "app", three);
  Client there(house.second, "app", three);
  REQUIRE(stays.ask());
  REQUIRE(leaves.ask());
  REQUIRE(there.ask());
  REQUIRE(proven(leaves) == proven(stays));
  leaves.give_back();
  Client here(house.second, "app", three);
  CHECK_FALSE(here.ask());
  house.loop.run_ready();
  REQUIRE(here.ask());
  REQUIRE(house.backends.size() == 3);
  CHECK(proven(here) == proven(there));
  CHECK(proven(here) != proven(stays));
}

TEST_CASE("pool: two workers want the only connection all the time → both are served") {
  House house;
  Client here(house.first, "app", one_connection);
  Client also_here(house.first, "app", one_connection);
  Client there(house.second, "app", one_connection);
  REQUIRE(here.ask());
  CHECK_FALSE(also_here.ask());
  CHECK_FALSE(there.ask());
  Client* holder = &here;
  int turns = 0;
  while (!there.has_turn && turns < 1000) {  // the two here go on and on
    house.loop.advance(1ms);
    Client* next = holder == &here ? &also_here : &here;
    holder->give_back();
    if (there.has_turn) break;
    ++turns;
    REQUIRE(next->ask());
    CHECK_FALSE(holder->ask());
    holder = next;
  }
  CHECK(turns < 50);
  CHECK(there.ask());
  CHECK(house.open_count() == 1);
}

TEST_CASE("pool: a side's connections all in one user's hands, a hundred of its clients waiting → another's only client is next") {
  House house({2, 0});
  const ConnectionTerms terms{0, 0, 0};
  Client one(house.first, "many", terms);
  Client two(house.first, "many", terms);
  REQUIRE(one.ask());
  REQUIRE(two.ask());
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 100; ++i) {
    crowd.push_back(std::make_unique<Client>(house.first, "many", terms));
    CHECK_FALSE(crowd.back()->ask());
  }
  Client other(house.first, "few", terms);
  CHECK_FALSE(other.ask());
  one.give_back();
  CHECK(other.has_turn);
  REQUIRE(other.ask());
  CHECK(house.open_count() == 2);
  two.give_back();
  CHECK(crowd[0]->has_turn);
  // What the other user leaves idle is the crowd's again.
  other.give_back();
  CHECK(crowd[1]->has_turn);
}

TEST_CASE("pool: an idle connection of another user takes the only place → closed for who asks") {
  House house({1, 0});
  Client one(house.first, "one", {});
  REQUIRE(one.ask());
  one.give_back();
  Client two(house.first, "two", {});
  CHECK(two.ask());
  house.loop.run_ready();
  CHECK(house.open_count() == 1);
}

TEST_CASE("pool: as many wait as may → the next is turned away at once, and not when one has left") {
  House house({0, 1});
  Client one(house.first, "app", one_connection);
  REQUIRE(one.ask());
  Client two(house.first, "app", one_connection);
  CHECK_FALSE(two.ask());
  CHECK_FALSE(two.is_turned_away());
  Client three(house.second, "app", one_connection);
  CHECK_FALSE(three.ask());
  CHECK(three.is_turned_away());
  house.first.pool->leave_queue(two);
  CHECK_FALSE(three.ask());
  CHECK_FALSE(three.is_turned_away());
}

TEST_CASE("pool: an idle connection is closed after its time, not before") {
  House house;
  Client one(house.first, "app", one_connection);
  REQUIRE(one.ask());
  one.give_back();
  house.loop.advance(599s);
  CHECK(house.open_count() == 1);
  house.loop.advance(10s);
  CHECK(house.open_count() == 0);
}

TEST_CASE("pool: a side that refuses → the failure is told to others without asking it again, until the time is over") {
  House house;
  house.first.behaviour.answer = test_support::ConnectAnswer::refuse;
  Client one(house.first, "app", {});
  Client two(house.first, "app", {});
  CHECK_FALSE(one.ask());
  CHECK(one.connection->phase() == Connection::Phase::failed);
  CHECK_FALSE(two.ask());
  CHECK(two.connection->phase() == Connection::Phase::failed);
  CHECK(two.connection->error().code == protocol::ErrorCode::backend_unreachable);
  CHECK(house.first.connector.attempts_count() == 1);
  house.loop.advance(999ms);
  CHECK_FALSE(two.ask());
  CHECK(house.first.connector.attempts_count() == 1);
  house.first.behaviour.answer = test_support::ConnectAnswer::accept;
  house.loop.advance(2ms);
  CHECK(two.ask());
  CHECK(one.ask());
}

TEST_CASE("pool: warmed → as many connections on the other side as sessions have on this one, idle and used by who comes") {
  House house;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(house.first, "app", ConnectionTerms{}));
    REQUIRE(clients.back()->ask());
  }
  clients[0]->give_back();  // idle ones count too
  house.first.pool->warm(Side::green);
  CHECK(house.first.pool->warming_count() == 3);
  house.loop.run_ready();
  CHECK(house.first.pool->warming_count() == 0);
  CHECK(house.open_count() == 6);
  house.first.pool->warm(Side::green);  // they are there already
  CHECK(house.first.pool->warming_count() == 0);
  const auto lent = house.first.pool->take(*clients[0]->group, Side::green, nullptr, *clients[0], *clients[0]);
  REQUIRE(lent != nullptr);
  CHECK(lent->phase() == Connection::Phase::ready);
  CHECK(house.open_count() == 6);
}

TEST_CASE("pool: warmed beyond a limit → no further; given up → nothing is left of those that hang") {
  House house({4, 0});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(house.first, "app", ConnectionTerms{2, 0, 0}));
    CHECK(clients.back()->ask() == (i < 2));
  }
  house.first.behaviour.delay = std::chrono::hours(1);
  house.first.pool->warm(Side::green);
  house.loop.run_ready();
  CHECK(house.first.pool->warming_count() == 2);
  house.first.pool->give_up_warming();
  CHECK(house.first.pool->warming_count() == 0);
}

TEST_CASE("pool: a minimum → opened one after the other while a session is there, on both sides, over all workers; kept when idle") {
  House house;
  constexpr ConnectionTerms at_least_two{3, 0, 0, 2};
  {
    Client one(house.first, "app", at_least_two);
    Client two(house.second, "app", at_least_two);
    CHECK(house.open_count() == 0);
    bool is_held = true;
    house.first.surroundings.is_held = [&](std::string_view) { return is_held; };
    house.second.surroundings.is_held = house.first.surroundings.is_held;
    house.loop.advance(6s);
    CHECK(house.open_count() == 0);
    is_held = false;
    house.loop.advance(6s);
    CHECK(house.open_count() == 4);
    REQUIRE(one.ask());
    CHECK(house.open_count() == 4);
    one.give_back();
    Client busy(house.first, "app", at_least_two);
    for (Client* each : {&one, &busy}) REQUIRE(each->ask());
    for (Client* each : {&one, &busy}) each->give_back();
    CHECK(house.open_count() == 5);
    house.first.surroundings.is_held = {};
    house.second.surroundings.is_held = {};
  }
  house.loop.advance(20min);
  CHECK(house.open_count() == 4);  // idle for longer than idle_timeout, but no more than the minimum
}

TEST_CASE("pool: what logins are given has changed → of whom it concerns nothing is lent again, on no worker; others keep theirs") {
  House house;
  constexpr ConnectionTerms three{3, 0, 0};
  Client here(house.first, "app", three);
  Client there(house.second, "app", three);
  Client on_loan(house.second, "app", three);
  Client other(house.second, "other", three);
  for (Client* each : {&here, &there, &on_loan, &other}) REQUIRE(each->ask());
  for (Client* each : {&here, &there, &other}) each->give_back();
  house.first.pool->note_login_changes({{"app", "elsewhere"}, {"nobody", ""}});
  house.loop.run_ready();
  CHECK(house.open_count() == 4);
  house.first.pool->note_login_changes({{"app", "shop"}});
  house.loop.run_ready();
  CHECK(house.open_count() == 3);  // the other worker has not looked yet
  REQUIRE(there.ask());
  CHECK(there.connection->login_epoch() == house.changes.epoch());
  on_loan.give_back();
  house.loop.run_ready();
  CHECK(house.open_count() == 2);
  REQUIRE(other.ask());
  CHECK(other.connection->login_epoch() == 0);
  there.give_back();
  REQUIRE(there.ask());
  CHECK(house.open_count() == 2);
}

TEST_CASE("login changes: more than are remembered → everybody's") {
  LoginChanges changes;
  changes.note({{"a", ""}});
  const auto heard_since = [&](std::uint64_t epoch) {
    std::vector<std::string> roles;
    const std::uint64_t now = changes.heed_since(epoch, [&](const protocol::LoginChange& each, std::uint64_t) { roles.push_back(each.role); });
    CHECK(now == changes.epoch());
    return roles;
  };
  CHECK(heard_since(0) == std::vector<std::string>{"a"});
  CHECK(heard_since(1).empty());
  for (std::size_t i = 0; i < LoginChanges::remembered_max; ++i) changes.note({{"b", ""}});
  CHECK(heard_since(0) == std::vector<std::string>{""});
  CHECK(heard_since(1).size() == LoginChanges::remembered_max);
}
