#include "config/outline.hpp"

#include "tests/config/fixture.hpp"

#include <doctest/doctest.h>

#include <string>

using config::Difference;
using config::differences;

namespace {

constexpr const char* before_text = R"(
workers: 2
pairs:
  shop:
    dialect: postgres
    listen: 127.0.0.1:6432
    blue: {host: 127.0.0.1}
    green: {host: 127.0.0.2}
    users:
      app: {password: first secret}
    rules:
      - {name: one, reads: {green: 10}}
      - {name: two, match: {user: [a, b]}, reads: green}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t place = text.find(from);
  REQUIRE(place != std::string::npos);
  return text.replace(place, from.size(), to);
}

std::vector<Difference> changes(const std::string& after) {
  return differences(config::check_text("a", before_text).outline, config::check_text("a", after).outline);
}

}  // namespace

TEST_CASE("outline: nothing changed, or only its place in the file → no difference") {
  CHECK(changes(before_text).empty());
  CHECK(changes(replaced(before_text, "workers: 2\n", "") + "workers: 2\n").empty());
}

TEST_CASE("outline: a value changed, one added, one removed → each by its path") {
  const auto found = changes(replaced(replaced(before_text, "green: 10", "green: 20"), "match: {user: [a, b]}, ", "writes: blue, "));
  REQUIRE(found.size() == 3);
  CHECK(found[0].path == "pairs.shop.rules[one].reads.green");
  CHECK(found[0].before == "10");
  CHECK(found[0].after == "20");
  CHECK(found[1].path == "pairs.shop.rules[two].match.user");
  CHECK(found[1].kind == Difference::Kind::removed);
  CHECK(found[1].before == "[a, b]");
  CHECK(found[2].path == "pairs.shop.rules[two].writes");
  CHECK(found[2].kind == Difference::Kind::added);
}

TEST_CASE("outline: a secret changed → told as changed, never shown") {
  const auto found = changes(replaced(before_text, "first secret", "second secret"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].path == "pairs.shop.users.app.password");
  CHECK(found[0].kind == Difference::Kind::changed);
  CHECK(found[0].before.empty());
  CHECK(found[0].after.empty());
}

TEST_CASE("outline: what only a restart changes → marked") {
  const auto found = changes(replaced(before_text, "workers: 2", "workers: 3"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].effect == Difference::Effect::by_restart);
}

TEST_CASE("outline: rules in another order → the order differs") {
  const std::string text(before_text);
  const std::string one = "      - {name: one, reads: {green: 10}}\n";
  const auto found = changes(replaced(text, one, "") + one);
  REQUIRE(found.size() == 1);
  CHECK(found[0].path == "pairs.shop.rules");
  CHECK(found[0].before == "[one, two]");
}
