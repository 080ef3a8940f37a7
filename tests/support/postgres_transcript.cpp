#include "tests/support/postgres_transcript.hpp"

#include "protocol/postgres/message.hpp"
#include "protocol/postgres/startup.hpp"
#include "tests/support/postgres_fields.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace tests::support {
namespace {

using protocol::Bytes;
using protocol::ByteReader;
using protocol::ByteView;
using protocol::ByteWriter;

constexpr std::string_view closed = "(closed)";
constexpr std::string_view encryption_answer = "EncryptionAnswer";

char sign_of(Direction direction) { return direction == Direction::to_server ? '>' : '<'; }

bool says_something(std::string_view line) { return !line.empty() && line[0] != '#'; }

bool is_encryption_request(const MessageLayout& layout) {
  return layout.name == "SSLRequest" || layout.name == "GSSENCRequest";
}

}  // namespace

TranscriptLine encode_line(std::string_view line) {
  TranscriptLine result;
  result.text = line;
  TextCursor cursor(line);
  const char sign = cursor.take_character();
  if (sign != '>' && sign != '<') throw std::runtime_error("transcript: no direction: " + result.text);
  result.direction = sign == '>' ? Direction::to_server : Direction::to_client;
  cursor.take(" ");
  if (cursor.try_take(closed)) return result;

  const std::string name = cursor.take_word();
  std::optional<std::int64_t> length;
  if (cursor.try_take("(")) {
    length = cursor.take_number();
    cursor.take(")");
  }
  ByteWriter writer(result.bytes);
  if (name == encryption_answer) {
    cursor.take(" answer=");
    writer.write_u8(static_cast<std::uint8_t>(cursor.take_character()));
    return result;
  }
  const MessageLayout* layout = find_layout(result.direction, name);
  if (layout == nullptr) throw std::runtime_error("transcript: unknown message: " + result.text);
  if (layout->tag != '\0') writer.write_u8(static_cast<std::uint8_t>(layout->tag));
  const std::size_t length_position = writer.position();
  writer.write_u32_be(0);
  if (layout->code) writer.write_u32_be(*layout->code);
  for (const FieldLayout& field : layout->fields) parse_field(field, cursor, writer);
  writer.patch_length_u32_be(length_position);
  const std::size_t length_now = writer.position() - length_position;
  if (!cursor.is_done() || !writer.ok() || length.value_or(static_cast<std::int64_t>(length_now)) != static_cast<std::int64_t>(length_now)) {
    throw std::runtime_error("transcript: wrong length (is " + std::to_string(length_now) + ") or bytes too many: " + result.text);
  }
  return result;
}

Bytes bytes_of(std::string_view lines) {
  Bytes bytes;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    if (says_something(lines.substr(0, end))) protocol::append(bytes, encode_line(lines.substr(0, end)).bytes);
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return bytes;
}

std::vector<TranscriptLine> load_transcript(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("transcript: cannot read " + path);
  std::vector<TranscriptLine> lines;
  for (std::string line; std::getline(file, line);) {
    if (says_something(line)) lines.push_back(encode_line(line));
  }
  return lines;
}

std::string mask(std::string_view line) {
  std::string masked;
  bool is_quoted = false;
  bool is_hidden = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char character = line[i];
    if (!is_quoted && character == '~') is_hidden = true;
    if (!is_quoted && character == ' ') is_hidden = false;
    if (!is_hidden) masked += character;
    if (is_quoted && character == '\\') {
      if (!is_hidden) masked += line[i + 1];
      ++i;
    } else if (character == '"') {
      is_quoted = !is_quoted;
    }
  }
  // The length follows from what is hidden.
  if (masked.size() != line.size()) {
    const std::size_t open = masked.find('(');
    const std::size_t close = masked.find(')');
    if (open != std::string::npos && close != std::string::npos) masked.erase(open, close - open + 1);
  }
  return masked;
}

std::vector<std::string> TranscriptDecoder::feed(Direction direction, ByteView bytes) {
  Bytes& held = direction == Direction::to_server ? to_server_ : to_client_;
  protocol::append(held, bytes);
  std::vector<std::string> lines;
  while (true) {
    const std::size_t count = frame_bytes(direction, held);
    if (count == 0 || held.size() < count) return lines;
    lines.push_back(decode(direction, ByteView(held).first(count)));
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

std::size_t TranscriptDecoder::frame_bytes(Direction direction, ByteView bytes) const {
  if (direction == Direction::to_server && opening_ != Opening::over) {
    const auto packet_bytes = protocol::postgres::scan_startup_packet(bytes);
    if (!packet_bytes) throw std::runtime_error("transcript: startup packet of an invalid length");
    return packet_bytes->value_or(0);
  }
  if (direction == Direction::to_client && opening_ == Opening::awaiting_answer) return bytes.empty() ? 0 : 1;
  const auto header = protocol::postgres::scan_frame_header(bytes);
  if (!header) return 0;
  if (header->length < protocol::postgres::frame_length_min) throw std::runtime_error("transcript: message of an invalid length");
  return header->frame_bytes();
}

const MessageLayout* TranscriptDecoder::layout_of(Direction direction, ByteView frame) const {
  ByteReader reader(frame);
  if (direction == Direction::to_server && opening_ != Opening::over) {
    reader.read_u32_be();
    return find_layout(direction, '\0', reader.read_u32_be());
  }
  const auto tag = static_cast<char>(reader.read_u8());
  if (direction == Direction::to_server && tag == 'p') {
    if (authentication_code_ == 10) return find_layout(direction, "SASLInitialResponse");
    if (authentication_code_ == 11) return find_layout(direction, "SASLResponse");
    return find_layout(direction, "PasswordMessage");
  }
  reader.read_u32_be();
  return find_layout(direction, tag, reader.read_u32_be());
}

std::string TranscriptDecoder::decode(Direction direction, ByteView frame) {
  std::string text = std::string(1, sign_of(direction)) + ' ';
  if (direction == Direction::to_client && opening_ == Opening::awaiting_answer) {
    opening_ = Opening::startup;
    return text + std::string(encryption_answer) + "(1) answer=" + std::to_integer<char>(frame[0]);
  }
  const MessageLayout* layout = layout_of(direction, frame);
  if (layout == nullptr) throw std::runtime_error("transcript: a message of unknown type");
  ByteReader reader(frame);
  if (layout->tag != '\0') reader.read_u8();
  text += std::string(layout->name) + '(' + std::to_string(reader.read_u32_be()) + ')';
  if (layout->code) reader.read_u32_be();
  for (const FieldLayout& field : layout->fields) print_field(field, reader, text);
  if (!reader.is_complete()) throw std::runtime_error("transcript: the fields do not fill the message: " + text);

  if (layout->tag == '\0' && direction == Direction::to_server) {
    // The server takes a second request of the same kind for a version that it does not support.
    const bool is_answered = is_encryption_request(*layout) && layout->name != refused_encryption_;
    opening_ = is_answered ? Opening::awaiting_answer : Opening::over;
    refused_encryption_ = layout->name;
  }
  if (layout->tag == 'R') authentication_code_ = layout->code.value_or(0);
  return text;
}

}  // namespace tests::support
