#include "protocol/postgres/lexer.hpp"

#include <array>
#include <limits>

namespace protocol::postgres {
namespace {

enum class CharClass : std::uint8_t {
  other,
  space,
  letter,
  digit,
  operator_,
  punctuation,
  quote,
  double_quote,
  dollar,
  dot,
  colon
};

constexpr std::array<CharClass, 256> make_char_classes() {
  std::array<CharClass, 256> classes{};
  for (const char c : {' ', '\t', '\n', '\r', '\f'})
    classes[static_cast<unsigned char>(c)] = CharClass::space;
  for (unsigned c = 'a'; c <= 'z'; ++c) classes[c] = classes[c - 'a' + 'A'] = CharClass::letter;
  for (unsigned c = 0x80; c <= 0xff; ++c) classes[c] = CharClass::letter;
  classes['_'] = CharClass::letter;
  for (unsigned c = '0'; c <= '9'; ++c) classes[c] = CharClass::digit;
  for (const char c : std::string_view("~!@#^&|`?+-*/%<>="))
    classes[static_cast<unsigned char>(c)] = CharClass::operator_;
  for (const char c : std::string_view(",()[];"))
    classes[static_cast<unsigned char>(c)] = CharClass::punctuation;
  classes['\''] = CharClass::quote;
  classes['"'] = CharClass::double_quote;
  classes['$'] = CharClass::dollar;
  classes['.'] = CharClass::dot;
  classes[':'] = CharClass::colon;
  return classes;
}

constexpr auto char_classes = make_char_classes();

CharClass class_of(char c) {
  return char_classes[static_cast<unsigned char>(c)];
}
bool is_digit(char c) {
  return class_of(c) == CharClass::digit;
}
bool is_name_start(char c) {
  return class_of(c) == CharClass::letter;
}
bool is_tag_part(char c) {
  return is_name_start(c) || is_digit(c);
}
bool is_name_part(char c) {
  return is_tag_part(c) || c == '$';
}

}  // namespace

Token Lexer::finish(TokenKind kind, std::size_t begin, std::size_t end) {
  position_ = kind == TokenKind::broken ? text_.size() : end;
  return Token{kind, begin, position_, false};
}

Token Lexer::next() {
  while (position_ < text_.size() && class_of(text_[position_]) == CharClass::space) ++position_;
  const std::size_t begin = position_;
  if (begin == text_.size()) return finish(TokenKind::end, begin, begin);
  const char c = text_[begin];
  switch (class_of(c)) {
    case CharClass::letter:
      return read_word(begin);
    case CharClass::digit:
      return read_number(begin);
    case CharClass::quote:
      return read_string(TokenKind::string, begin, begin);
    case CharClass::double_quote:
      return read_quoted_name(begin, begin, TokenKind::quoted_name);
    case CharClass::dollar:
      return read_dollar(begin);
    case CharClass::punctuation:
      return finish(TokenKind::punctuation, begin, begin + 1);
    case CharClass::dot:
      if (is_at(begin + 1, '.')) return finish(TokenKind::punctuation, begin, begin + 2);
      if (begin + 1 < text_.size() && is_digit(text_[begin + 1])) return read_number(begin);
      return finish(TokenKind::punctuation, begin, begin + 1);
    case CharClass::colon:
      return read_colon(begin);
    case CharClass::operator_:
      if (c == '-' && is_at(begin + 1, '-')) return read_line_comment(begin);
      if (c == '/' && is_at(begin + 1, '*')) return read_block_comment(begin);
      return read_operator(begin);
    case CharClass::space:
    case CharClass::other:
      break;
  }
  return finish(TokenKind::broken, begin, begin);
}

Token Lexer::read_colon(std::size_t begin) {
  const bool is_pair = is_at(begin + 1, ':') || is_at(begin + 1, '=');
  return finish(TokenKind::punctuation, begin, begin + (is_pair ? 2 : 1));
}

Token Lexer::read_line_comment(std::size_t begin) {
  const std::size_t end = text_.find_first_of("\n\r", begin);
  return finish(TokenKind::comment, begin, end == std::string_view::npos ? text_.size() : end);
}

Token Lexer::read_block_comment(std::size_t begin) {
  std::size_t depth = 1;
  for (std::size_t i = begin + 2; i + 1 < text_.size();) {
    if (text_[i] == '*' && text_[i + 1] == '/') {
      i += 2;
      if (--depth == 0) return finish(TokenKind::comment, begin, i);
    } else if (text_[i] == '/' && text_[i + 1] == '*') {
      ++depth;
      i += 2;
    } else {
      ++i;
    }
  }
  return finish(TokenKind::broken, begin, begin);
}

Token Lexer::read_word(std::size_t begin) {
  const char next = begin + 1 < text_.size() ? text_[begin + 1] : ' ';
  if (next == '\'' || next == '&') {
    const Token token = read_prefixed(begin);
    if (token.kind != TokenKind::end) return token;
  }
  std::size_t end = begin + 1;
  while (end < text_.size() && is_name_part(text_[end])) ++end;
  return finish(TokenKind::word, begin, end);
}

/// A one-letter prefix of a quoted thing; kind end if it is only a word.
Token Lexer::read_prefixed(std::size_t begin) {
  const char prefix = static_cast<char>(text_[begin] | 0x20);
  if (text_[begin + 1] == '\'') {
    if (prefix == 'e') return read_escape_string(begin, begin + 1);
    if (prefix == 'n') return read_string(TokenKind::national, begin, begin + 1);
    if (prefix == 'b') return read_string(TokenKind::bits, begin, begin + 1);
    if (prefix == 'x') return read_string(TokenKind::hex, begin, begin + 1);
  } else if (prefix == 'u') {
    // The escapes inside decide whether such a token is valid, so no two of them are equal.
    if (is_at(begin + 2, '\'')) return read_string(TokenKind::odd, begin, begin + 2);
    if (is_at(begin + 2, '"')) return read_quoted_name(begin, begin + 2, TokenKind::odd);
  }
  return Token{};
}

Token Lexer::read_quoted_name(std::size_t begin, std::size_t quote, TokenKind kind) {
  for (std::size_t i = quote + 1; i < text_.size(); ++i) {
    if (text_[i] == '\0') break;
    if (text_[i] != '"') continue;
    if (!is_at(i + 1, '"')) {
      // An empty name is an error of its own.
      return finish(i == quote + 1 ? TokenKind::odd : kind, begin, i + 1);
    }
    ++i;
  }
  return finish(TokenKind::broken, begin, begin);
}

std::size_t Lexer::find_continuation(std::size_t position) const {
  bool has_line_break = false;
  while (position < text_.size()) {
    const char c = text_[position];
    if (c == '\n' || c == '\r') {
      has_line_break = true;
    } else if (c == '-' && is_at(position + 1, '-')) {
      position = text_.find_first_of("\n\r", position);
      if (position == std::string_view::npos) break;
      continue;
    } else if (class_of(c) != CharClass::space) {
      return has_line_break && c == '\'' ? position : std::string_view::npos;
    }
    ++position;
  }
  return std::string_view::npos;
}

Token Lexer::read_string(TokenKind kind, std::size_t begin, std::size_t quote) {
  const bool may_be_ambiguous = kind == TokenKind::string || kind == TokenKind::national;
  const bool has_doubled_quotes = kind != TokenKind::bits && kind != TokenKind::hex;
  bool is_ambiguous = false;
  std::size_t i = quote + 1;
  while (i < text_.size()) {
    const std::size_t mark = text_.find_first_of(std::string_view("'\\\0", 3), i);
    if (mark == std::string_view::npos || text_[mark] == '\0') break;
    if (text_[mark] == '\\') {
      std::size_t after = mark;
      while (is_at(after, '\\')) ++after;
      if (may_be_ambiguous && (after - mark) % 2 == 1 && is_at(after, '\'')) is_ambiguous = true;
      i = after;
      continue;
    }
    if (has_doubled_quotes && is_at(mark + 1, '\'')) {
      i = mark + 2;
      continue;
    }
    const std::size_t again = find_continuation(mark + 1);
    if (again != std::string_view::npos) {
      i = again + 1;
      continue;
    }
    Token token = finish(kind, begin, mark + 1);
    token.is_ambiguous = is_ambiguous;
    return token;
  }
  return finish(TokenKind::broken, begin, begin);
}

Token Lexer::read_escape_string(std::size_t begin, std::size_t quote) {
  bool is_odd = false;
  for (std::size_t i = quote + 1; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '\0') break;
    if (c == '\\') {
      ++i;
      // Escapes by number can make a string that is not valid text.
      if (i < text_.size() && (is_digit(text_[i]) || text_[i] == 'x' || text_[i] == 'u' || text_[i] == 'U'))
        is_odd = true;
    } else if (c == '\'') {
      if (is_at(i + 1, '\'')) {
        ++i;
        continue;
      }
      const std::size_t again = find_continuation(i + 1);
      if (again == std::string_view::npos)
        return finish(is_odd ? TokenKind::odd : TokenKind::string, begin, i + 1);
      i = again;
    }
  }
  return finish(TokenKind::broken, begin, begin);
}

Token Lexer::read_dollar(std::size_t begin) {
  std::size_t end = begin + 1;
  if (end < text_.size() && is_digit(text_[end])) {
    while (end < text_.size() && is_digit(text_[end])) ++end;
    // A parameter's number must fit 32 bits, and letters straight behind it are an error in some versions.
    const bool is_odd = end - begin > 6 || (end < text_.size() && is_name_start(text_[end]));
    return finish(is_odd ? TokenKind::odd : TokenKind::parameter, begin, end);
  }
  if (end < text_.size() && is_name_start(text_[end])) {
    while (end < text_.size() && is_tag_part(text_[end])) ++end;
  }
  if (!is_at(end, '$')) return finish(TokenKind::broken, begin, begin);
  const std::string_view delimiter = text_.substr(begin, end + 1 - begin);
  const std::size_t close = text_.find(delimiter, end + 1);
  if (close == std::string_view::npos) return finish(TokenKind::broken, begin, begin);
  return finish(TokenKind::string, begin, close + delimiter.size());
}

Token Lexer::read_number(std::size_t begin) {
  std::size_t end = begin;
  std::uint64_t value = 0;
  bool is_whole = true;
  constexpr std::uint64_t whole_max = std::numeric_limits<std::int32_t>::max();
  while (end < text_.size() && is_digit(text_[end])) {
    value = value > whole_max ? value : value * 10 + static_cast<std::uint64_t>(text_[end] - '0');
    ++end;
  }
  if (is_at(end, '.') && !is_at(end + 1, '.')) {
    is_whole = false;
    ++end;
    while (end < text_.size() && is_digit(text_[end])) ++end;
  }
  if (end < text_.size() && (text_[end] | 0x20) == 'e') {
    std::size_t exponent = end + 1;
    if (is_at(exponent, '+') || is_at(exponent, '-')) ++exponent;
    if (exponent < text_.size() && is_digit(text_[exponent])) {
      is_whole = false;
      end = exponent;
      while (end < text_.size() && is_digit(text_[end])) ++end;
    }
  }
  if (end < text_.size() && is_name_start(text_[end])) {
    // 0x1F, 1_000, 12abc: one number, two tokens or an error, depending on the server's version.
    while (end < text_.size() && is_tag_part(text_[end])) ++end;
    return finish(TokenKind::odd, begin, end);
  }
  return finish(is_whole && value <= whole_max ? TokenKind::integer : TokenKind::number, begin, end);
}

Token Lexer::read_operator(std::size_t begin) {
  std::size_t end = begin + 1;
  while (end < text_.size() && class_of(text_[end]) == CharClass::operator_) {
    if (text_[end] == '-' && is_at(end + 1, '-')) break;
    if (text_[end] == '/' && is_at(end + 1, '*')) break;
    ++end;
  }
  return finish(TokenKind::operator_, begin, end);
}

std::string_view trim_statement(std::string_view text) {
  Lexer lexer(text);
  std::size_t begin = std::string_view::npos;
  std::size_t end = 0;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.kind == TokenKind::comment) continue;
    if (begin == std::string_view::npos) begin = token.begin;
    end = token.end;
  }
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin);
}

}  // namespace protocol::postgres
