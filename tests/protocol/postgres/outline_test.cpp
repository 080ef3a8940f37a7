#include "protocol/postgres/outline.hpp"

#include "protocol/postgres/fingerprint.hpp"

#include <doctest/doctest.h>

#include <array>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace protocol::postgres {
namespace {

std::string outline_of(std::string_view text) {
  static std::array<char, 256> room;
  const std::optional<std::string_view> outline = write_outline(text, room);
  return outline ? std::string(*outline) : "(none)";
}

std::string form_of(std::string_view text) {
  std::string form;
  const NormalForm normal = write_normal_form(text, form);
  const bool is_plain = normal.is_readable && !normal.is_ambiguous && !normal.has_comments;
  return is_plain ? form : "(not plain)";
}

struct Row {
  const char* text;
  const char* outline;
};

constexpr Row rows[] = {
    {"SELECT abalance FROM a WHERE aid = 4711;", "SELECT abalance FROM a WHERE aid = 0;"},
    {"SELECT 1,23 , -456", "SELECT 0,0 , -0"},
    {"INSERT INTO t VALUES ('it''s', 12, '')", "INSERT INTO t VALUES ('', 0, '')"},
    {"SELECT 'a\xc3\xa4 \"b\"'", "SELECT ''"},
    {"SELECT 'a'\n'b'", "SELECT ''\n''"},
    {"SELECT a1, b_2, c.d3 FROM t4", "SELECT a1, b_2, c.d3 FROM t4"},
    {"SELECT $1, $23", "SELECT $1, $23"},
    {"SELECT 1.5, .5, 1e5, 1.", "SELECT 1.5, .5, 1e5, 1."},
    {"SELECT 999999999, 3000000000", "SELECT 0, 3000000000"},
    {"SELECT a - 1 / 2", "SELECT a - 0 / 0"},
    {"", ""},
};

constexpr const char* without_outline[] = {
    "SELECT 1 -- c", "SELECT /* c */ 1", "SELECT \"a\"", "SELECT $$a$$",         "SELECT $x$a$x$",
    "SELECT E'a'",   "SELECT U&'a'",     "SELECT B'1'",  "SELECT 'a\\'",         "SELECT 'a",
    "SELECT N'a'",   "SELECT \xc3\xa4",  "SELECT 1$$5$$", "SELECT date'2000-01-01'",
    "SELECT {1}",    "INSERT \x0fNTO t", "SELECT a UEscape '!'", "SELECT a.uescape='!'",
};

}  // namespace

TEST_CASE("outline: plain integers and strings → 0 and '', the rest as it is") {
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(outline_of(row.text) == row.outline);
    CHECK(form_of(row.text) == form_of(row.outline));
  }
}

TEST_CASE("outline: what single bytes do not tell → none") {
  for (const char* text : without_outline) {
    CAPTURE(text);
    CHECK(outline_of(text) == "(none)");
  }
}

TEST_CASE("outline: a text longer than the room → none") {
  std::array<char, 4> room{};
  CHECK(!write_outline("SELECT", room));
  CHECK(write_outline("SELE", room) == "SELE");
}

TEST_CASE("outline: any row of tokens → the normal form is that of the text") {
  constexpr const char* pieces[] = {
      "SELECT", "a",  "t1",  "1",   "42",  "007",    "999999999", "3000000000", "1.5",    ".5",  "1e5", "$1", "'x'",
      "''",     "'", "'a''b'", "E'x'", "N'", "U&'a'", "\"q\"",     "(",          ")",      ",",   ";",   "-",  "--",
      "/",      "*",  "/*",  "*/",  "::",  "&",      "<",         ".",          "$",      "$$",  "\\",  "\n", " ",
      "\xc3\xa4"};
  std::mt19937 random(15);
  std::uniform_int_distribution<std::size_t> piece(0, std::size(pieces) - 1);
  std::uniform_int_distribution<int> coin(0, 1);
  int outlined = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (int count = 0; count < 7; ++count) {
      text += pieces[piece(random)];
      if (coin(random) == 1) text += ' ';
    }
    const std::string outline = outline_of(text);
    if (outline == "(none)") continue;
    ++outlined;
    const std::string form = form_of(text);
    if (form_of(outline) == form && form != "(not plain)") continue;
    CAPTURE(text);
    CAPTURE(outline);
    REQUIRE(form_of(outline) == form);
    REQUIRE(form != "(not plain)");
  }
  CHECK(outlined > 1000);
}

}  // namespace protocol::postgres
