#include "proxy/mirror/journal_format.hpp"

#include "protocol/wire/byte_reader.hpp"
#include "protocol/wire/byte_writer.hpp"
#include "proxy/mirror/crc32c.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace proxy::mirror {

using protocol::Blame;
using protocol::ByteReader;
using protocol::Bytes;
using protocol::ByteView;
using protocol::ByteWriter;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Result;

namespace {

constexpr std::string_view magic("CROSSFJ\0", 8);
constexpr std::uint8_t kind_intent = 1;
constexpr std::uint8_t kind_fate = 2;
constexpr std::uint8_t kind_intent_two_phase = 3;
constexpr std::uint32_t null_length = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t sequence_offset = record_prefix_bytes + 1;
constexpr std::size_t time_offset = sequence_offset + 8;

void write_u64(ByteWriter& writer, std::uint64_t value) {
  writer.write_u32_be(static_cast<std::uint32_t>(value >> 32));
  writer.write_u32_be(static_cast<std::uint32_t>(value));
}

std::uint64_t read_u64(ByteReader& reader) {
  const std::uint64_t high = reader.read_u32_be();
  return (high << 32) | reader.read_u32_be();
}

void place_u32(Bytes& target, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) target[offset + i] = static_cast<std::byte>((value >> (8 * (3 - i))) & 0xFF);
}

void place_u64(Bytes& target, std::size_t offset, std::uint64_t value) {
  place_u32(target, offset, static_cast<std::uint32_t>(value >> 32));
  place_u32(target, offset + 4, static_cast<std::uint32_t>(value));
}

void write_count(ByteWriter& writer, std::size_t count) { writer.write_u32_be(static_cast<std::uint32_t>(count)); }

void write_string(ByteWriter& writer, std::string_view text) {
  write_count(writer, text.size());
  writer.write_text(text);
}

std::string read_string(ByteReader& reader) {
  const std::uint32_t length = reader.read_u32_be();
  return std::string(protocol::as_text(reader.read_bytes(length)));
}

/// A count that the bytes left over can hold, at `bytes_each_min` each; else the reader fails.
std::size_t read_count(ByteReader& reader, std::size_t bytes_each_min) {
  const std::uint32_t count = reader.read_u32_be();
  if (count > reader.remaining() / bytes_each_min) {
    static_cast<void>(reader.read_bytes(reader.remaining() + 1));
    return 0;
  }
  return count;
}

void write_strings(ByteWriter& writer, const std::vector<std::string>& texts) {
  write_count(writer, texts.size());
  for (const std::string& text : texts) write_string(writer, text);
}

std::vector<std::string> read_strings(ByteReader& reader) {
  std::vector<std::string> texts(read_count(reader, 4));
  for (std::string& text : texts) text = read_string(reader);
  return texts;
}

void write_values(ByteWriter& writer, const std::vector<std::vector<protocol::TextValue>>& rows) {
  write_count(writer, rows.size());
  for (const auto& row : rows) {
    write_count(writer, row.size());
    for (const protocol::TextValue& value : row) {
      writer.write_u32_be(value ? static_cast<std::uint32_t>(value->size()) : null_length);
      if (value) writer.write_text(*value);
    }
  }
}

std::vector<std::vector<protocol::TextValue>> read_values(ByteReader& reader) {
  std::vector<std::vector<protocol::TextValue>> rows(read_count(reader, 4));
  for (auto& row : rows) {
    row.resize(read_count(reader, 4));
    for (protocol::TextValue& value : row) {
      const std::uint32_t length = reader.read_u32_be();
      if (length != null_length) value = std::string(protocol::as_text(reader.read_bytes(length)));
    }
  }
  return rows;
}

constexpr unsigned removes = 1;
constexpr unsigned skips_triggers = 2;
constexpr unsigned moves = 4;
constexpr unsigned has_deferrable_key = 8;
constexpr unsigned may_remove_others = 16;

unsigned flags_of(const protocol::RowChange& change) {
  unsigned flags = 0;
  switch (change.kind) {
    case protocol::RowChange::Kind::put: break;
    case protocol::RowChange::Kind::remove: flags |= removes; break;
    case protocol::RowChange::Kind::move: flags |= moves; break;
  }
  return flags | (change.skips_triggers ? skips_triggers : 0) | (change.is_key_deferrable ? has_deferrable_key : 0) |
         (change.may_remove_others ? may_remove_others : 0);
}

void write_rows(ByteWriter& writer, const protocol::RowChange& change) {
  writer.write_u8(static_cast<std::uint8_t>(flags_of(change)));
  write_string(writer, change.schema);
  write_string(writer, change.table);
  write_strings(writer, change.columns);
  write_strings(writer, change.key_columns);
  write_strings(writer, change.fixed_columns);
  write_values(writer, change.rows);
  if (change.kind == protocol::RowChange::Kind::move) write_values(writer, change.old_keys);
}

protocol::RowChange read_rows(ByteReader& reader) {
  protocol::RowChange change;
  const unsigned flags = reader.read_u8();
  if ((flags & removes) != 0) change.kind = protocol::RowChange::Kind::remove;
  if ((flags & moves) != 0) change.kind = protocol::RowChange::Kind::move;
  change.skips_triggers = (flags & skips_triggers) != 0;
  change.is_key_deferrable = (flags & has_deferrable_key) != 0;
  change.may_remove_others = (flags & may_remove_others) != 0;
  change.schema = read_string(reader);
  change.table = read_string(reader);
  change.columns = read_strings(reader);
  change.key_columns = read_strings(reader);
  change.fixed_columns = read_strings(reader);
  change.rows = read_values(reader);
  if (change.kind == protocol::RowChange::Kind::move) change.old_keys = read_values(reader);
  return change;
}

using Settings = std::vector<std::pair<std::string, std::string>>;

void write_settings(ByteWriter& writer, const Settings& settings) {
  write_count(writer, settings.size());
  for (const auto& [name, value] : settings) {
    write_string(writer, name);
    write_string(writer, value);
  }
}

Settings read_settings(ByteReader& reader) {
  Settings settings(read_count(reader, 8));
  for (auto& [name, value] : settings) {
    name = read_string(reader);
    value = read_string(reader);
  }
  return settings;
}

void write_unit(ByteWriter& writer, const protocol::MirrorUnit& unit) {
  write_string(writer, unit.database);
  write_string(writer, unit.user);
  write_string(writer, unit.transaction_id);
  write_u64(writer, unit.last_write_done);
  write_settings(writer, unit.settings);
  write_count(writer, unit.items.size());
  for (const protocol::UnitItem& item : unit.items) {
    writer.write_u8(item.rows ? 0 : 1);
    if (item.rows) {
      write_rows(writer, *item.rows);
      continue;
    }
    const protocol::CarriedStatement statement = item.statement.value_or(protocol::CarriedStatement{});
    write_string(writer, statement.text);
    write_string(writer, statement.copy_data);
    writer.write_u8(statement.is_barrier ? 1 : 0);
    write_settings(writer, statement.settings);
  }
}

protocol::MirrorUnit read_unit(ByteReader& reader) {
  protocol::MirrorUnit unit;
  unit.database = read_string(reader);
  unit.user = read_string(reader);
  unit.transaction_id = read_string(reader);
  unit.last_write_done = read_u64(reader);
  unit.settings = read_settings(reader);
  unit.items.resize(read_count(reader, 1));
  for (protocol::UnitItem& item : unit.items) {
    if (reader.read_u8() == 0) {
      item.rows = read_rows(reader);
      continue;
    }
    protocol::CarriedStatement& statement = item.statement.emplace();
    statement.text = read_string(reader);
    statement.copy_data = read_string(reader);
    statement.is_barrier = reader.read_u8() != 0;
    statement.settings = read_settings(reader);
  }
  return unit;
}

/// What the unit takes at least; enough to refuse before memory is taken for it.
std::size_t size_of(const protocol::MirrorUnit& unit) {
  constexpr std::size_t overhead = 64;
  std::size_t size = overhead;
  for (const protocol::UnitItem& item : unit.items) {
    if (item.statement) size += item.statement->text.size() + item.statement->copy_data.size() + overhead;
    if (!item.rows) continue;
    for (const auto* rows : {&item.rows->rows, &item.rows->old_keys}) {
      for (const auto& row : *rows) {
        for (const protocol::TextValue& value : row) size += 4 + (value ? value->size() : 0);
      }
    }
  }
  return size;
}

std::uint32_t checksum_of(ByteView record, std::uint32_t seed) {
  const std::uint32_t of_length = crc32c(record.first(4), seed);
  return crc32c(record.subspan(record_prefix_bytes), of_length);
}

protocol::Error malformed(const char* what) { return failure(ErrorCode::message_malformed, Blame::self, what); }

}  // namespace

std::string text_of(const StreamName& stream) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[std::to_integer<std::size_t>(stream[i]) >> 4];
    text += digits[std::to_integer<std::size_t>(stream[i]) & 0xF];
  }
  return text;
}

Bytes encode_header(const SegmentHeader& header) {
  Bytes bytes;
  ByteWriter writer(bytes);
  writer.write_text(magic);
  writer.write_u32_be(journal_version);
  writer.write_u8(static_cast<std::uint8_t>(routing::index_of(header.authority)));
  for (int i = 0; i < 3; ++i) writer.write_u8(0);
  writer.write_bytes(header.stream);
  write_u64(writer, header.first_sequence);
  writer.write_u32_be(crc32c(bytes));
  return bytes;
}

std::uint32_t seed_of(const SegmentHeader& header) {
  const Bytes bytes = encode_header(header);
  return crc32c(ByteView(bytes).first(segment_header_bytes - 4));
}

Result<SegmentHeader> decode_header(ByteView bytes) {
  ByteReader reader(bytes);
  if (protocol::as_text(reader.read_bytes(magic.size())) != magic) return malformed("no segment of a journal");
  if (reader.read_u32_be() != journal_version) return malformed("a segment of another version");
  SegmentHeader header;
  const std::uint8_t authority = reader.read_u8();
  header.authority = authority == 0 ? routing::Side::blue : routing::Side::green;
  static_cast<void>(reader.read_bytes(3));
  const ByteView stream = reader.read_bytes(header.stream.size());
  if (!reader.ok() || authority > 1) return malformed("a header that is not whole");
  std::ranges::copy(stream, header.stream.begin());
  header.first_sequence = read_u64(reader);
  const std::uint32_t checksum = reader.read_u32_be();
  if (!reader.ok() || checksum != crc32c(bytes.first(segment_header_bytes - 4))) return malformed("a header that is not whole");
  return header;
}

Result<Bytes> encode_intent(const protocol::MirrorUnit& unit) {
  if (size_of(unit) > unit_bytes_max) {
    return failure(ErrorCode::memory_limit_reached, Blame::client, "a transaction wrote more than a unit may hold");
  }
  Bytes record;
  record.reserve(size_of(unit) + record_prefix_bytes);
  record.resize(record_prefix_bytes);
  ByteWriter writer(record);
  writer.write_u8(unit.is_two_phase ? kind_intent_two_phase : kind_intent);
  write_u64(writer, 0);
  write_u64(writer, 0);
  write_unit(writer, unit);
  place_u32(record, 0, static_cast<std::uint32_t>(record.size() - record_prefix_bytes));
  return record;
}

void seal_intent(Bytes& record, CommitSequence sequence, std::chrono::milliseconds recorded_at, std::uint32_t seed) {
  place_u64(record, sequence_offset, sequence);
  place_u64(record, time_offset, static_cast<std::uint64_t>(recorded_at.count()));
  place_u32(record, 4, checksum_of(record, seed));
}

Bytes encode_fate(const FateRecord& fate, std::uint32_t seed) {
  Bytes record;
  record.reserve(record_prefix_bytes + 10);
  record.resize(record_prefix_bytes);
  ByteWriter writer(record);
  writer.write_u8(kind_fate);
  write_u64(writer, fate.sequence);
  writer.write_u8(static_cast<std::uint8_t>(fate.fate));
  place_u32(record, 0, static_cast<std::uint32_t>(record.size() - record_prefix_bytes));
  place_u32(record, 4, checksum_of(record, seed));
  return record;
}

std::optional<std::size_t> whole_record(ByteView bytes, std::uint32_t seed) {
  ByteReader reader(bytes);
  const std::size_t length = reader.read_u32_be();
  const std::uint32_t checksum = reader.read_u32_be();
  if (!reader.ok() || length == 0 || length > reader.remaining()) return std::nullopt;
  if (checksum != checksum_of(bytes.first(record_prefix_bytes + length), seed)) return std::nullopt;
  return record_prefix_bytes + length;
}

Result<Record> decode_record(ByteView record) {
  ByteReader reader(record);
  static_cast<void>(reader.read_bytes(record_prefix_bytes));
  const std::uint8_t kind = reader.read_u8();
  const CommitSequence sequence = read_u64(reader);
  if (kind == kind_fate) {
    const std::uint8_t fate = reader.read_u8();
    if (!reader.is_complete() || fate < 1 || fate > 3) return malformed("a fate that is none");
    return Record(FateRecord{sequence, static_cast<Fate>(fate)});
  }
  if (kind != kind_intent && kind != kind_intent_two_phase) return malformed("a record of an unknown kind");
  IntentRecord intent;
  intent.sequence = sequence;
  intent.recorded_at = std::chrono::milliseconds(static_cast<std::int64_t>(read_u64(reader)));
  intent.unit = read_unit(reader);
  intent.unit.is_two_phase = kind == kind_intent_two_phase;
  if (!reader.is_complete()) return malformed("a unit that is not whole");
  return Record(std::move(intent));
}

}  // namespace proxy::mirror
