#include "protocol/postgres/analyser.hpp"

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <thread>

// Texts that are too long, too deep or too many.
namespace protocol::postgres {
namespace {

std::string repeat(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

TEST_CASE("analyser: texts nested without end → unknown, and no stack is exhausted") {
  Analyser analyser;
  constexpr std::size_t count = 30'000;
  const std::string bombs[] = {
      "SELECT " + repeat("(", 100'000) + "1" + repeat(")", 100'000),
      "SELECT 1" + repeat("+1", count),
      "SELECT 1" + repeat(" UNION SELECT 1", count),
      "SELECT 1, 2" + repeat(" UNION SELECT 1, 2", count),
      "SELECT 1 FROM t" + repeat(" JOIN t ON a AND b", count / 3),
      "SELECT " + repeat("NOT ", count) + "true",
      "SELECT 1" + repeat(" ISNULL", count),
      "SELECT 1" + repeat(" IS NULL BETWEEN 1 AND 2", count / 4),
      "SELECT 1" + repeat("::int", count / 2),
      "SELECT a" + repeat(" COLLATE \"C\"", count / 4),
      "SELECT a" + repeat(" AT TIME ZONE b", count / 4),
      "SELECT " + repeat("CASE WHEN ", count / 6) + "true" + repeat(" THEN 1 END", count / 6),
      "SELECT " + repeat("1+CASE WHEN true AND ", count / 12) + "true" + repeat(" THEN 1 END", count / 12),
      "SELECT " + repeat("EXISTS(SELECT ", count / 6) + "1" + repeat(")", count / 6),
      "SELECT ARRAY" + repeat("[", count) + "1" + repeat("]", count),
      repeat("WITH a AS (", count / 6) + "SELECT 1" + repeat(") SELECT 1", count / 6),
      "SELECT " + repeat("- ", count) + "1",
      "SELECT " + repeat("f(1, ", count / 3) + "1" + repeat(")", count / 3),
      "SELECT 1 FROM " + repeat("(SELECT 1 FROM ", count / 8) + "t" + repeat(") a", count / 8),
  };
  for (const std::string& bomb : bombs) {
    CAPTURE(bomb.substr(0, 60));
    CHECK(analyser.analyse(bomb).facts->statement_class == StatementClass::unknown);
  }
  CHECK(analyser.counters().parses == 0);
}

TEST_CASE("analyser: texts as deep as the limit lets through → parsed on a worker's stack") {
  std::thread worker([] {
    AnalyserOptions options;
    Analyser analyser(options);
    const std::size_t levels = options.depth_max - 10;
    const std::string texts[] = {
        "SELECT " + repeat("EXISTS(SELECT ", levels) + "1" + repeat(")", levels),
        "SELECT " + repeat("CASE WHEN ", levels) + "true" + repeat(" THEN 1 END", levels),
        "SELECT 1" + repeat("+1", levels),
        "SELECT a" + repeat(" LIKE b ISNULL", levels / 2),
        "SELECT 1" + repeat(" UNION SELECT 1", levels),
    };
    for (const std::string& text : texts) {
      CAPTURE(text.substr(0, 60));
      CHECK(analyser.analyse(text).facts->statement_class == StatementClass::read);
    }
  });
  worker.join();
}

TEST_CASE("analyser: long but shallow texts → understood") {
  Analyser analyser;
  CHECK(analyser.analyse("SELECT * FROM t WHERE a = 1" + repeat(" OR a = 2 AND b = 3", 2'000))
            .facts->statement_class == StatementClass::read);
  CHECK(analyser.analyse("SELECT CASE a" + repeat(" WHEN 1 THEN b + 1", 2'000) + " END FROM t")
            .facts->statement_class == StatementClass::read);
  CHECK(analyser.analyse("INSERT INTO t VALUES (1, 'a')" + repeat(", (2, 'b')", 5'000))
            .facts->statement_class == StatementClass::write);
}

TEST_CASE("analyser: texts beyond its bounds → unknown; known by fingerprint → known") {
  AnalyserOptions options;
  options.parsed_bytes_max = 64;
  options.text_bytes_max = 4096;
  Analyser analyser(options);
  const std::string rows = "INSERT INTO t VALUES (1, 2)" + repeat(", (3, 4)", 100);
  CHECK(analyser.analyse(rows).facts->statement_class == StatementClass::unknown);
  CHECK(analyser.analyse("INSERT INTO t VALUES (1, 2)").facts->statement_class == StatementClass::write);
  CHECK(analyser.analyse(rows).facts->statement_class == StatementClass::write);
  CHECK(analyser.analyse("SELECT '" + repeat("x", 5'000) + "'").facts->statement_class ==
        StatementClass::unknown);
  CHECK(analyser.analyse(std::string_view("SELECT 1\0; DELETE FROM t", 24)).facts->statement_class ==
        StatementClass::unknown);
}

TEST_CASE("analyser: ever new texts → memory stays within its bounds") {
  AnalyserOptions options;
  options.text_cache_bytes_max = 64 << 10;
  options.fingerprint_cache_bytes_max = 32 << 10;
  Analyser analyser(options);
  for (int i = 0; i < 5'000; ++i) {
    static_cast<void>(analyser.analyse("SET a.b = '" + std::to_string(i) +
                                       repeat("x", static_cast<std::size_t>(i) % 300) + "'"));
    static_cast<void>(analyser.analyse("SELECT a" + std::to_string(i) + " FROM t"));
    REQUIRE(analyser.cached_bytes() <= options.text_cache_bytes_max + options.fingerprint_cache_bytes_max);
  }
}

}  // namespace
}  // namespace protocol::postgres
