#include "protocol/postgres/fingerprint.hpp"

#include "protocol/postgres/lexer.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace protocol::postgres {
namespace {

/// Ends every token of a normal form; a text never holds it.
constexpr char separator = '\0';

bool is_literal(TokenKind kind) {
  switch (kind) {
    case TokenKind::integer:
    case TokenKind::number:
    case TokenKind::string:
    case TokenKind::national:
    case TokenKind::bits:
    case TokenKind::hex:
    case TokenKind::parameter:
      return true;
    case TokenKind::end:
    case TokenKind::word:
    case TokenKind::quoted_name:
    case TokenKind::operator_:
    case TokenKind::punctuation:
    case TokenKind::comment:
    case TokenKind::odd:
    case TokenKind::broken:
      break;
  }
  return false;
}

/// What stands for a literal: the grammar tells these kinds apart, and nothing else about them.
std::string_view mark_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::integer:
      return "0";
    case TokenKind::number:
      return "0.";
    case TokenKind::national:
      return "N'";
    case TokenKind::bits:
      return "B'";
    case TokenKind::hex:
      return "X'";
    case TokenKind::parameter:
      return "$";
    default:
      return "'";
  }
}

char fold(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

class FormWriter {
 public:
  FormWriter(std::string_view text, std::string& form) : text_(text), form_(form) {
    // No token is written longer than it is, but for its separator: this is room for all of them.
    form_.resize(2 * text.size());
  }

  /// What was written is the whole form.
  void finish() { form_.resize(size_); }

  void write(const Token& token) {
    const std::string_view source = text_.substr(token.begin, token.end - token.begin);
    if (is_literal(token.kind)) return write_literal(token.kind, source);
    const std::size_t token_begin = size_;
    char* const place = form_.data() + token_begin;
    if (token.kind == TokenKind::word) {
      for (std::size_t i = 0; i < source.size(); ++i) place[i] = fold(source[i]);
    } else {
      for (std::size_t i = 0; i < source.size(); ++i) place[i] = source[i];
    }
    place[source.size()] = separator;
    size_ += source.size() + 1;
    const std::string_view written(place, source.size());
    if (token.kind == TokenKind::punctuation) {
      on_punctuation(written.front(), token_begin);
    } else {
      list_ = List::none;
      if (row_ == Row::before || row_ == Row::behind || row_ == Row::comma) row_ = Row::none;
      if (token.kind == TokenKind::word) on_word(written);
    }
  }

 private:
  /// A list of literals: `IN (1, 2, 3)` is written as `IN (0)`.
  enum class List : std::uint8_t { none, announced_in, announced_array, open, literal, comma };
  /// Rows of VALUES: rows that look alike are written once.
  enum class Row : std::uint8_t { none, before, inside, behind, comma };

  void write_literal(TokenKind kind, std::string_view source) {
    if (row_ == Row::before || row_ == Row::behind || row_ == Row::comma) row_ = Row::none;
    if (list_ == List::comma) {
      size_ = list_comma_begin_;
      list_ = List::literal;
      return;
    }
    list_ = list_ == List::open ? List::literal : List::none;
    const std::string_view written = kind == TokenKind::string && is_escape_character_ ? source : mark_of(kind);
    char* const place = form_.data() + size_;
    for (std::size_t i = 0; i < written.size(); ++i) place[i] = written[i];
    place[written.size()] = separator;
    size_ += written.size() + 1;
    is_escape_character_ = false;
  }

  void on_word(std::string_view word) {
    // UESCAPE '!' decides how the name or string before it is read.
    is_escape_character_ = word == "uescape";
    if (word == "in") list_ = List::announced_in;
    if (word == "array") list_ = List::announced_array;
    if (word == "values" && row_ == Row::none) {
      row_ = Row::before;
      has_previous_row_ = false;
    }
  }

  void on_punctuation(char c, std::size_t token_begin) {
    advance_list(c, token_begin);
    advance_row(c, token_begin);
    is_escape_character_ = false;
  }

  void advance_list(char c, std::size_t token_begin) {
    if ((list_ == List::announced_in && c == '(') || (list_ == List::announced_array && c == '[')) {
      list_ = List::open;
    } else if (list_ == List::literal && c == ',') {
      list_ = List::comma;
      list_comma_begin_ = token_begin;
    } else {
      list_ = List::none;
    }
  }

  void advance_row(char c, std::size_t token_begin) {
    switch (row_) {
      case Row::none:
        return;
      case Row::before:
      case Row::comma:
        row_ = c == '(' ? Row::inside : Row::none;
        row_begin_ = token_begin;
        row_depth_ = 1;
        return;
      case Row::inside:
        if (c == '(') ++row_depth_;
        if (c == ')' && --row_depth_ == 0) end_row();
        return;
      case Row::behind:
        row_ = c == ',' ? Row::comma : Row::none;
        return;
    }
  }

  void end_row() {
    row_ = Row::behind;
    const std::string_view row(form_.data() + row_begin_, size_ - row_begin_);
    if (has_previous_row_ &&
        row == std::string_view(form_).substr(previous_begin_, previous_end_ - previous_begin_)) {
      size_ = previous_end_;
      return;
    }
    has_previous_row_ = true;
    previous_begin_ = row_begin_;
    previous_end_ = size_;
  }

  std::string_view text_;
  std::string& form_;
  std::size_t size_ = 0;  ///< written so far
  List list_ = List::none;
  Row row_ = Row::none;
  bool is_escape_character_ = false;
  bool has_previous_row_ = false;
  std::size_t list_comma_begin_ = 0;
  std::size_t row_begin_ = 0;
  std::size_t row_depth_ = 0;
  std::size_t previous_begin_ = 0;
  std::size_t previous_end_ = 0;
};

}  // namespace

NormalForm write_normal_form(std::string_view text, std::string& form) {
  form.clear();
  NormalForm result;
  Lexer lexer(text);
  FormWriter writer(text, form);
  std::size_t semicolons = 0;  // held back: those at the end do not count
  bool has_tokens = false;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.kind == TokenKind::broken) return result;
    if (token.kind == TokenKind::comment) {
      result.has_comments = true;
      continue;
    }
    if (token.kind == TokenKind::punctuation && text[token.begin] == ';') {
      ++semicolons;
      continue;
    }
    for (; semicolons > 0; --semicolons) writer.write(Token{TokenKind::operator_, 0, 0, false});
    if (!has_tokens) result.tokens_begin = token.begin;
    has_tokens = true;
    result.tokens_end = token.end;
    result.is_ambiguous = result.is_ambiguous || token.is_ambiguous;
    writer.write(token);
  }
  if (!has_tokens) result.tokens_begin = result.tokens_end = text.size();
  writer.finish();
  result.is_readable = true;
  return result;
}

namespace {

/// Words that make the tree deeper and stand in chains.
bool is_chaining(std::string_view word) {
  for (const std::string_view one : {"not", "is", "isnull", "notnull", "collate", "at", "like", "ilike",
                                     "similar", "escape", "in", "overlaps"}) {
    if (word == one) return true;
  }
  return false;
}

/// Words that chain across commas, AND and OR.
bool is_structural(std::string_view word) {
  return word == "join" || word == "union" || word == "intersect" || word == "except" || word == "between";
}

struct Level {
  std::size_t structural = 0;  ///< never forgotten
  std::size_t chain = 0;       ///< since the last separator
  std::size_t chain_max = 0;
  std::size_t betweens = 0;  ///< BETWEENs whose AND has not come: that AND separates nothing
  bool is_case = false;

  void separate() {
    chain_max = std::max(chain_max, chain);
    chain = 0;
  }
  [[nodiscard]] std::size_t depth() const { return structural + std::max(chain_max, chain); }
};

class DepthEstimator {
 public:
  std::size_t estimate(std::string_view text) {
    Lexer lexer(text);
    for (Token token = lexer.next(); token.kind != TokenKind::end && token.kind != TokenKind::broken;
         token = lexer.next()) {
      if (token.kind == TokenKind::word) on_word(text.substr(token.begin, token.end - token.begin));
      if (token.kind == TokenKind::punctuation)
        on_punctuation(text.substr(token.begin, token.end - token.begin));
      if (token.kind == TokenKind::operator_) levels_.back().chain += token.end - token.begin;
      deepest_ = std::max(deepest_, open_depth_ + levels_.back().depth());
    }
    return deepest_;
  }

 private:
  void open(bool is_case) {
    // What is left of the bracket may turn out to be above it in the tree, and what follows too.
    open_depth_ += levels_.back().depth() + 1;
    levels_.push_back(Level{});
    levels_.back().is_case = is_case;
  }

  void close() {
    if (levels_.size() == 1) return;
    const std::size_t inner = levels_.back().depth() + 1;
    levels_.pop_back();
    open_depth_ -= levels_.back().depth() + 1;
    levels_.back().chain += inner;
  }

  void on_word(std::string_view source) {
    constexpr std::size_t word_bytes_max = 9;
    if (source.size() > word_bytes_max || source.size() < 2) return;
    char buffer[word_bytes_max];
    std::transform(source.begin(), source.end(), buffer, fold);
    const std::string_view word(buffer, source.size());
    Level& level = levels_.back();
    if (word == "and" && level.betweens > 0) {
      --level.betweens;
    } else if (word == "and" || word == "or") {
      level.separate();
    } else if (level.is_case && (word == "when" || word == "then" || word == "else")) {
      level.separate();
    } else if (word == "case") {
      open(true);
    } else if (word == "end" && level.is_case) {
      close();
    } else if (is_structural(word)) {
      ++level.structural;
      if (word == "between") ++level.betweens;
    } else if (is_chaining(word)) {
      ++level.chain;
    }
  }

  void on_punctuation(std::string_view mark) {
    if (mark == "(" || mark == "[") {
      open(false);
    } else if (mark == ")" || mark == "]") {
      close();
    } else if (mark == "," || mark == ";") {
      levels_.back().separate();
    } else if (mark == "::") {
      ++levels_.back().chain;
    }
  }

  std::vector<Level> levels_{Level{}};
  std::size_t open_depth_ = 0;  ///< of the levels below the last
  std::size_t deepest_ = 0;
};

}  // namespace

std::size_t estimate_depth(std::string_view text) {
  return DepthEstimator().estimate(text);
}

}  // namespace protocol::postgres
