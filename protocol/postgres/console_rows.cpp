#include "protocol/postgres/console_rows.hpp"

#include "protocol/postgres/frame_writer.hpp"

#include <algorithm>
#include <charconv>

namespace protocol::postgres {

namespace {

constexpr std::int16_t binary_format = 1;

/// Source: PostgreSQL 15, pg_type.dat.
struct WireType {
  std::uint32_t oid;
  std::int16_t bytes;  ///< -1: of any length
};

WireType wire_type(ConsoleType type) {
  switch (type) {
    case ConsoleType::text: return {25, -1};
    case ConsoleType::integer: return {23, 4};
    case ConsoleType::bigint: return {20, 8};
  }
  return {25, -1};
}

std::int16_t format_of(const ResultFormats& formats, std::size_t column) {
  if (formats.empty()) return 0;
  return formats.size() == 1 ? formats[0] : formats[column];
}

void write_number(std::string_view text, std::int16_t bytes, ByteWriter& writer) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  writer.write_i32_be(bytes);
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    writer.write_u8(static_cast<std::uint8_t>((static_cast<std::uint64_t>(value) >> shift) & 0xFF));
  }
}

/// Without NUL, which no text of PostgreSQL holds.
void write_text_value(std::string_view text, ByteWriter& writer) {
  writer.write_i32_be(static_cast<std::int32_t>(text.size()));
  writer.write_text(text);
}

}  // namespace

bool are_formats_valid(const ResultFormats& formats, std::size_t column_count) {
  const bool are_known = std::ranges::all_of(formats, [](std::int16_t format) { return format == 0 || format == binary_format; });
  return are_known && (formats.size() <= 1 || formats.size() == column_count);
}

void write_row_description(const ConsoleTable& table, const ResultFormats& formats, Bytes& to_send) {
  FrameWriter frame(to_send, BackendMessage::row_description);
  ByteWriter& writer = frame.fields();
  writer.write_u16_be(static_cast<std::uint16_t>(table.columns.size()));
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const WireType type = wire_type(table.columns[i].type);
    writer.write_text_z(table.columns[i].name);
    writer.write_u32_be(0);  // of no table
    writer.write_u16_be(0);
    writer.write_u32_be(type.oid);
    writer.write_i16_be(type.bytes);
    writer.write_i32_be(-1);  // no modifier
    writer.write_i16_be(format_of(formats, i));
  }
  frame.finish();
}

void write_data_row(const ConsoleTable& table, std::size_t row, const ResultFormats& formats, Bytes& to_send) {
  FrameWriter frame(to_send, BackendMessage::data_row);
  ByteWriter& writer = frame.fields();
  writer.write_u16_be(static_cast<std::uint16_t>(table.columns.size()));
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::optional<std::string>& value = table.rows[row][i];
    if (!value) {
      writer.write_i32_be(-1);
      continue;
    }
    const WireType type = wire_type(table.columns[i].type);
    if (format_of(formats, i) == binary_format && type.bytes > 0) {
      write_number(*value, type.bytes, writer);
    } else {
      write_text_value(*value, writer);
    }
  }
  frame.finish();
}

}  // namespace protocol::postgres
