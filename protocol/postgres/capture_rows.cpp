#include "protocol/postgres/capture_rows.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <utility>

/// Source: PostgreSQL 15 manual, 55.7 "Message Formats": RowDescription, DataRow, Bind.
namespace protocol::postgres {
namespace {

/// Behind the name of a column: its table, its number, its type's number, size and modifier, and its format.
constexpr std::size_t column_fields_bytes = 18;

/// The name of the first of our columns, and of the second.
constexpr std::string_view marker = "_crossfade_transaction";
constexpr std::string_view row_marker = "_crossfade_row";

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// A quoted field, from behind its opening quote on; what follows it stays in `rest`.
std::optional<std::string> read_quoted(std::string_view& rest) {
  std::string value;
  while (!rest.empty()) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == '\\' || (c == '"' && rest.starts_with('"'))) {
      if (rest.empty()) return std::nullopt;
      value.push_back(rest.front());
      rest.remove_prefix(1);
    } else if (c == '"') {
      return value;
    } else {
      value.push_back(c);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string tap_clause(const CaptureStatement& statement, std::string_view old_key) {
  std::string clause = statement.has_returning ? "\n, " : "\nRETURNING ";
  clause.append("pg_catalog.pg_current_xact_id()::pg_catalog.text");
  if (!old_key.empty()) clause.append(" OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) ").append(old_key);
  clause.append(" AS \"").append(marker).append("\", ");
  return clause.append(statement.reference).append(".*::pg_catalog.text AS \"").append(row_marker).append("\"");
}

std::optional<Bytes> strip_row_description(ByteView payload) {
  ByteReader reader(payload);
  const std::uint16_t count = reader.read_u16_be();
  if (count < tap_columns) return std::nullopt;
  const std::size_t begin = reader.position();
  for (std::size_t i = 0; i + tap_columns < count; ++i) {
    reader.read_text_z();
    reader.read_bytes(column_fields_bytes);
  }
  const std::size_t end = reader.position();
  if (reader.read_text_z() != marker) return std::nullopt;
  Bytes message;
  FrameWriter frame(message, BackendMessage::row_description);
  frame.fields().write_u16_be(static_cast<std::uint16_t>(count - tap_columns));
  frame.fields().write_bytes(payload.subspan(begin, end - begin));
  frame.finish();
  return message;
}

bool is_ours_alone(ByteView payload) {
  ByteReader reader(payload);
  return reader.read_u16_be() == tap_columns;
}

Bytes strip_data_row(ByteView payload) {
  ByteReader reader(payload);
  const std::uint16_t count = reader.read_u16_be();
  const std::size_t begin = reader.position();
  for (std::size_t i = 0; i + tap_columns < count; ++i) {
    const std::int32_t length = reader.read_i32_be();
    if (length > 0) reader.read_bytes(static_cast<std::size_t>(length));
  }
  Bytes message;
  FrameWriter frame(message, BackendMessage::data_row);
  frame.fields().write_u16_be(static_cast<std::uint16_t>(count - tap_columns));
  frame.fields().write_bytes(payload.subspan(begin, reader.position() - begin));
  frame.finish();
  return message;
}

namespace {

/// "77", or "77 (1,x)" with the old key.
bool read_number_and_key(std::string_view text, TappedRow& row) {
  const std::size_t blank = text.find(' ');
  row.transaction_id = text.substr(0, blank);
  if (blank == std::string_view::npos) return true;
  std::optional<std::vector<TextValue>> key = read_row_text(text.substr(blank + 1));
  if (key) row.old_key = std::move(*key);
  return key.has_value();
}

}  // namespace

std::optional<TappedRow> read_tapped_row(ByteView payload) {
  ByteReader reader(payload);
  const std::uint16_t count = reader.read_u16_be();
  if (count < tap_columns) return std::nullopt;
  TappedRow row;
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    const std::int32_t length = reader.read_i32_be();
    const ByteView value = length > 0 ? reader.read_bytes(static_cast<std::size_t>(length)) : ByteView();
    if (i + tap_columns == count && !read_number_and_key(as_text(value), row)) return std::nullopt;
    if (i + 1 != count) continue;
    std::optional<std::vector<TextValue>> values = read_row_text(as_text(value));
    if (!values) return std::nullopt;
    row.values = std::move(*values);
  }
  if (!reader.is_complete()) return std::nullopt;
  return row;
}

std::optional<std::vector<TextValue>> read_row_text(std::string_view text) {
  if (!text.starts_with('(') || !text.ends_with(')')) return std::nullopt;
  std::string_view rest = text.substr(1);
  std::vector<TextValue> values;
  while (!rest.empty()) {
    if (rest.front() == '"') {
      rest.remove_prefix(1);
      std::optional<std::string> value = read_quoted(rest);
      if (!value) return std::nullopt;
      values.emplace_back(std::move(*value));
    } else {
      const std::size_t end = rest.find_first_of(",)");
      if (end == std::string_view::npos) return std::nullopt;
      values.push_back(end == 0 ? TextValue() : TextValue(rest.substr(0, end)));
      rest.remove_prefix(end);
    }
    const bool is_last = rest == ")";
    if (!is_last && !rest.starts_with(',')) return std::nullopt;
    rest.remove_prefix(1);
    if (is_last) break;
  }
  return values;
}

/// Of a removed row the key is enough; columns that are generated cannot be written.
bool add_row(Tap& tap, TappedRow row) {
  const CaptureTable& table = tap.table;
  if (row.values.size() != table.columns.size()) return false;
  RowChange& change = tap.change;
  const bool is_removal = tap.statement.change == RowChange::Kind::remove;
  const auto is_carried = [&](const std::string& column) {
    return is_removal ? contains(table.key, column) : !contains(table.generated, column);
  };
  if (change.columns.empty()) {
    change.kind = tap.old_key.empty() ? tap.statement.change : RowChange::Kind::move;
    change.schema = table.schema;
    change.table = table.name;
    change.key_columns = table.key;
    if (!is_removal) change.fixed_columns = table.fixed;
    change.skips_triggers = table.skips_triggers;
    change.may_remove_others = is_removal && table.acts_on_itself;
    change.is_key_deferrable = table.is_key_deferrable;
    std::ranges::copy_if(table.columns, std::back_inserter(change.columns), is_carried);
    if (!std::ranges::all_of(change.key_columns, [&](const std::string& key) { return contains(change.columns, key); })) return false;
  }
  if (change.kind == RowChange::Kind::move) {
    if (row.old_key.size() != change.key_columns.size()) return false;
    change.old_keys.push_back(std::move(row.old_key));
  }
  if (change.columns.size() == row.values.size()) {
    change.rows.push_back(std::move(row.values));
    return true;
  }
  std::vector<TextValue> values;
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    if (is_carried(table.columns[i])) values.push_back(std::move(row.values[i]));
  }
  change.rows.push_back(std::move(values));
  return true;
}

/// No form, or one for all columns, fits ours as it is.
std::optional<Bytes> rewrite_bind(ByteView payload) {
  ByteReader reader(payload);
  reader.read_text_z();
  reader.read_text_z();
  const std::uint16_t parameter_formats = reader.read_u16_be();
  reader.read_bytes(std::size_t{2} * parameter_formats);
  const std::uint16_t parameters = reader.read_u16_be();
  for (std::uint16_t i = 0; i < parameters && reader.ok(); ++i) {
    const std::int32_t length = reader.read_i32_be();
    if (length > 0) reader.read_bytes(static_cast<std::size_t>(length));
  }
  const std::size_t formats_begin = reader.position();
  const std::uint16_t count = reader.read_u16_be();
  const ByteView formats = reader.read_bytes(std::size_t{2} * count);
  if (!reader.is_complete() || count < 2) return std::nullopt;
  Bytes message;
  FrameWriter frame(message, FrontendMessage::bind);
  frame.fields().write_bytes(payload.first(formats_begin));
  frame.fields().write_u16_be(static_cast<std::uint16_t>(count + tap_columns));
  frame.fields().write_bytes(formats);
  for (std::size_t i = 0; i < tap_columns; ++i) frame.fields().write_u16_be(0);
  if (!frame.finish()) return std::nullopt;
  return message;
}

}  // namespace protocol::postgres
