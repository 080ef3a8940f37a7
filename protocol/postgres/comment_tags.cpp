#include "protocol/postgres/comment_tags.hpp"

#include "protocol/postgres/lexer.hpp"

#include <optional>
#include <string>

namespace protocol::postgres {
namespace {

constexpr std::string_view hint_prefix = "crossfade:";
constexpr std::string_view blanks = " \t\r\n\f";

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_url(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      decoded.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

void add_tag(CommentTags& tags, std::string key, std::string value) {
  if (tags.size() >= comment_tags_max) return;
  if (key.empty() || key.size() > comment_tag_key_bytes_max || value.size() > comment_tag_value_bytes_max)
    return;
  tags.emplace_back(std::move(key), std::move(value));
}

/// Reads `key='value'` at the front of `rest` and takes it off; nullopt if it is something else.
std::optional<std::pair<std::string, std::string>> take_pair(std::string_view& rest) {
  const std::size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view key = trim(rest.substr(0, equals));
  if (key.empty() || key.find_first_of("', \t\r\n") != std::string_view::npos) return std::nullopt;
  const std::size_t quote = rest.find_first_not_of(blanks, equals + 1);
  if (quote == std::string_view::npos || rest[quote] != '\'') return std::nullopt;
  std::string value;
  std::size_t i = quote + 1;
  for (; i < rest.size() && rest[i] != '\''; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size() && rest[i + 1] == '\'') ++i;
    value.push_back(rest[i]);
  }
  if (i >= rest.size()) return std::nullopt;
  rest.remove_prefix(i + 1);
  return std::pair(decode_url(key), decode_url(value));
}

void append_pairs(std::string_view content, CommentTags& tags) {
  CommentTags found;
  for (;;) {
    auto pair = take_pair(content);
    if (!pair) return;  // some other comment
    found.push_back(std::move(*pair));
    content = trim(content);
    if (content.empty()) break;
    if (content.front() != ',') return;
    content.remove_prefix(1);
  }
  for (auto& [key, value] : found) add_tag(tags, std::move(key), std::move(value));
}

void append_hints(std::string_view content, CommentTags& tags) {
  constexpr std::string_view separators = " \t\r\n\f,;";
  while (!content.empty()) {
    const std::size_t begin = content.find_first_not_of(separators);
    if (begin == std::string_view::npos) return;
    content.remove_prefix(begin);
    const std::string_view word = content.substr(0, content.find_first_of(separators));
    content.remove_prefix(word.size());
    const std::size_t equals = word.find('=');
    if (!word.starts_with(hint_prefix) || equals == std::string_view::npos) continue;
    add_tag(tags, std::string(word.substr(hint_prefix.size(), equals - hint_prefix.size())),
            std::string(word.substr(equals + 1)));
  }
}

}  // namespace

void append_comment_tags(std::string_view comment, CommentTags& tags) {
  if (comment.size() < 4 || !comment.starts_with("/*") || !comment.ends_with("*/")) return;
  const std::string_view content = trim(comment.substr(2, comment.size() - 4));
  if (content.starts_with(hint_prefix)) {
    append_hints(content, tags);
  } else {
    append_pairs(content, tags);
  }
}

void append_tags_of(std::string_view blank, CommentTags& tags) {
  Lexer lexer(blank);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.kind == TokenKind::comment)
      append_comment_tags(blank.substr(token.begin, token.end - token.begin), tags);
  }
}

}  // namespace protocol::postgres
