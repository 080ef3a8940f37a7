#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// PostgreSQL's lexical rules, far enough to tell where every token begins and ends.
/// Source: PostgreSQL 15 manual, 4.1 "Lexical Structure".
namespace protocol::postgres {

enum class TokenKind : std::uint8_t {
  end,          ///< nothing is left
  word,         ///< keyword or unquoted name
  quoted_name,  ///< "…" or U&"…"
  integer,      ///< fits 32 bits, signed
  number,       ///< any other number
  string,       ///< '…', E'…' or $tag$…$tag$
  national,     ///< N'…'
  bits,         ///< B'…'
  hex,          ///< X'…'
  parameter,    ///< $1
  operator_,    ///< a run of operator characters, as long as no comment begins in it
  punctuation,  ///< one of , ( ) [ ] . ; : or one of :: := ..
  comment,      ///< either kind, delimiters included
  odd,     ///< a well-delimited token whose content decides whether it is valid: never treated as equal to
           ///< another
  broken,  ///< unterminated, or a byte that no token begins with; nothing after it is known
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::size_t begin = 0;
  std::size_t end = 0;
  /// A quoted string holds an odd run of backslashes before a quote: where it ends depends on the session's
  /// standard_conforming_strings.
  bool is_ambiguous = false;
};

/// Splits `text` into tokens. Never fails, never reads past the end; `text` must outlive it.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  [[nodiscard]] Token next();

 private:
  [[nodiscard]] bool is_at(std::size_t position, char wanted) const {
    return position < text_.size() && text_[position] == wanted;
  }
  [[nodiscard]] Token finish(TokenKind kind, std::size_t begin, std::size_t end);
  [[nodiscard]] Token read_block_comment(std::size_t begin);
  [[nodiscard]] Token read_line_comment(std::size_t begin);
  [[nodiscard]] Token read_word(std::size_t begin);
  [[nodiscard]] Token read_prefixed(std::size_t begin);
  [[nodiscard]] Token read_number(std::size_t begin);
  [[nodiscard]] Token read_dollar(std::size_t begin);
  [[nodiscard]] Token read_operator(std::size_t begin);
  [[nodiscard]] Token read_colon(std::size_t begin);
  [[nodiscard]] Token read_quoted_name(std::size_t begin, std::size_t quote, TokenKind kind);
  /// `quote` is where the opening quote stands.
  [[nodiscard]] Token read_string(TokenKind kind, std::size_t begin, std::size_t quote);
  [[nodiscard]] Token read_escape_string(std::size_t begin, std::size_t quote);
  /// Where a string that closed just before `position` goes on after a line break; npos if it does not.
  [[nodiscard]] std::size_t find_continuation(std::size_t position) const;

  std::string_view text_;
  std::size_t position_ = 0;
};

/// The part of `text` from its first token to the end of its last one: no comments and no blanks around it.
[[nodiscard]] std::string_view trim_statement(std::string_view text);

}  // namespace protocol::postgres
