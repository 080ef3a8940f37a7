#include "proxy/admin/text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using proxy::admin::is_valid_utf8;
using proxy::admin::listed;
using proxy::admin::parse_target;
using proxy::admin::valid_utf8;

TEST_CASE("target: segments → decoded one by one, the query left out") {
  using Segments = std::vector<std::string>;
  CHECK(*parse_target("/") == Segments{""});
  CHECK(*parse_target("/a") == Segments{"a"});
  CHECK(*parse_target("/a/b/") == Segments{"a", "b", ""});
  CHECK(*parse_target("/a%2Fb/%c3%BC?x=%zz") == Segments{"a/b", "ü"});
  CHECK(*parse_target("/?x") == Segments{""});
  CHECK(*parse_target("/a+b") == Segments{"a+b"});
}

TEST_CASE("target: broken escapes, control characters, other encodings, other forms → refused") {
  for (const char* target : {"", "a", "*", "http://h/", "/%", "/%4", "/%4g", "/%00", "/a%0Ab", "/%ff", "/%C3", "/%ED%A0%80"}) {
    CAPTURE(target);
    CHECK_FALSE(parse_target(target));
  }
}

TEST_CASE("utf-8: well-formed → kept, every ill-formed byte → one replacement character") {
  for (const char* text : {"", "plain", "ü€😀", "\xF4\x8F\xBF\xBF"}) {
    CAPTURE(text);
    CHECK(is_valid_utf8(text));
    CHECK(valid_utf8(text) == text);
  }
  for (const char* text : {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8", "\xE2\x82", "\xC3"}) {
    CHECK_FALSE(is_valid_utf8(text));
    CHECK(is_valid_utf8(valid_utf8(text)));
  }
  CHECK(valid_utf8("a\xFF" "b") == "a\xEF\xBF\xBD" "b");
}

TEST_CASE("lists: many items → cut") {
  CHECK(listed({}) == "none");
  CHECK(listed({"a", "b"}) == "a, b");
  CHECK(listed(std::vector<std::string>(1000, "x")).size() < 100);
}
