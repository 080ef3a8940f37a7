#include "tests/support/postgres_fields.hpp"

#include <charconv>
#include <functional>
#include <stdexcept>
#include <vector>

namespace tests::support {
namespace {

using protocol::ByteReader;
using protocol::ByteWriter;

constexpr std::string_view hex_digits = "0123456789abcdef";
/// Fields of a report that say where in the server's source it arose: they differ between minor versions.
constexpr std::string_view report_fields_that_vary = "FLR";

void append_number(std::string& text, std::int64_t number) { text += std::to_string(number); }

void print_list(std::size_t count, std::string& text, const std::function<void()>& print_one) {
  text += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) text += ',';
    print_one();
  }
  text += ']';
}

/// How many elements there are; they are parsed by `parse_one`.
std::size_t parse_list(TextCursor& cursor, const std::function<void()>& parse_one) {
  cursor.take("[");
  std::size_t count = 0;
  while (!cursor.try_take("]")) {
    if (count++ > 0) cursor.take(",");
    parse_one();
  }
  return count;
}

/// A list whose 16-bit count stands before its elements.
void parse_counted_list(TextCursor& cursor, ByteWriter& writer, const std::function<void(ByteWriter&)>& parse_one) {
  protocol::Bytes elements;
  ByteWriter element_writer(elements);
  const std::size_t count = parse_list(cursor, [&] { parse_one(element_writer); });
  writer.write_u16_be(static_cast<std::uint16_t>(count));
  writer.write_bytes(elements);
}

void print_value(ByteReader& reader, std::string& text) {
  const std::int32_t length = reader.read_i32_be();
  text += length < 0 ? "null" : quote(protocol::as_text(reader.read_bytes(static_cast<std::size_t>(length))));
}

void parse_value(TextCursor& cursor, ByteWriter& writer) {
  const std::optional<std::string> value = cursor.take_value();
  writer.write_i32_be(value ? static_cast<std::int32_t>(value->size()) : -1);
  if (value) writer.write_text(*value);
}

void print_column(ByteReader& reader, std::string& text) {
  text += '(' + quote(reader.read_text_z());
  text += ' ' + std::to_string(reader.read_u32_be());
  text += ' ' + std::to_string(reader.read_i16_be());
  text += ' ' + std::to_string(reader.read_u32_be());
  text += ' ' + std::to_string(reader.read_i16_be());
  text += ' ' + std::to_string(reader.read_i32_be());
  text += ' ' + std::to_string(reader.read_i16_be()) + ')';
}

void parse_column(TextCursor& cursor, ByteWriter& writer) {
  const auto next = [&] {
    cursor.take(" ");
    return cursor.take_number();
  };
  cursor.take("(");
  writer.write_text_z(cursor.take_text());
  writer.write_u32_be(static_cast<std::uint32_t>(next()));
  writer.write_i16_be(static_cast<std::int16_t>(next()));
  writer.write_u32_be(static_cast<std::uint32_t>(next()));
  writer.write_i16_be(static_cast<std::int16_t>(next()));
  writer.write_i32_be(static_cast<std::int32_t>(next()));
  writer.write_i16_be(static_cast<std::int16_t>(next()));
  cursor.take(")");
}

void print_report(ByteReader& reader, std::string& text) {
  while (true) {
    const auto type = static_cast<char>(reader.read_u8());
    if (type == '\0') return;
    text += std::string(" ") + type + "=";
    if (report_fields_that_vary.find(type) != std::string_view::npos) text += '~';
    text += quote(reader.read_text_z());
  }
}

void parse_report(TextCursor& cursor, ByteWriter& writer) {
  while (cursor.try_take(" ")) {
    writer.write_u8(static_cast<std::uint8_t>(cursor.take_character()));
    cursor.take("=");
    (void)cursor.try_take("~");
    writer.write_text_z(cursor.take_text());
  }
  writer.write_u8(0);
}

/// Texts until an empty one; with `separator` they come in twos.
void print_texts(ByteReader& reader, std::string_view separator, std::string& text) {
  text += '[';
  for (bool is_first = true;; is_first = false) {
    const std::string_view name = reader.read_text_z();
    if (name.empty()) break;
    text += (is_first ? "" : ",") + quote(name);
    if (!separator.empty()) text += std::string(separator) + quote(reader.read_text_z());
  }
  text += ']';
}

void parse_texts(TextCursor& cursor, std::string_view separator, ByteWriter& writer) {
  parse_list(cursor, [&] {
    writer.write_text_z(cursor.take_text());
    if (separator.empty()) return;
    cursor.take(separator);
    writer.write_text_z(cursor.take_text());
  });
  writer.write_u8(0);
}

void print_content(FieldKind kind, ByteReader& reader, std::string& text) {
  switch (kind) {
    case FieldKind::text_z: text += quote(reader.read_text_z()); return;
    case FieldKind::rest_text: text += quote(protocol::as_text(reader.read_bytes(reader.remaining()))); return;
    case FieldKind::character: text += static_cast<char>(reader.read_u8()); return;
    case FieldKind::number_8: append_number(text, reader.read_u8()); return;
    case FieldKind::number_16: append_number(text, reader.read_u16_be()); return;
    case FieldKind::number_32: append_number(text, reader.read_u32_be()); return;
    case FieldKind::value: print_value(reader, text); return;
    case FieldKind::numbers_16:
      print_list(reader.read_u16_be(), text, [&] { append_number(text, reader.read_u16_be()); });
      return;
    case FieldKind::numbers_32:
      print_list(reader.read_u16_be(), text, [&] { append_number(text, reader.read_u32_be()); });
      return;
    case FieldKind::values: print_list(reader.read_u16_be(), text, [&] { print_value(reader, text); }); return;
    case FieldKind::columns: print_list(reader.read_u16_be(), text, [&] { print_column(reader, text); }); return;
    case FieldKind::report: print_report(reader, text); return;
    case FieldKind::pairs: print_texts(reader, "=", text); return;
    case FieldKind::names: print_texts(reader, "", text); return;
    case FieldKind::counted_names:
      print_list(reader.read_u32_be(), text, [&] { text += quote(reader.read_text_z()); });
      return;
  }
}

void parse_content(FieldKind kind, TextCursor& cursor, ByteWriter& writer) {
  switch (kind) {
    case FieldKind::text_z: writer.write_text_z(cursor.take_text()); return;
    case FieldKind::rest_text: writer.write_text(cursor.take_text()); return;
    case FieldKind::character: writer.write_u8(static_cast<std::uint8_t>(cursor.take_character())); return;
    case FieldKind::number_8: writer.write_u8(static_cast<std::uint8_t>(cursor.take_number())); return;
    case FieldKind::number_16: writer.write_u16_be(static_cast<std::uint16_t>(cursor.take_number())); return;
    case FieldKind::number_32: writer.write_u32_be(static_cast<std::uint32_t>(cursor.take_number())); return;
    case FieldKind::value: parse_value(cursor, writer); return;
    case FieldKind::numbers_16:
      parse_counted_list(cursor, writer, [&](ByteWriter& element) { element.write_u16_be(static_cast<std::uint16_t>(cursor.take_number())); });
      return;
    case FieldKind::numbers_32:
      parse_counted_list(cursor, writer, [&](ByteWriter& element) { element.write_u32_be(static_cast<std::uint32_t>(cursor.take_number())); });
      return;
    case FieldKind::values: parse_counted_list(cursor, writer, [&](ByteWriter& element) { parse_value(cursor, element); }); return;
    case FieldKind::columns: parse_counted_list(cursor, writer, [&](ByteWriter& element) { parse_column(cursor, element); }); return;
    case FieldKind::report: parse_report(cursor, writer); return;
    case FieldKind::pairs: parse_texts(cursor, "=", writer); return;
    case FieldKind::names: parse_texts(cursor, "", writer); return;
    case FieldKind::counted_names: {
      protocol::Bytes elements;
      ByteWriter element_writer(elements);
      const std::size_t count = parse_list(cursor, [&] { element_writer.write_text_z(cursor.take_text()); });
      writer.write_u32_be(static_cast<std::uint32_t>(count));
      writer.write_bytes(elements);
      return;
    }
  }
}

}  // namespace

bool TextCursor::try_take(std::string_view expected) {
  if (!text_.starts_with(expected)) return false;
  text_.remove_prefix(expected.size());
  return true;
}

void TextCursor::take(std::string_view expected) {
  if (!try_take(expected)) refuse("\"" + std::string(expected) + "\"");
}

char TextCursor::take_character() {
  if (text_.empty()) refuse("a character");
  const char character = text_.front();
  text_.remove_prefix(1);
  return character;
}

std::string TextCursor::take_word() {
  std::size_t length = 0;
  while (length < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[length])) != 0 || text_[length] == '_')) ++length;
  if (length == 0) refuse("a word");
  const std::string word(text_.substr(0, length));
  text_.remove_prefix(length);
  return word;
}

std::int64_t TextCursor::take_number() {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), number);
  if (error != std::errc()) refuse("a number");
  text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
  return number;
}

std::string TextCursor::take_text() {
  take("\"");
  std::string text;
  while (true) {
    char character = take_character();
    if (character == '"') return text;
    if (character == '\\') {
      character = take_character();
      if (character == 'n') character = '\n';
      if (character == 'x') {
        const std::size_t high = hex_digits.find(take_character());
        const std::size_t low = hex_digits.find(take_character());
        if (high > 15 || low > 15) refuse("two hexadecimal digits");
        character = static_cast<char>(high * 16 + low);
      }
    }
    text += character;
  }
}

std::optional<std::string> TextCursor::take_value() {
  if (try_take("null")) return std::nullopt;
  return take_text();
}

void TextCursor::refuse(const std::string& expected) const {
  throw std::runtime_error("transcript: " + expected + " expected at byte " + std::to_string(whole_.size() - text_.size()) +
                           " of: " + std::string(whole_));
}

std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      quoted += std::string("\\") + character;
    } else if (character == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte > 0x7E) {
      quoted += std::string("\\x") + hex_digits[byte >> 4] + hex_digits[byte & 15];
    } else {
      quoted += character;
    }
  }
  return quoted + '"';
}

void print_field(const FieldLayout& field, ByteReader& reader, std::string& text) {
  if (field.kind != FieldKind::report) {
    text += ' ' + std::string(field.name) + '=';
    if (field.variation == Variation::varies) text += '~';
  }
  print_content(field.kind, reader, text);
}

void parse_field(const FieldLayout& field, TextCursor& cursor, ByteWriter& writer) {
  if (field.kind != FieldKind::report) {
    cursor.take(' ' + std::string(field.name) + '=');
    (void)cursor.try_take("~");
  }
  parse_content(field.kind, cursor, writer);
}

}  // namespace tests::support
