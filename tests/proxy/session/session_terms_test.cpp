#include "proxy/session/session_terms.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using proxy::session::Pooling;
using proxy::session::SessionTerms;
using proxy::session::TermsTable;

}  // namespace

TEST_CASE("terms: nobody differs → one snapshot for all") {
  const TermsTable table;
  CHECK(table.terms_of("app", "shop") == table.everybody());
}

TEST_CASE("terms: a database and a user differ → both count, and the user's word counts more") {
  TermsTable table;
  table.change_for_database("shop", [](SessionTerms& terms) {
    terms.times.query = 1s;
    terms.queue_timeout = 2s;
  });
  table.change_for_user("app", [](SessionTerms& terms) { terms.times.query = 5s; });
  CHECK(table.terms_of("app", "shop")->times.query == 5s);
  CHECK(table.terms_of("app", "shop")->queue_timeout == 2s);
  CHECK(table.terms_of("other", "shop")->times.query == 1s);
  CHECK(table.terms_of("app", "store")->times.query == 5s);
  CHECK(table.terms_of("other", "store") == table.everybody());
}

TEST_CASE("terms: \"*\" → stands for those who are not named") {
  TermsTable table;
  table.change_for_user("*", [](SessionTerms& terms) { terms.times.query = 1s; });
  table.change_for_user("app", nullptr);
  CHECK(table.terms_of("other", "shop")->times.query == 1s);
  CHECK(table.terms_of("app", "shop") == table.everybody());
}

TEST_CASE("terms: no size given → twenty connections by transaction, no limit by session") {
  SessionTerms terms;
  CHECK(terms.connections().pool_max == 20);
  terms.pooling = Pooling::session;
  CHECK(terms.connections().pool_max == 0);
  terms.pool_size = 3;
  CHECK(terms.connections().pool_max == 3);
}
