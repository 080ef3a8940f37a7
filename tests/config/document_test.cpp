#include "config/document.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

struct Parsed {
  std::optional<config::Node> root;
  std::string problems;
};

Parsed parse(const std::string& text) {
  config::Findings findings("f");
  Parsed parsed;
  parsed.root = config::parse_document(text, findings);
  parsed.problems = config::format_problems(findings.take());
  return parsed;
}

std::string repeat(const std::string& part, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += part;
  return text;
}

bool is_in(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("document: maps, lists and texts → a tree that knows its places") {
  const Parsed parsed = parse("a: 007\n\"b c\":\n  - no\n  - {x: 'y'}\nd:\n");
  CHECK(parsed.problems.empty());
  REQUIRE(parsed.root.has_value());
  const auto& entries = parsed.root->entries;
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].value.text == "007");
  CHECK(entries[0].value.mark == config::Mark{1, 4});
  CHECK(entries[1].key.text == "b c");
  REQUIRE(entries[1].value.items.size() == 2);
  CHECK(entries[1].value.items[0].text == "no");
  CHECK(entries[1].value.items[0].mark == config::Mark{3, 5});
  CHECK(entries[1].value.items[1].entries[0].value.text == "y");
  CHECK(entries[2].value.kind == config::Node::Kind::null);
  CHECK(entries[2].value.mark == config::Mark{5, 1});
}

TEST_CASE("document: an alias → a copy of its anchor that keeps the anchor's places") {
  const Parsed parsed = parse("a: &x {k: v}\nb: *x\n");
  CHECK(parsed.problems.empty());
  REQUIRE(parsed.root.has_value());
  CHECK(parsed.root->entries[1].value.entries[0].value.text == "v");
  CHECK(parsed.root->entries[1].value.entries[0].value.mark.line == 1);
}

TEST_CASE("document: mistakes that leave a tree → reported, reading goes on") {
  CHECK(parse("a: 1\na: 2\n").problems == "f:2:1: error: the key `a` is given twice; first on line 1\n");
  CHECK(parse("[a]: 1\n").problems == "f:1:1: error: a key must be text, not a list\n");
  CHECK(parse("a: !include b\n").problems == "f:1:4: error: the tag `!include` is not supported\n");
  CHECK(parse("a: !!str b\n").problems.empty());
  CHECK(parse("a: 1\n---\nb: 2\n").problems == "f:3:1: error: a second document; only one is read\n");
  for (const char* text : {"a: 1\na: 2\n", "[a]: 1\n", "a: !include b\n", "a: 1\n---\nb: 2\n"}) {
    CHECK(parse(text).root.has_value());
  }
}

TEST_CASE("document: no YAML → the place and, for the usual slips, what to do") {
  CHECK(parse("a: [1\nb: 2\n").problems.starts_with("f:"));
  CHECK(is_in(parse("a: {listen: [::1]:6432}\n").problems, "must be written in quotes"));
  CHECK(is_in(parse("listen: [::1]:6432\n").problems, "f:1:"));
  CHECK(is_in(parse("listen: [::1]:6432\n").problems, "an address in brackets must be written in quotes"));
  CHECK(is_in(parse("users:\n  *: {}\n").problems, "f:2:3: error: not valid YAML"));
  CHECK(is_in(parse("users:\n  *: {}\n").problems, "a text that begins with * must be written in quotes"));
  CHECK(is_in(parse("a:\n\tb: 1\n").problems, "not tabs"));
}

TEST_CASE("document: a control character that YAML complains of → escaped in the message") {
  CHECK(is_in(parse("a: \"\\\x01\"\n").problems, "unknown escape character: \\x01\n"));
  CHECK(is_in(parse("a: \"\\é\"\n").problems, "unknown escape character: \\xC3\n"));
  CHECK(parse("%YAML \b" + std::string(10'000, 'x') + "\n---\na: 1\n").problems.size() < 300);
}

TEST_CASE("document: a quote or bracket never closed → an error at the end, not a swallowed file") {
  for (const char* text : {"a: \"b\nc: d\n", "a: 'b\nc: d\n", "a: \"b", "a: [b, c\n", "a: {b: c\n"}) {
    CAPTURE(text);
    const Parsed parsed = parse(text);
    CHECK_FALSE(parsed.root.has_value());
    CHECK(is_in(parsed.problems, "never closed"));
  }
}

TEST_CASE("document: nested too deep → refused at the place") {
  CHECK(parse(repeat("[", 31) + repeat("]", 31)).root.has_value());
  for (const std::string& text : {repeat("[", 100'000), repeat("{", 100'000), repeat("- ", 100'000),
                                  repeat("? ", 100'000), repeat("{a: ", 100) + repeat("}", 100)}) {
    const Parsed parsed = parse(text);
    CHECK_FALSE(parsed.root.has_value());
    CHECK(is_in(parsed.problems, "nested deeper than 32 levels"));
  }
}

TEST_CASE("document: aliases of aliases that would fill the memory → refused") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + repeat(", " + before, 9) +
            "]\n";
  }
  const Parsed parsed = parse(bomb);
  CHECK_FALSE(parsed.root.has_value());
  CHECK(is_in(parsed.problems, "grows beyond 32 MiB"));
  const std::string large = "a: &a " + std::string(900'000, 'x') + "\nb: [*a" + repeat(", *a", 50) + "]\n";
  CHECK(is_in(parse(large).problems, "grows beyond 32 MiB"));
}

TEST_CASE("document: an alias inside its own anchor → refused") {
  CHECK(parse("a: &a [*a]\n").problems == "f:1:8: error: an alias cannot stand inside its own anchor\n");
}

TEST_CASE("document: not UTF-8, or with a zero byte → refused at the byte") {
  CHECK(parse("a: b\nc: \xFF\n").problems == "f:2:4: error: is not UTF-8 text\n");
  CHECK(parse(std::string("a: \0b", 5)).problems ==
        "f:1:4: error: holds a zero byte; it must be UTF-8 text\n");
  for (const char* text : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                           "\xF5\x80\x80\x80", "\xE2\x82", "\xF0\x9F\x92"}) {
    CHECK_FALSE(parse(text).root.has_value());
  }
  CHECK(parse("a: é€💙\n").root->entries[0].value.text == "é€💙");
  CHECK(parse("\xEF\xBB\xBF"
              "a: b\n")
            .root->entries[0]
            .key.text == "a");
}

TEST_CASE("document: empty or comments only → nothing, without a complaint") {
  for (const char* text : {"", "\n", "# nothing\n", "---\n", "...\n"}) {
    CAPTURE(text);
    const Parsed parsed = parse(text);
    REQUIRE(parsed.root.has_value());
    CHECK(parsed.root->kind == config::Node::Kind::null);
    CHECK(parsed.problems.empty());
  }
}
