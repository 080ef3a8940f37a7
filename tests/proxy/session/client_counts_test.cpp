#include "proxy/session/client_counts.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>

namespace {

using proxy::session::ClientCounts;
using Outcome = ClientCounts::Outcome;

struct Fixture {
  ClientCounts counts;
  std::string app = "app";
  std::string other = "other";
  std::string shop = "shop";
  std::string store = "store";
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "client counts: a user's limit → refused beyond, whatever the database, and free again when one goes") {
  ClientCounts::Place first;
  ClientCounts::Place second;
  ClientCounts::Place third;
  CHECK(counts.admit({app, 2, shop, 0}, first) == Outcome::admitted);
  CHECK(counts.admit({app, 2, store, 0}, second) == Outcome::admitted);
  CHECK(counts.admit({app, 2, shop, 0}, third) == Outcome::user_full);
  CHECK(counts.admit({other, 2, shop, 0}, third) == Outcome::admitted);
  { const ClientCounts::Place gone = std::move(second); }
  CHECK(counts.admit({app, 2, store, 0}, second) == Outcome::admitted);
}

TEST_CASE_FIXTURE(Fixture, "client counts: a database's limit → refused beyond, whoever it is; one refused takes nobody's place") {
  ClientCounts::Place first;
  ClientCounts::Place second;
  CHECK(counts.admit({app, 1, shop, 1}, first) == Outcome::admitted);
  CHECK(counts.admit({other, 1, shop, 1}, second) == Outcome::database_full);
  CHECK(counts.admit({other, 1, store, 1}, second) == Outcome::admitted);
}

TEST_CASE_FIXTURE(Fixture, "client counts: no limit → everybody") {
  ClientCounts::Place places[5];
  for (ClientCounts::Place& place : places) CHECK(counts.admit({app, 0, shop, 0}, place) == Outcome::admitted);
}
