#include "config/userlist.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

std::string refusal(std::string_view text) {
  const auto entries = config::parse_userlist(text);
  REQUIRE(!entries);
  CHECK(entries.error().code == protocol::ErrorCode::configuration_invalid);
  return entries.error().detail;
}

}  // namespace

TEST_CASE("userlist: lines as PgBouncer reads them → users and secrets; comments, blanks and trailing fields go") {
  const auto entries = config::parse_userlist(
      "\"alice\" \"pencil\"\n"
      "\n"
      "; \"old\" \"one\"\n"
      "  \"bob \"\"the\"\" builder\"\t\"md5abc\" \"\" anything\r\n"
      "\"nobody\" \"\"\n"
      "\"last\" \"a;b \"\"c\"\"\"");
  REQUIRE(entries);
  REQUIRE(entries->size() == 4);
  CHECK((*entries)[0].user == "alice");
  CHECK((*entries)[0].secret.reveal() == "pencil");
  CHECK((*entries)[1].user == "bob \"the\" builder");
  CHECK((*entries)[1].secret.reveal() == "md5abc");
  CHECK((*entries)[2].secret.is_empty());
  CHECK((*entries)[3].secret.reveal() == "a;b \"c\"");
}

TEST_CASE("userlist: nothing → nobody") {
  CHECK(config::parse_userlist("")->empty());
  CHECK(config::parse_userlist("\n\n  \n;")->empty());
}

TEST_CASE("userlist: mistakes → line, column and reason, and no word of the file") {
  CHECK(refusal("alice \"pencil\"\n") == "line 1, column 1: a user's name in double quotes is expected");
  CHECK(refusal("\"a\" \"b\"\n  x") == "line 2, column 3: a user's name in double quotes is expected");
  CHECK(refusal("\"alice\n\"pencil\"") == "line 1, column 7: the quote is not closed");
  CHECK(refusal("\"alice\" \"pencil\n") == "line 1, column 16: the quote is not closed");
  CHECK(refusal("\"alice\"\n\"pencil\"") == "line 1, column 8: a password in double quotes is expected");
  CHECK(refusal("\"alice\" pencil") == "line 1, column 9: a password in double quotes is expected");
  CHECK(refusal("\"\" \"pencil\"") == "line 1, column 3: the name of a user must have 1 to 63 bytes");
  CHECK(refusal("\"" + std::string(64, 'x') + "\" \"pencil\"").find("1 to 63") != std::string::npos);
  CHECK(refusal("\"alice\" \"" + std::string(4097, 'x') + "\"").find("4096") != std::string::npos);
  CHECK(refusal(std::string("\"al\0ce\" \"pencil\"", 16)).find("zero byte") != std::string::npos);
  CHECK(refusal("\"a\" \"b\"\n\"a\" \"c\"") == "line 2, column 8: this user was named before");
}
