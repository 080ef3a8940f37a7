#include "proxy/backend/award.hpp"
#include "proxy/backend/connection_counts.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using proxy::backend::Award;
using proxy::backend::ConnectionCounts;
using proxy::backend::ConnectionLimits;
using proxy::backend::ConnectionTerms;
using proxy::backend::Need;
using proxy::backend::NeedPointer;
using proxy::backend::PoolIdentity;
using proxy::backend::PoolPointer;
using routing::Side;
using Instant = proxy::runtime::Instant;
using Reservation = ConnectionCounts::Reservation;

constexpr Instant begin{1h};

/// Counts with two workers, whose ears write down what they hear.
struct House {
  explicit House(const ConnectionLimits& limits = {}) : counts(limits) {
    for (std::size_t worker = 0; worker < 2; ++worker) {
      counts.add_worker({[this](std::shared_ptr<Award> award) {
                           if (!is_over) awards.push_back(std::move(award));
                         },
                         [this, worker](const NeedPointer&) { asked.push_back(worker); }});
    }
  }

  ~House() { is_over = true; }
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  static PoolPointer pool(const std::string& user, const ConnectionTerms& terms = {0, 0, 0}, const std::string& database = "shop") {
    return std::make_shared<const PoolIdentity>(PoolIdentity{user + "/" + database, user, database, terms});
  }
  Reservation take(const PoolPointer& whose, std::size_t worker = 0) { return counts.reserve(whose, Side::blue, worker); }
  NeedPointer wait(const PoolPointer& whose, std::uint32_t count, std::size_t worker = 0, Instant since = begin) {
    auto need = std::make_shared<Need>(worker, whose, Side::blue, since);
    need->waiting_count = count;
    counts.enrol(need);
    return need;
  }

  bool is_over = false;
  std::vector<std::size_t> asked;
  ConnectionCounts counts;
  std::vector<std::shared_ptr<Award>> awards;
};

}  // namespace

TEST_CASE("connection counts: each limit by itself → as many as it says on each side, and again when one is given back") {
  const PoolPointer app = House::pool("app", {2, 0, 0});
  House of_pool;
  Reservation first = of_pool.take(app);
  Reservation second = of_pool.take(app);
  CHECK((first && second));
  CHECK_FALSE(of_pool.take(app));
  CHECK(of_pool.counts.reserve(app, Side::green, 0));
  CHECK(of_pool.take(House::pool("other", {2, 0, 0})));
  first = {};
  CHECK(of_pool.take(app));

  House of_user;
  const Reservation shop = of_user.take(House::pool("app", {0, 1, 0}));
  CHECK_FALSE(of_user.take(House::pool("app", {0, 1, 0}, "store")));
  CHECK(of_user.take(House::pool("other", {0, 1, 0})));

  House of_database;
  const Reservation held = of_database.take(House::pool("app", {0, 0, 1}));
  CHECK_FALSE(of_database.take(House::pool("other", {0, 0, 1})));
  CHECK(of_database.take(House::pool("other", {0, 0, 1}, "store")));

  House of_side({1, 0});
  const Reservation only = of_side.take(House::pool("app"));
  CHECK_FALSE(of_side.take(House::pool("other", {}, "store")));
  CHECK(of_side.counts.reserve(House::pool("other"), Side::green, 0));
}

TEST_CASE("connection counts: one is given back while others wait → the user with the fewest gets the room, once") {
  House house({3, 0});
  const PoolPointer many = House::pool("many");
  const PoolPointer few = House::pool("few");
  Reservation held[] = {house.take(many), house.take(many), house.take(many)};
  house.wait(many, 100);
  house.wait(few, 1, 1, begin + 1s);
  held[0] = {};
  REQUIRE(house.awards.size() == 1);
  CHECK(house.awards[0]->need->pool == few);
  CHECK(house.awards[0]->reservation);
  held[1] = {};
  REQUIRE(house.awards.size() == 2);
  CHECK(house.awards[1]->need->pool == many);  // the one client of the other user has been promised one
}

TEST_CASE("connection counts: an award that nobody takes → its room goes to the next in turn") {
  House house({1, 0});
  const PoolPointer app = House::pool("app");
  Reservation held = house.take(app);
  const NeedPointer gone = house.wait(app, 1);
  house.wait(House::pool("other"), 1);
  held = {};
  REQUIRE(house.awards.size() == 1);
  CHECK(house.awards[0]->need == gone);
  house.counts.withdraw(gone);
  const std::shared_ptr<Award> unused = std::exchange(house.awards[0], nullptr);
  unused->reservation = {};
  REQUIRE(house.awards.size() == 2);
  CHECK(house.awards[1]->need->pool->user == "other");
}

TEST_CASE("connection counts: a user with a hundred waiting clients, another with one → that one is next, and not again") {
  House house({4, 0});
  const PoolPointer many = House::pool("many");
  const PoolPointer few = House::pool("few");
  Reservation held[] = {house.take(many), house.take(many), house.take(many), house.take(many)};
  const NeedPointer own = house.wait(many, 100);
  const NeedPointer other = house.wait(few, 1);
  CHECK(house.counts.has_rivals(Side::blue, own.get()));
  CHECK(house.counts.yield(held[0], own.get(), begin + 1ms) == other);
  CHECK(house.counts.yield(held[1], own.get(), begin + 1ms) == nullptr);
}

TEST_CASE("connection counts: two users who want more than there is → they come to hold as many as each other") {
  House house({6, 0});
  const PoolPointer one = House::pool("one");
  const PoolPointer two = House::pool("two");
  std::vector<Reservation> held;
  for (int i = 0; i < 6; ++i) held.push_back(house.take(one));
  const NeedPointer own = house.wait(one, 100);
  const NeedPointer other = house.wait(two, 100);
  int given = 0;
  for (Reservation& each : held) {
    if (house.counts.yield(each, own.get(), begin + 1ms) == nullptr) continue;
    ++given;
    --other->promised_count;
  }
  CHECK(given == 3);
}

TEST_CASE("connection counts: one connection for two users → in turns, and not at every transaction") {
  House house({1, 0});
  Reservation held = house.take(House::pool("one"));
  const NeedPointer one = house.wait(House::pool("one"), 10);
  const NeedPointer two = house.wait(House::pool("two"), 10);
  Instant now = begin;
  CHECK(house.counts.yield(held, one.get(), now) == nullptr);
  now += ConnectionCounts::turn;
  one->served = now.time_since_epoch().count();
  CHECK(house.counts.yield(held, one.get(), now) == two);
  --two->promised_count;
  CHECK(house.counts.yield(held, two.get(), now + 1ms) == nullptr);
  CHECK(house.counts.yield(held, two.get(), now + ConnectionCounts::turn) == one);
}

TEST_CASE("connection counts: one user on two workers → connections go where there are fewer, and where nobody was served") {
  House house;
  const PoolPointer app = House::pool("app", {3, 0, 0});
  Reservation held[] = {house.take(app, 0), house.take(app, 0), house.take(app, 0)};
  const NeedPointer here = house.wait(app, 10, 0);
  const NeedPointer there = house.wait(app, 10, 1);
  CHECK(house.counts.yield(held[0], here.get(), begin + 1ms) == there);
  --there->promised_count;
  CHECK(house.counts.yield(held[1], here.get(), begin + 2ms) == nullptr);  // two here, one there
  // That one may be kept by a client that does not let go.
  CHECK(house.counts.yield(held[1], here.get(), begin + 1ms + ConnectionCounts::turn) == there);
}

TEST_CASE("connection counts: nobody waits here → whoever the limits let have it") {
  House house;
  const PoolPointer app = House::pool("app", {1, 0, 0});
  Reservation held = house.take(app, 0);
  CHECK_FALSE(house.counts.has_rivals(Side::blue, nullptr));
  const NeedPointer there = house.wait(app, 1, 1);
  CHECK(house.asked == std::vector<std::size_t>{0});
  CHECK(house.counts.has_rivals(Side::blue, nullptr));
  CHECK_FALSE(house.counts.has_rivals(Side::green, nullptr));
  CHECK(house.counts.yield(held, nullptr, begin) == there);
  CHECK(house.counts.yield(held, nullptr, begin) == nullptr);  // one client, one promise
}

TEST_CASE("connection counts: a pool that only its own size binds → another's connection does not help it") {
  House house;
  const PoolPointer app = House::pool("app", {1, 0, 0});
  const Reservation full = house.take(app);
  Reservation of_other = house.take(House::pool("other", {1, 0, 0}));
  const NeedPointer need = house.wait(app, 1);
  CHECK(house.counts.yield(of_other, nullptr, begin) == nullptr);
  CHECK_FALSE(house.counts.yield_to(of_other, *need));
  CHECK_FALSE(house.counts.is_sharing_room(*app));
}

TEST_CASE("connection counts: the queue is bounded → one more is turned away until one leaves") {
  House house({0, 2});
  CHECK(house.counts.enter_queue());
  CHECK(house.counts.enter_queue());
  CHECK_FALSE(house.counts.enter_queue());
  house.counts.leave_queue();
  CHECK(house.counts.enter_queue());
}
