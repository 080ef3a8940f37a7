#include "protocol/postgres/catalogue.hpp"

#include "protocol/postgres/analyser.hpp"
#include "protocol/postgres/known_functions.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

namespace protocol::postgres {
namespace {

using Rows = std::vector<CatalogueRow>;
using enum Catalogue::Verdict;

const Rows& rows() {
  static const Rows all{
      {"function", "pg_catalog", "lower", "", true},
      {"function", "pg_catalog", "now", "", true},
      {"function", "pg_catalog", "random", "", false},
      {"function", "pg_catalog", "nextval", "", false},
      {"function", "pg_catalog", "txid_current", "", true},
      {"function", "public", "stable_one", "", true},
      {"function", "public", "volatile_one", "", false},
      {"function", "public", "lower", "", false},
      {"function", "public", "random", "", true},
      {"function", "public", "gen_random_bytes", "pgcrypto", false},
      {"function", "pg_catalog", "bernoulli", "", false},
      {"operator", "pg_catalog", "+", "", true},
      {"operator", "pg_catalog", "-", "", true},
      {"operator", "public", "-", "", false},
      {"operator", "public", "+++", "", true},
      {"relation", "public", "risky", "nextval", false},
      {"relation", "public", "dice", "random", false},
      {"relation", "a.b", "dotted", "public.volatile_one", false},
      {"attribute", "", "secret", "", false},
      {"something_else", "x", "y", "z", false},
  };
  return all;
}

TEST_CASE("catalogue: function names → judged by all schemas, or by the one that is named") {
  const auto catalogue = Catalogue::from_rows(rows());
  CHECK(catalogue->judge_function("", "now") == stable);
  CHECK(catalogue->judge_function("", "lower") == unstable);
  CHECK(catalogue->judge_function("pg_catalog", "lower") == stable);
  CHECK(catalogue->judge_function("public", "lower") == unstable);
  CHECK(catalogue->judge_function("", "stable_one") == stable);
  CHECK(catalogue->judge_function("", "volatile_one") == unstable);
  CHECK(catalogue->judge_function("", "nobody") == unknown);
  CHECK(catalogue->judge_function("nowhere", "now") == unknown);
}

TEST_CASE("catalogue: volatile in any schema → unstable; stable but acting → unstable; a sampling method → stable") {
  const auto catalogue = Catalogue::from_rows(rows());
  CHECK(catalogue->judge_function("", "random") == unstable);
  CHECK(catalogue->judge_function("public", "random") == stable);
  CHECK(catalogue->judge_function("", "gen_random_bytes") == unstable);
  CHECK(catalogue->judge_function("", "txid_current") == unstable);
  CHECK(catalogue->judge_function("", "bernoulli") == stable);
}

TEST_CASE("catalogue: operators → judged like functions") {
  const auto catalogue = Catalogue::from_rows(rows());
  CHECK(catalogue->judge_operator("", "+") == stable);
  CHECK(catalogue->judge_operator("", "-") == unstable);
  CHECK(catalogue->judge_operator("pg_catalog", "-") == stable);
  CHECK(catalogue->judge_operator("", "+++") == stable);
  CHECK(catalogue->judge_operator("", "nobody") == unknown);
}

TEST_CASE("catalogue: views over careful functions → found under both names") {
  const auto catalogue = Catalogue::from_rows(rows());
  CHECK(catalogue->find_hidden_call("", "risky") == "nextval");
  CHECK(catalogue->find_hidden_call("public", "risky") == "nextval");
  CHECK(catalogue->find_hidden_call("other", "risky").empty());
  CHECK(catalogue->find_hidden_call("", "dice") == "random");
  CHECK(catalogue->find_hidden_call("a.b", "dotted") == "public.volatile_one");
  CHECK(catalogue->find_hidden_call("", "pg_locks") == "pg_locks");
  CHECK(catalogue->is_attribute_call("secret"));
  CHECK_FALSE(catalogue->is_attribute_call("risky"));
}

TEST_CASE("catalogue: settings of functions → in order, no more than a question can name") {
  Rows many{{"setting", "", "b.two", "", false}, {"setting", "", "a.one", "", false}};
  CHECK(Catalogue::from_rows(many)->custom_settings() == std::vector<std::string>{"a.one", "b.two"});
  for (int i = 0; i < 100; ++i) many.push_back({"setting", "", "c." + std::to_string(i), "", false});
  CHECK(Catalogue::from_rows(many)->custom_settings().size() == 32);
  CHECK(Catalogue::built_in()->custom_settings().empty());
}

TEST_CASE("catalogue: rows in another order → the same digest; one row else → another") {
  Rows reversed = rows();
  std::reverse(reversed.begin(), reversed.end());
  CHECK(Catalogue::from_rows(rows())->digest() == Catalogue::from_rows(reversed)->digest());
  reversed.front().is_stable = !reversed.front().is_stable;
  CHECK(Catalogue::from_rows(rows())->digest() != Catalogue::from_rows(reversed)->digest());
}

TEST_CASE("catalogue: built in → no name is both stable and acting") {
  const auto catalogue = Catalogue::built_in();
  known::for_each_word(known::acting_functions, [&](std::string_view name) {
    CAPTURE(std::string(name));
    CHECK(catalogue->judge_function("", name) == unstable);
  });
  for (const std::string_view name :
       {"set_config", "nextval", "currval", "setval", "lastval", "pg_notify", "setseed", "pg_advisory_lock",
        "pg_export_snapshot", "lo_open", "query_to_xml"}) {
    CAPTURE(std::string(name));
    CHECK(catalogue->judge_function("", name) != stable);
  }
}

TEST_CASE("catalogue: query → names every acting function and no placeholder is left") {
  const std::string query = catalogue_query();
  known::for_each_word(known::acting_functions, [&](std::string_view name) {
    CHECK(query.find("'" + std::string(name) + "'") != std::string::npos);
  });
  CHECK(query.find('%') == std::string::npos);
}

StatementClass class_of(Analyser& analyser, std::string_view text) {
  return analyser.analyse(text).facts->statement_class;
}

TEST_CASE("analyser: catalogue given → its word counts; taken away → what is known without one") {
  Analyser analyser;
  CHECK(class_of(analyser, "SELECT stable_one()") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT * FROM risky") == StatementClass::read);
  analyser.set_catalogue(Catalogue::from_rows(rows()));
  CHECK(class_of(analyser, "SELECT stable_one()") == StatementClass::read);
  CHECK(class_of(analyser, "SELECT volatile_one()") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT lower('A')") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT * FROM risky") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT * FROM public.risky r") == StatementClass::write);
  CHECK(class_of(analyser, "COPY risky TO STDOUT") == StatementClass::write);
  CHECK(class_of(analyser, "WITH risky AS (SELECT 1) SELECT * FROM risky") == StatementClass::read);
  CHECK(class_of(analyser, "SELECT * FROM dice") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT 1 - 2") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT 1 +++ 2") == StatementClass::read);
  CHECK(class_of(analyser, "SELECT t.secret FROM t") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT (t).secret FROM t") == StatementClass::write);
  CHECK(class_of(analyser, "SELECT secret FROM t") == StatementClass::read);
  analyser.set_catalogue(nullptr);
  CHECK(class_of(analyser, "SELECT stable_one()") == StatementClass::write);
}

TEST_CASE("analyser: a catalogue that says the same → nothing is forgotten") {
  Analyser analyser;
  analyser.set_catalogue(Catalogue::from_rows(rows()));
  static_cast<void>(class_of(analyser, "BEGIN"));
  analyser.set_catalogue(Catalogue::from_rows(rows()));
  static_cast<void>(class_of(analyser, "BEGIN"));
  CHECK(analyser.counters().text_hits == 1);
  CHECK(analyser.counters().parses == 1);
}

}  // namespace
}  // namespace protocol::postgres
