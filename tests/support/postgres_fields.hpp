#pragma once

#include "protocol/wire/byte_reader.hpp"
#include "protocol/wire/byte_writer.hpp"
#include "tests/support/postgres_layouts.hpp"

#include <optional>
#include <string>
#include <string_view>

/// One field of a message between its bytes and its text in a transcript.
namespace tests::support {

/// Reads a line from left to right. Everything throws std::runtime_error when the line says something else.
class TextCursor {
 public:
  explicit TextCursor(std::string_view text) : text_(text), whole_(text) {}
  [[nodiscard]] bool is_done() const { return text_.empty(); }
  [[nodiscard]] char peek() const { return text_.empty() ? '\0' : text_.front(); }
  [[nodiscard]] bool try_take(std::string_view expected);
  void take(std::string_view expected);
  char take_character();
  std::string take_word();  ///< letters, digits and '_'
  std::int64_t take_number();
  std::string take_text();                  ///< in quotes
  std::optional<std::string> take_value();  ///< in quotes, or null

 private:
  [[noreturn]] void refuse(const std::string& expected) const;
  std::string_view text_;
  std::string_view whole_;
};

[[nodiscard]] std::string quote(std::string_view text);

/// ` name=value`, or several for a report.
void print_field(const FieldLayout& field, protocol::ByteReader& reader, std::string& text);
void parse_field(const FieldLayout& field, TextCursor& cursor, protocol::ByteWriter& writer);

}  // namespace tests::support
