#include "protocol/postgres/type_comparison.hpp"

#include "protocol/postgres/analyser.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace protocol::postgres {
namespace {

using Rows = std::vector<CatalogueRow>;

/// hue, spot, their arrays and a domain of hue, numbered from `first` on.
Rows side_numbered_from(std::uint32_t first) {
  const auto at = [first](std::uint32_t offset) { return std::to_string(first + offset); };
  return {
      {"type", "public", "hue", at(0) + " e", false},
      {"type", "public", "_hue", at(1) + " a " + at(0), false},
      {"type", "public", "spot", "20000 c 23 " + at(0), false},
      {"type", "public", "shade", "20001 d " + at(0), false},
      {"type", "public", "even", at(2) + " d 23", false},
      {"type", "public", "same", "20002 e", false},
      {"row_types", "", "", at(9), false},
      {"columns", "public", "cars", at(0), false},
      {"columns", "public", "spots", "20000", false},
      {"columns", "public", "shades", "20001", false},
      {"columns", "public", "plain", "", false},
      {"columns", "public", "evens", at(2), false},
      {"columns", "public", "sames", "20002", false},
      {"returns", "public", "favourite", at(0), false},
      {"returns", "public", "steady", "20002", false},
  };
}

StatementFacts facts_of(std::string_view text) {
  Analyser analyser;
  return *analyser.analyse(text).facts;
}

TEST_CASE("type comparison: other numbers, or none → told by name, both numbers and kind") {
  Rows green = side_numbered_from(17'000);
  green.push_back({"type", "public", "own", "18000 b", false});
  const auto comparison = TypeComparison::of(side_numbered_from(16'500), green);
  const std::vector<TypeDifference> expected{{"public._hue", "array", 16'501, 17'001},
                                             {"public.even", "domain", 16'502, 17'002},
                                             {"public.hue", "enum", 16'500, 17'000},
                                             {"public.own", "base", 0, 18'000}};
  CHECK(comparison->differences() == expected);
  CHECK_FALSE(comparison->is_identical());
  CHECK(comparison->is_common(20'002));
  CHECK(comparison->is_common(25));
  CHECK_FALSE(comparison->is_common(16'500));
  CHECK_FALSE(comparison->is_common(17'000));
  CHECK_FALSE(comparison->is_common(99'999));
}

TEST_CASE("type comparison: the same numbers, rows of tables too → nothing concerns anybody") {
  const auto comparison = TypeComparison::of(side_numbered_from(16'500), side_numbered_from(16'500));
  CHECK(comparison->is_identical());
  CHECK(comparison->is_common(99'999));
  for (const std::string_view text : {"SELECT * FROM cars", "SELECT c FROM cars c", "SELECT oid FROM pg_type", "BEGIN READ ONLY"}) {
    CHECK_FALSE(comparison->concerns(facts_of(text)));
  }
}

TEST_CASE("type comparison: statements → concern it if what they give out may hold a number that differs") {
  const auto comparison = TypeComparison::of(side_numbered_from(16'500), side_numbered_from(17'000));
  for (const std::string_view text :
       {"SELECT 1 FROM cars", "SELECT 1 FROM public.cars", "SELECT 1 FROM spots", "SELECT 1 FROM shades", "SELECT 1 FROM made_since", "SELECT $1::hue",
        "SELECT CAST($1 AS public.hue[])", "SELECT favourite()", "SELECT p FROM plain p", "SELECT max(plain) FROM plain", "SELECT (plain) FROM plain",
        "SELECT 1 FROM pg_type", "SELECT 1 FROM pg_catalog.pg_attribute", "SELECT 'x'::regclass", "SELECT pg_typeof(1)", "BEGIN READ ONLY",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM cars)", "WITH a AS (SELECT 1 FROM cars) SELECT * FROM a", "EXPLAIN SELECT 1 FROM cars"}) {
    CAPTURE(text);
    CHECK(comparison->concerns(facts_of(text)));
  }
  for (const std::string_view text :
       {"SELECT * FROM plain", "SELECT * FROM evens", "SELECT * FROM sames", "SELECT steady()", "SELECT $1::even", "SELECT $1::same", "SELECT 1::int8",
        "SELECT count(p), row_to_json(p) FROM plain p", "SELECT p.* FROM plain p", "SELECT now()", "SELECT 1 FROM pg_stat_activity",
        "SELECT 1 FROM information_schema.tables", "WITH cars AS (SELECT 1) SELECT * FROM cars"}) {
    CAPTURE(text);
    CHECK_FALSE(comparison->concerns(facts_of(text)));
  }
}

TEST_CASE("type comparison: only rows of tables are numbered differently → tables move, whole rows and what describes types stay") {
  Rows green = side_numbered_from(16'500);
  green[6].detail = "another digest";
  const auto comparison = TypeComparison::of(side_numbered_from(16'500), green);
  CHECK(comparison->differences().empty());
  for (const std::string_view text : {"SELECT c FROM cars c", "SELECT oid FROM pg_type", "SELECT $1::cars"}) CHECK(comparison->concerns(facts_of(text)));
  for (const std::string_view text : {"SELECT * FROM cars", "SELECT 1 FROM made_since", "BEGIN READ ONLY"}) {
    CHECK_FALSE(comparison->concerns(facts_of(text)));
  }
}

TEST_CASE("type comparison: nonsense for details → skipped") {
  const Rows odd{{"type", "public", "a", "", false}, {"type", "public", "b", "x y", false}, {"type", "public", "c", "12 ", false},
                 {"columns", "public", "t", "1 x  2", false}, {"other", "", "", "", false}};
  CHECK(TypeComparison::of(odd, odd)->differences().empty());
}

}  // namespace
}  // namespace protocol::postgres
