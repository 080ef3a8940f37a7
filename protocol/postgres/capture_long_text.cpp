#include "protocol/postgres/capture_long_text.hpp"

#include "protocol/postgres/known_functions.hpp"
#include "protocol/postgres/lexer.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace protocol::postgres {
namespace {

/// Looking through takes about 5 ns per byte.
constexpr std::size_t looked_through_bytes_max = std::size_t{4} << 20;

std::string folded(std::string_view word) {
  std::string name(word);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

}  // namespace

bool is_harmless(const Catalogue& catalogue, std::string_view function) {
  constexpr std::string_view system_prefix = "pg_catalog.";
  const bool is_systems = function.starts_with(system_prefix);
  if (is_systems) function.remove_prefix(system_prefix.size());
  const std::size_t point = function.find('.');
  if (point == std::string_view::npos && known::has_word(known::quiet_functions, function)) return !function.starts_with("lo");
  const std::string_view schema = is_systems ? "pg_catalog"
                                  : point == std::string_view::npos ? std::string_view() : function.substr(0, point);
  const std::string_view name = point == std::string_view::npos ? function : function.substr(point + 1);
  return catalogue.judge_function(schema, name) == Catalogue::Verdict::stable;
}

std::optional<std::string> with_first_row(std::string_view text, const Catalogue& catalogue) {
  if (text.size() > looked_through_bytes_max) return std::nullopt;
  Lexer lexer(text);
  std::size_t depth = 0;
  std::size_t head_end = 0;  // behind the first row
  std::size_t rest_begin = text.size();
  bool is_in_rows = false;
  std::string before;        // the word in front of this token
  bool is_first = true;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.kind == TokenKind::broken || token.is_ambiguous) return std::nullopt;
    if (token.kind == TokenKind::comment) continue;
    const std::string_view written = text.substr(token.begin, token.end - token.begin);
    const bool is_word = token.kind == TokenKind::word || token.kind == TokenKind::quoted_name;
    if (std::exchange(is_first, false) && folded(written) != "insert") return std::nullopt;
    const bool is_part_of_row = written == "(" || written == ",";
    if (is_in_rows && depth == 0 && head_end != 0 && !is_part_of_row) {
      rest_begin = token.begin;
      break;
    }
    if (written == "(") {
      if (is_in_rows && depth > 0 && !before.empty() && before != "row" && before != "cast" && !is_harmless(catalogue, before)) return std::nullopt;
      ++depth;
    } else if (written == ")") {
      if (depth == 0) return std::nullopt;
      if (--depth == 0 && is_in_rows && head_end == 0) head_end = token.end;
    }
    before = is_word ? folded(written) : std::string();
    if (depth == 0 && before == "values") is_in_rows = true;
    if (depth == 0 && before == "select") return std::nullopt;
  }
  if (head_end == 0 || depth != 0) return std::nullopt;
  return std::string(text.substr(0, head_end)) + " " + std::string(text.substr(rest_begin));
}

}  // namespace protocol::postgres
