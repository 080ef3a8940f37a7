#include "protocol/postgres/comment_tags.hpp"

#include "protocol/postgres/analyser.hpp"

#include <doctest/doctest.h>

#include <ostream>
#include <string>

namespace protocol::postgres {
namespace {

struct TagRow {
  const char* text;
  const char* tags;  ///< key=value, separated by |
};

constexpr TagRow tag_rows[] = {
    {"SELECT 1 /*action='%2Fparam*d',controller='index'*/", "action=/param*d|controller=index"},
    {"SELECT 1 /*route='%5Epolls%20%5C%27x',a='b'*/", "route=^polls \\'x|a=b"},
    {"SELECT 1 /*a='it\\'s'*/", "a=it's"},
    {"/*a='b'*/ SELECT 1", "a=b"},
    {"/*a='b'*/ SELECT 1 /*c='d'*/", "a=b|c=d"},
    {"SELECT 1; /*a='b'*/", "a=b"},
    {"SELECT 1 /*a='b'*/ ;", "a=b"},
    {"/*a='b'*/", "a=b"},
    {"SELECT 1 /* a = 'b' , c = 'd' */", "a=b|c=d"},
    {"SELECT 1 /* crossfade:side=green */", "side=green"},
    {"/* crossfade:a=1 crossfade:b=2, crossfade:c=3 other=4 */ SELECT 1", "a=1|b=2|c=3"},
    {"/* crossfade:empty= */ SELECT 1", "empty="},
    {"SELECT /*a='b'*/ 1", ""},
    {"SELECT 1 /* just words */", ""},
    {"SELECT 1 /*a='b',*/", ""},
    {"SELECT 1 /*a='b' c='d'*/", ""},
    {"SELECT 1 /*a='b*/", ""},
    {"SELECT 1 /*a=b*/", ""},
    {"SELECT 1 /*='b'*/", ""},
    {"SELECT 1 -- a='b'", ""},
    {"SELECT '/*a=''b''*/'", ""},
    {"SELECT 1 /**/", ""},
    {"SELECT 1 /*a='%zz%4'*/", "a=%zz%4"},
    {"SELECT 1", ""},
};

std::string spell(const CommentTags& tags) {
  std::string spelt;
  for (const auto& [key, value] : tags)
    spelt.append(spelt.empty() ? "" : "|").append(key).append("=").append(value);
  return spelt;
}

TEST_CASE("comment tags: text → tags") {
  Analyser analyser;
  for (int round = 0; round < 3; ++round) {
    for (const TagRow& row : tag_rows) {
      CAPTURE(std::string(row.text));
      CHECK(spell(*analyser.analyse(row.text).tags) == row.tags);
    }
  }
}

TEST_CASE("comment tags: texts of one fingerprint → each its own tags") {
  Analyser analyser;
  const Analysis a = analyser.analyse("SELECT 1 /*k='a'*/");
  const Analysis b = analyser.analyse("SELECT 2 /*k='b'*/");
  CHECK(a.facts == b.facts);
  CHECK(spell(*a.tags) == "k=a");
  CHECK(spell(*b.tags) == "k=b");
}

TEST_CASE("comment tags: too many, too long → left out") {
  std::string comment = "/*";
  for (int i = 0; i < 40; ++i) comment += "k" + std::to_string(i) + "='v',";
  comment += "last='v'*/";
  CommentTags tags;
  append_comment_tags(comment, tags);
  CHECK(tags.size() == comment_tags_max);
  tags.clear();
  append_comment_tags("/*a='" + std::string(comment_tag_value_bytes_max + 1, 'x') + "',b='c'*/", tags);
  CHECK(spell(tags) == "b=c");
}

}  // namespace
}  // namespace protocol::postgres
