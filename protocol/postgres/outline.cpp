#include "protocol/postgres/outline.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace protocol::postgres {

namespace {

/// What a byte is where a token may begin.
enum class Kind : std::uint8_t {
  plain,   ///< stands for itself
  word,    ///< begins a name, a keyword or, with a point, a number
  digit,
  dollar,  ///< a parameter, or a string in dollar quotes
  quote,   ///< a string
  dash,    ///< an operator, or a comment
  slash,
  opaque,  ///< nothing can be said of what follows
};

constexpr std::array<Kind, 256> make_kinds() {
  std::array<Kind, 256> kinds{};
  for (Kind& kind : kinds) kind = Kind::opaque;  // control characters, braces and the like are in no token
  for (const char c : std::string_view(" \t\n\r\f~!@#^&|`?+*%<>=,()[];:")) kinds[static_cast<unsigned char>(c)] = Kind::plain;
  for (std::size_t c = 'a'; c <= 'z'; ++c) kinds[c] = kinds[c - 'a' + 'A'] = Kind::word;
  kinds['_'] = kinds['.'] = Kind::word;
  for (std::size_t c = '0'; c <= '9'; ++c) kinds[c] = Kind::digit;
  kinds['$'] = Kind::dollar;
  kinds['\''] = Kind::quote;
  kinds['-'] = Kind::dash;
  kinds['/'] = Kind::slash;
  return kinds;
}

constexpr std::array<Kind, 256> kinds = make_kinds();

Kind kind_of(char c) { return kinds[static_cast<unsigned char>(c)]; }

/// A longer row of digits may be too large for an integer, and is another kind of literal then.
constexpr std::size_t integer_digits_max = 9;

class OutlineWriter {
 public:
  OutlineWriter(std::string_view text, char* target) : text_(text), target_(target) {}

  [[nodiscard]] bool write() {
    while (read_ < text_.size()) {
      switch (kind_of(text_[read_])) {
        case Kind::plain: copy(); break;
        case Kind::word:
          if (!write_word()) return false;
          break;
        case Kind::digit:
          if (!write_number()) return false;
          break;
        case Kind::dollar:
          if (kind_of(at(read_ + 1)) != Kind::digit) return false;
          copy();
          if (!write_word()) return false;
          break;
        case Kind::quote:
          if (!write_string()) return false;
          break;
        case Kind::dash:
          if (at(read_ + 1) == '-') return false;
          copy();
          break;
        case Kind::slash:
          if (at(read_ + 1) == '*') return false;
          copy();
          break;
        case Kind::opaque: return false;
      }
    }
    return true;
  }

  [[nodiscard]] std::size_t written() const { return written_; }

 private:
  [[nodiscard]] char at(std::size_t index) const { return index < text_.size() ? text_[index] : ' '; }
  void copy() { target_[written_++] = text_[read_++]; }

  /// The rest of a word, a parameter, or a number that is no plain integer. What ends in a quote had a prefix's meaning.
  [[nodiscard]] bool write_word() {
    const std::size_t begin = read_;
    while (read_ < text_.size()) {
      const Kind kind = kind_of(text_[read_]);
      if (kind == Kind::quote || kind == Kind::dollar || text_[read_] == '&') return false;
      if (kind != Kind::word && kind != Kind::digit) break;
      copy();
    }
    return !ends_in_uescape(text_.substr(begin, read_ - begin));
  }

  /// The string behind it says how another is read. What ends so may be more than one token.
  [[nodiscard]] static bool ends_in_uescape(std::string_view word) {
    constexpr std::string_view keyword = "uescape";
    if (word.size() < keyword.size()) return false;
    word.remove_prefix(word.size() - keyword.size());
    return std::equal(word.begin(), word.end(), keyword.begin(),
                      [](char written, char lower) { return (written | 0x20) == lower; });
  }

  [[nodiscard]] bool write_number() {
    std::size_t end = read_ + 1;
    while (kind_of(at(end)) == Kind::digit) ++end;
    const Kind behind = kind_of(at(end));
    if (behind == Kind::word || behind == Kind::dollar || end - read_ > integer_digits_max) return write_word();
    target_[written_++] = '0';
    read_ = end;
    return true;
  }

  [[nodiscard]] bool write_string() {
    for (std::size_t end = read_ + 1; end < text_.size(); ++end) {
      const char c = text_[end];
      if (c == '\'' && at(end + 1) == '\'') {
        ++end;
      } else if (c == '\'') {
        target_[written_++] = '\'';
        target_[written_++] = '\'';
        read_ = end + 1;
        return true;
      } else if (c == '\\' || c == '\0') {
        return false;
      }
    }
    return false;
  }

  std::string_view text_;
  char* target_;
  std::size_t read_ = 0;
  std::size_t written_ = 0;
};

}  // namespace

std::optional<std::string_view> write_outline(std::string_view text, std::span<char> target) {
  if (text.size() > target.size()) return std::nullopt;  // nothing is written longer than it is
  OutlineWriter writer(text, target.data());
  if (!writer.write()) return std::nullopt;
  return std::string_view(target.data(), writer.written());
}

}  // namespace protocol::postgres
