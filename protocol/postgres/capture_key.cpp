#include "protocol/postgres/capture_key.hpp"

#include "protocol/postgres/lexer.hpp"
#include "protocol/postgres/quoting.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <vector>

/// Source: PostgreSQL 15 manual, UPDATE, 4.1.2.7 "Constants of Other Types", 4.2.9 "Type Casts".
namespace protocol::postgres {
namespace {

/// A longer statement changes keys in no way that is understood here.
constexpr std::size_t tokens_max = 10'000;

struct Word {
  TokenKind kind = TokenKind::end;
  std::string_view written;
  std::string folded;  ///< of a word; what a name means
};
using Words = std::span<const Word>;

/// What a quoted name means; nothing for one with escapes in it.
std::string unquoted(std::string_view name) {
  if (!name.starts_with('"')) return {};
  std::string meant;
  for (std::size_t i = 1; i + 1 < name.size(); ++i) {
    meant.push_back(name[i]);
    if (name[i] == '"') ++i;
  }
  return meant;
}

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.kind == TokenKind::comment) continue;
    if (token.kind == TokenKind::broken || token.kind == TokenKind::odd || token.is_ambiguous || words.size() == tokens_max) return {};
    Word word{token.kind, text.substr(token.begin, token.end - token.begin), {}};
    if (word.kind == TokenKind::word) {
      word.folded = word.written;
      std::ranges::transform(word.folded, word.folded.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    }
    if (word.kind == TokenKind::quoted_name) word.folded = unquoted(word.written);
    words.push_back(std::move(word));
  }
  if (!words.empty() && words.back().written == ";") words.pop_back();
  return words;
}

bool is_keyword(const Word& word, std::string_view wanted) { return word.kind == TokenKind::word && word.folded == wanted; }

bool is_any(const Word& word, std::initializer_list<std::string_view> wanted) {
  return std::ranges::any_of(wanted, [&](std::string_view each) { return is_keyword(word, each); });
}

bool is_name(const Word& word) { return (word.kind == TokenKind::word || word.kind == TokenKind::quoted_name) && !word.folded.empty(); }

/// The places outside of brackets where `is_wanted`.
template <typename Wanted>
std::vector<std::size_t> places_of(Words words, Wanted is_wanted) {
  std::vector<std::size_t> places;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (depth == 0 && is_wanted(words[i])) places.push_back(i);
    if (words[i].written == ")" || words[i].written == "]") depth -= depth > 0 ? 1 : 0;
    if (words[i].written == "(" || words[i].written == "[") ++depth;
  }
  return places;
}

/// The whole stands between two brackets that belong together.
bool is_in_brackets(Words words) {
  if (words.size() < 3 || words.front().written != "(") return false;
  const std::vector<std::size_t> closings = places_of(words.subspan(1), [](const Word& word) { return word.written == ")"; });
  return !closings.empty() && closings.front() + 2 == words.size();
}

/// The text from the first word to the last: they are pieces of one.
std::string_view text_of(Words words) {
  if (words.empty()) return {};
  const char* begin = words.front().written.data();
  const char* end = words.back().written.data() + words.back().written.size();
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// Takes the name of a type from the front; false when it is none that is known how to end.
bool take_type(Words& words) {
  if (words.empty() || !is_name(words.front())) return false;
  words = words.subspan(1);
  while (words.size() > 1 && words.front().written == "." && is_name(words[1])) words = words.subspan(2);
  while (!words.empty() && is_any(words.front(), {"precision", "varying", "with", "without", "time", "zone"})) words = words.subspan(1);
  if (words.size() > 2 && words[0].written == "(" && words[1].kind == TokenKind::integer && words[2].written == ")") words = words.subspan(3);
  while (words.size() > 1 && words[0].written == "[" && words[1].written == "]") words = words.subspan(2);
  return true;
}

/// A constant or a parameter, perhaps cast: the same for every row, and in RETURNING as in WHERE.
bool is_fixed(Words words) {
  if (is_in_brackets(words)) return is_fixed(words.subspan(1, words.size() - 2));
  if (!words.empty() && words.front().written == "-") words = words.subspan(1);
  if (words.empty()) return false;
  switch (words.front().kind) {
    case TokenKind::integer:
    case TokenKind::number:
    case TokenKind::string:
    case TokenKind::parameter: words = words.subspan(1); break;
    case TokenKind::word:
      if (is_any(words.front(), {"true", "false"})) {
        words = words.subspan(1);
        break;
      }
      // A type in front of a string.
      if (words.size() < 2 || words[1].kind != TokenKind::string) return false;
      words = words.subspan(2);
      break;
    default: return false;
  }
  while (!words.empty() && words.front().written == "::") {
    words = words.subspan(1);
    if (!take_type(words)) return false;
  }
  return words.empty();
}

class KeyReader {
 public:
  explicit KeyReader(const CaptureStatement& statement) : statement_(statement) {}

  /// What WHERE demands; false when it cannot be told.
  void read_conditions(Words words) {
    if (is_in_brackets(words)) return read_conditions(words.subspan(1, words.size() - 2));
    const auto is_tie = [](const Word& word) { return is_any(word, {"or", "between", "case"}); };
    if (!places_of(words, is_tie).empty()) return;
    const std::vector<std::size_t> ands = places_of(words, [](const Word& word) { return is_keyword(word, "and"); });
    if (ands.empty()) return read_condition(words);
    std::size_t begin = 0;
    for (const std::size_t place : ands) {
      read_conditions(words.subspan(begin, place - begin));
      begin = place + 1;
    }
    read_conditions(words.subspan(begin));
  }

  /// `id = id + 1`, `id = -id` among the assignments.
  void read_assignments(Words words) {
    std::vector<std::size_t> commas = places_of(words, [](const Word& word) { return word.written == ","; });
    commas.push_back(words.size());
    std::size_t begin = 0;
    for (const std::size_t place : commas) {
      read_assignment(words.subspan(begin, place - begin));
      begin = place + 1;
    }
  }

  [[nodiscard]] std::string find(const std::string& column, const CaptureTable& table) const {
    const std::string now = statement_.reference + "." + quote_name(column);
    if (std::ranges::find(statement_.columns, column) == statement_.columns.end()) return now;
    if (const auto demanded = demanded_.find(column); demanded != demanded_.end()) return "(" + demanded->second + ")";
    const bool is_exact = std::ranges::find(table.exact_numbers, column) != table.exact_numbers.end();
    const auto shift = shifts_.find(column);
    // A trigger may have shifted it further.
    if (shift == shifts_.end() || !is_exact || table.skips_triggers) return {};
    return shift->second.empty() ? "(- " + now + ")" : "(" + now + shift->second + ")";
  }

 private:
  /// Takes `column`, or `table.column` of the table that is updated, from the front; empty: it is neither.
  std::string take_column(Words& words) const {
    if (words.empty() || !is_name(words.front())) return {};
    std::string name = words.front().folded;
    if (words.size() > 2 && words[1].written == "." && is_name(words[2])) {
      if (quote_name(name) != statement_.reference) return {};
      name = words[2].folded;
      words = words.subspan(2);
    }
    words = words.subspan(1);
    return name;
  }

  void read_condition(Words words) {
    const std::string column = take_column(words);
    if (column.empty() || words.size() < 2) return;
    Words value = words.subspan(1);
    const bool is_in = is_keyword(words.front(), "in") && value.front().written == "(";
    if (words.front().written != "=" && !is_in) return;
    if (is_fixed(value)) demanded_.insert_or_assign(column, std::string(text_of(value)));
  }

  void read_assignment(Words words) {
    Words rest = words;
    const std::string column = take_column(rest);
    if (column.empty() || rest.size() < 3 || rest.front().written != "=") return;
    rest = rest.subspan(1);
    const bool is_negated = rest.front().written == "-";
    if (is_negated) rest = rest.subspan(1);
    if (take_column(rest) != column) return;
    if (is_negated) {
      if (rest.empty()) shifts_.insert_or_assign(column, std::string());
      return;
    }
    if (rest.size() < 2 || (rest.front().written != "+" && rest.front().written != "-")) return;
    const Words by = rest.subspan(1);
    if (!is_fixed(by) || by.front().kind == TokenKind::string || by.front().kind == TokenKind::word) return;
    shifts_.insert_or_assign(column, std::string(rest.front().written == "+" ? " - (" : " + (") + std::string(text_of(by)) + ")");
  }

  const CaptureStatement& statement_;
  std::map<std::string, std::string> demanded_;
  std::map<std::string, std::string> shifts_;  ///< what undoes it; empty: the sign is the other one
};

}  // namespace

std::string old_key_expression(std::string_view source, const CaptureStatement& statement, const CaptureTable& table) {
  const std::vector<Word> words = words_of(source);
  const auto sets = places_of(words, [](const Word& word) { return is_keyword(word, "set"); });
  if (sets.size() != 1 || table.key.empty()) return {};
  const Words behind = Words(words).subspan(sets.front() + 1);
  const auto ends = places_of(behind, [](const Word& word) { return is_any(word, {"from", "where", "returning"}); });
  const auto wheres = places_of(behind, [](const Word& word) { return is_keyword(word, "where"); });
  const auto returnings = places_of(behind, [](const Word& word) { return is_keyword(word, "returning"); });
  if (wheres.size() > 1 || returnings.size() > 1) return {};
  KeyReader reader(statement);
  reader.read_assignments(behind.first(ends.empty() ? behind.size() : ends.front()));
  const std::size_t end = returnings.empty() ? behind.size() : returnings.front();
  if (!wheres.empty() && wheres.front() < end) reader.read_conditions(behind.subspan(wheres.front() + 1, end - wheres.front() - 1));
  std::string row;
  for (const std::string& column : table.key) {
    const std::string before = reader.find(column, table);
    if (before.empty()) return {};
    row += (row.empty() ? "ROW(" : ", ") + before + "::pg_catalog.text";
  }
  return row + ")::pg_catalog.text";
}

}  // namespace protocol::postgres
