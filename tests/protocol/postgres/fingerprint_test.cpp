#include "protocol/postgres/fingerprint.hpp"

#include "protocol/postgres/catalogue.hpp"
#include "protocol/postgres/classifier.hpp"
#include "protocol/postgres/lexer.hpp"

#include <doctest/doctest.h>
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <cstdint>
#include <iterator>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {
namespace {

std::string form_of(std::string_view text) {
  std::string form;
  const NormalForm normal = write_normal_form(text, form);
  return normal.is_readable ? form : "(unreadable)";
}

struct PairRow {
  const char* one;
  const char* other;
  bool is_same;
};

constexpr PairRow pair_rows[] = {
    {"SELECT 1", "select  2 ;", true},
    {"SELECT 1", "SELECT /* a */ 1 -- b", true},
    {"SELECT 1", "SELECT 1.5", false},
    {"SELECT 1", "SELECT 3000000000", false},
    {"SELECT 1", "SELECT '1'", false},
    {"SELECT 1", "SELECT $1", false},
    {"SELECT $1", "SELECT $2", true},
    {"SELECT 'a'", "SELECT 'it''s'", true},
    {"SELECT 'a'", "SELECT $$a$$", true},
    {"SELECT 'a'", "SELECT $x$ $$ ' $x$", true},
    {"SELECT 'a'", "SELECT E'\\'a'", true},
    {"SELECT 'a'", "SELECT E'\\x41'", false},
    {"SELECT 'a'", "SELECT B'1'", false},
    {"SELECT 'a'", "SELECT N'a'", false},
    {"SELECT 'a'", "SELECT U&'a'", false},
    {"SELECT U&'a'", "SELECT U&'b'", false},
    {"SELECT U&'a' UESCAPE '!'", "SELECT U&'a' UESCAPE '?'", false},
    {"SELECT 'a'\n'b'", "SELECT 'c'", true},
    {"SELECT 'a' 'b'", "SELECT 'c'", false},
    {"SELECT 'a' -- c\n 'b'", "SELECT 'c'", true},
    {"SELECT A FROM B", "select a from b", true},
    {"SELECT \"a\" FROM b", "SELECT \"A\" FROM b", false},
    {"SELECT \"a\" FROM b", "SELECT a FROM b", false},
    {"SELECT a.b", "SELECT a . b", true},
    {"SELECT a::int", "SELECT a : : int", false},
    {"SELECT a<b", "SELECT a < b", true},
    {"SELECT a <- b", "SELECT a < - b", false},
    {"SELECT 1..2", "SELECT 1.2", false},
    {"SELECT 0x1F", "SELECT 1", false},
    {"SELECT a IN (1, 2, 3)", "SELECT a IN (1)", true},
    {"SELECT a IN ('a', 'b')", "SELECT a IN ('c')", true},
    {"SELECT a IN ($1, $2)", "SELECT a IN ($1)", true},
    {"SELECT a IN (1, b)", "SELECT a IN (1)", false},
    {"SELECT a IN (1, 2 + b)", "SELECT a IN (1 + b)", true},
    {"SELECT f(1, 2)", "SELECT f(1)", false},
    {"SELECT ARRAY[1, 2]", "SELECT ARRAY[1]", true},
    {"SELECT a[1, 2]", "SELECT a[1]", false},
    {"INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (3, 'c')", true},
    {"INSERT INTO t VALUES (1, now()), (2, now())", "INSERT INTO t VALUES (3, now())", true},
    {"INSERT INTO t VALUES (1, f()), (2, g())", "INSERT INTO t VALUES (3, f())", false},
    {"INSERT INTO t VALUES (1), (2) RETURNING a", "INSERT INTO t VALUES (1) RETURNING a", true},
    {"INSERT INTO t VALUES (1), (2), (3, 4)", "INSERT INTO t VALUES (1), (2)", false},
    {"SELECT 1; SELECT 2", "SELECT 1", false},
    {"SELECT 1; SELECT 2;", "SELECT 3 ;SELECT 4", true},
    {"SELECT LIMIT 1", "SELECT LIMIT 1, 2", false},
    {"", " -- nothing", true},
};

TEST_CASE("normal form: pairs of texts → equal or not") {
  for (const PairRow& row : pair_rows) {
    CAPTURE(std::string(row.one));
    CAPTURE(std::string(row.other));
    CHECK((form_of(row.one) == form_of(row.other)) == row.is_same);
  }
}

/// Builds texts from pieces, the same for the same seed.
class TextMaker {
 public:
  explicit TextMaker(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return random_() % bound; }

  template <std::size_t N>
  std::string pick(const char* const (&pieces)[N]) {
    return pieces[below(N)];
  }

  std::string blank() {
    static constexpr const char* blanks[] = {
        " ", "  ", "\n", "\t", " /* c */ ", " -- c\n", " /* /* n */ ' */ ", "\r\n"};
    return pick(blanks);
  }

  std::string literal(std::size_t kind) {
    static constexpr const char* strings[] = {
        "'a'",      "''",      "'it''s'",  "'--'",      "'/*'",      "$$a$$", "$q$ ' \" $$ $q$",
        "E'a\\'b'", "E'\\\\'", "'a'\n'b'", "'nextval'", "$$;DROP$$", "'\"'"};
    static constexpr const char* integers[] = {"0", "1", "42", "2147483647"};
    static constexpr const char* numbers[] = {"1.5", ".5", "1e10", "2147483648", "1.", "1.5E-3"};
    static constexpr const char* bits[] = {"B'1'", "b'01'", "B''"};
    static constexpr const char* parameters[] = {"$1", "$2", "$17"};
    switch (kind) {
      case 0:
        return pick(strings);
      case 1:
        return pick(integers);
      case 2:
        return pick(numbers);
      case 3:
        return pick(bits);
      default:
        return pick(parameters);
    }
  }

 private:
  std::mt19937 random_;
};

/// A piece of a text that stays, or a literal of a kind.
struct Piece {
  std::string fixed;
  std::size_t literal_kind = 0;
};

constexpr const char* fixed_pieces[] = {"SELECT",
                                        "FROM",
                                        "WHERE",
                                        "t",
                                        "u.v",
                                        "a",
                                        "\"Q\"",
                                        "f(",
                                        "now(",
                                        "nextval(",
                                        "lower(",
                                        "(",
                                        ")",
                                        ")",
                                        ",",
                                        ",",
                                        "+",
                                        "-",
                                        "*",
                                        "<",
                                        "=",
                                        "||",
                                        "<+>",
                                        "::int",
                                        "::float(",
                                        "AND",
                                        "OR",
                                        "NOT",
                                        "IS NULL",
                                        "IN (",
                                        "VALUES (",
                                        "), (",
                                        "ARRAY[",
                                        "]",
                                        "[",
                                        "INSERT INTO t VALUES (",
                                        "UPDATE t SET a =",
                                        "DELETE FROM t",
                                        "RETURNING",
                                        "ORDER BY",
                                        "LIMIT",
                                        "FOR UPDATE",
                                        "UNION",
                                        "WITH x AS (SELECT",
                                        "x",
                                        "CASE WHEN",
                                        "THEN",
                                        "END",
                                        "BETWEEN",
                                        "LIKE",
                                        "ESCAPE",
                                        ";",
                                        "EXISTS (SELECT",
                                        "JOIN",
                                        "ON",
                                        "U&\"d\\0061\"",
                                        "interval",
                                        "date",
                                        "COLLATE \"C\"",
                                        "AT TIME ZONE",
                                        "FETCH FIRST",
                                        "ROWS ONLY",
                                        "INTO",
                                        "set_config(",
                                        "UESCAPE",
                                        "N",
                                        "E",
                                        "explain",
                                        "analyze",
                                        "table"};

std::vector<Piece> make_pieces(TextMaker& maker) {
  std::vector<Piece> pieces;
  if (maker.below(4) != 0) pieces.push_back({"SELECT", 0});
  const std::size_t count = 1 + maker.below(14);
  for (std::size_t i = 0; i < count; ++i) {
    if (maker.below(3) == 0) {
      pieces.push_back({"", maker.below(5)});
    } else {
      pieces.push_back({maker.pick(fixed_pieces), 0});
    }
  }
  // Close what is open, so that more of the texts are valid.
  int open = 0;
  for (const Piece& piece : pieces) {
    for (const char c : piece.fixed) open += c == '(' ? 1 : c == ')' ? -1 : 0;
  }
  for (; open > 0; --open) pieces.push_back({")", 0});
  return pieces;
}

std::string assemble(TextMaker& maker, const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) {
    text += piece.fixed.empty() ? maker.literal(piece.literal_kind) : piece.fixed;
    text += maker.blank();
  }
  return text;
}

std::string spell(const StatementFacts& facts) {
  std::string spelt(name_of(facts.statement_class));
  spelt += " " + std::to_string(static_cast<int>(facts.transaction_effect)) + " " +
           std::string(name_of(facts.pin)) + " " + std::to_string(facts.statement_count) + " " +
           std::to_string(facts.may_leave_read_only);
  for (const std::string& name : facts.tables) spelt += " t:" + name;
  for (const std::string& name : facts.functions) spelt += " f:" + name;
  return spelt + " c:" + std::to_string(facts.changes.size()) + " " + facts.executes + " " + facts.because;
}

TEST_CASE("normal form: random texts of one form → the same facts") {
  TextMaker maker(20'221'122);
  const auto catalogue = Catalogue::built_in();
  std::size_t valid = 0;
  for (int i = 0; i < 12'000; ++i) {
    const std::vector<Piece> pieces = make_pieces(maker);
    const std::string one = assemble(maker, pieces);
    const std::string other = assemble(maker, pieces);
    const Classified first = classify(one, *catalogue);
    if (!first.is_shareable || form_of(one) != form_of(other)) continue;
    ++valid;
    const Classified second = classify(other, *catalogue);
    CAPTURE(one);
    CAPTURE(other);
    REQUIRE(spell(first.facts) == spell(second.facts));
  }
  // The generator is of use only if enough of its texts are valid.
  CHECK(valid > 500);
}

TEST_CASE("lexer: random texts → tokens begin where PostgreSQL's own scanner has them begin") {
  static constexpr const char* fragments[] = {
      "'a'", "''",       "'",      "\"",      "\"b\"", "$$",    "$a$",   "$1",      "$",       "a",    "B",
      "e'",  "E'\\'",    "\\",     "n'x'",    "x'1F'", "b'01'", "--",    "/*",      "*/",      "\n",   " ",
      "*",   "/",        "-",      "+",       "<",     ">",     "=",     "@",       "::",      ":=",   "..",
      ".",   "1",        "1.5",    "2e3",     ".7",    "(",     ")",     "[",       "]",       ",",    ";",
      ":",   "\xc3\xa4", "_x",     "a$b",     "12",    "\t",    "u&'x'", "U&\"y\"", "uescape", "'\n'", "e",
      "0",   "\r",       "-- c\n", "/* c */", "||",    "!=",    "~",     "&",       "u",       "n",    "x"};
  TextMaker maker(4'711);
  std::size_t compared = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text;
    const std::size_t count = 1 + maker.below(9);
    for (std::size_t k = 0; k < count; ++k) text += maker.pick(fragments);
    const PgQueryScanResult scanned = pg_query_scan(text.c_str());
    if (scanned.error == nullptr) {
      std::set<std::size_t> begins;
      PgQuery__ScanResult* tokens = pg_query__scan_result__unpack(
          nullptr, scanned.pbuf.len, reinterpret_cast<const std::uint8_t*>(scanned.pbuf.data));
      for (std::size_t k = 0; k < tokens->n_tokens; ++k)
        begins.insert(static_cast<std::size_t>(tokens->tokens[k]->start));
      pg_query__scan_result__free_unpacked(tokens, nullptr);
      CAPTURE(text);
      Lexer lexer(text);
      for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
        if (token.kind == TokenKind::broken) break;
        // A string that goes on behind a line comment: the server says so, and ours; libpg_query makes
        // comments tokens of their own and has no such thing.
        const std::string_view source = std::string_view(text).substr(token.begin, token.end - token.begin);
        if (token.kind != TokenKind::comment && source.find("--") != std::string_view::npos) break;
        REQUIRE(begins.contains(token.begin));
        // No token of theirs begins inside one of ours, but for operators, which we do not take apart.
        if (token.kind == TokenKind::operator_ || token.kind == TokenKind::national ||
            token.kind == TokenKind::odd)
          continue;
        const auto inside = begins.upper_bound(token.begin);
        REQUIRE((inside == begins.end() || *inside >= token.end));
        ++compared;
      }
    }
    pg_query_free_scan_result(scanned);
  }
  CHECK(compared > 5'000);
}

TEST_CASE("lexer: statement with comments and blanks around it → the statement") {
  CHECK(trim_statement("  /* a */ SELECT 1 -- b") == "SELECT 1");
  CHECK(trim_statement("-- a\nSELECT /* in */ 1\n/* z */ ") == "SELECT /* in */ 1");
  CHECK(trim_statement(" -- only").empty());
  CHECK(trim_statement("").empty());
}

TEST_CASE("lexer: every cut of a text → no read past its end") {
  constexpr std::string_view text =
      "SELECT E'a\\'b', U&'c' UESCAPE '!', $x$ y $x$, \"q\"\"q\", 1.5e-3 /* c /* d */ e */ -- f\n, 'g'\n'h', "
      "B'1', $1, a::int";
  for (std::size_t length = 0; length <= text.size(); ++length) {
    const std::vector<char> exact(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
    Lexer lexer(std::string_view(exact.data(), exact.size()));
    std::size_t last = 0;
    for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
      REQUIRE(token.begin >= last);
      REQUIRE(token.end > token.begin);
      REQUIRE(token.end <= length);
      last = token.end;
    }
  }
}

}  // namespace
}  // namespace protocol::postgres
