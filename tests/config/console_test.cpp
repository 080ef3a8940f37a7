#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace config_test;

namespace {

config::Outcome with_console(const std::string& console, const std::string& user = "        password: secret\n") {
  Parts parts;
  parts.pair = "    console: " + console + "\n";
  parts.user = user;
  return check(text_of(parts));
}

}  // namespace

TEST_CASE("console: admins and viewers → kept, with the usual name of the database") {
  const auto outcome = with_console("{admins: [u], viewers: watch}");
  REQUIRE(outcome.settings);
  const auto& console = outcome.settings->pairs[0].console;
  REQUIRE(console.has_value());
  CHECK(console->databases == std::vector<std::string>{"crossfade"});
  CHECK(console->viewers == std::vector<std::string>{"watch"});
  CHECK(with_console("{database: [a, b], admins: [u]}").settings->pairs[0].console->databases.size() == 2);
}

TEST_CASE("console: not said → there is none") {
  CHECK_FALSE(check(text_of({})).settings->pairs[0].console.has_value());
}

TEST_CASE("console: nobody, everybody, unknown keys → refused; an admin by trust → a warning") {
  CHECK(is_in(problems_of(with_console("{database: c}")), "lets nobody in"));
  CHECK(is_in(problems_of(with_console("{admins: [\"*\"]}")), "let in everybody"));
  CHECK(is_in(problems_of(with_console("{admin: [u]}")), "admins"));
  const auto warned = with_console("{admins: [u]}", "        authentication: trust\n");
  CHECK(warned.settings);
  CHECK(is_in(problems_of(warned), "by trust"));
}
