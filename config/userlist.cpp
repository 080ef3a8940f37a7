#include "config/userlist.hpp"

#include <optional>
#include <set>

namespace config {

namespace {

constexpr std::size_t user_name_bytes_max = 63;
constexpr std::size_t secret_length_max = 4096;

/// A cursor over the whole text that knows its place.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  [[nodiscard]] bool is_done() const { return at_ == text_.size(); }
  [[nodiscard]] char peek() const { return is_done() ? '\n' : text_[at_]; }
  [[nodiscard]] bool is_line_end() const { return peek() == '\n'; }
  void skip_blanks() {
    while (!is_done() && (peek() == ' ' || peek() == '\t' || peek() == '\r')) ++at_;
  }
  void skip_line() {
    while (!is_done() && !is_line_end()) ++at_;
    if (is_done()) return;
    ++at_;
    ++line_;
    line_begin_ = at_;
  }
  /// A quoted text; nothing when it is not closed on its line.
  std::optional<std::string> take_quoted() {
    std::string value;
    for (++at_; !is_done() && !is_line_end(); ++at_) {
      if (peek() != '"') {
        value.push_back(peek());
        continue;
      }
      ++at_;
      if (peek() != '"') return value;
      value.push_back('"');
    }
    return std::nullopt;
  }
  [[nodiscard]] protocol::Error refuse(const char* why) const {
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                             "line " + std::to_string(line_) + ", column " +
                                 std::to_string(at_ - line_begin_ + 1) + ": " + why);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_begin_ = 0;
};

}  // namespace

protocol::Result<std::vector<UserlistEntry>> parse_userlist(std::string_view text) {
  std::vector<UserlistEntry> entries;
  std::set<std::string, std::less<>> seen;
  for (Cursor cursor(text); !cursor.is_done(); cursor.skip_line()) {
    cursor.skip_blanks();
    if (cursor.is_line_end() || cursor.peek() == ';') continue;
    if (cursor.peek() != '"') return cursor.refuse("a user's name in double quotes is expected");
    std::optional<std::string> user = cursor.take_quoted();
    if (!user) return cursor.refuse("the quote is not closed");
    if (user->empty() || user->size() > user_name_bytes_max) {
      return cursor.refuse("the name of a user must have 1 to 63 bytes");
    }
    cursor.skip_blanks();
    if (cursor.peek() != '"') return cursor.refuse("a password in double quotes is expected");
    std::optional<std::string> secret = cursor.take_quoted();
    if (!secret) return cursor.refuse("the quote is not closed");
    if (secret->size() > secret_length_max) return cursor.refuse("the password is longer than 4096 bytes");
    if (user->find('\0') != std::string::npos || secret->find('\0') != std::string::npos) {
      return cursor.refuse("a zero byte");
    }
    if (!seen.insert(*user).second) return cursor.refuse("this user was named before");
    if (entries.size() == userlist_entries_max) return cursor.refuse("more than 100000 users");
    entries.push_back({*std::move(user), Secret(*secret)});
  }
  return entries;
}

}  // namespace config
