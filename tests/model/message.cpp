#include "tests/model/message.hpp"

#include <cstdio>

namespace model {

namespace {

/// Object ids below this are the same in every database: they are part of the server.
/// Source: PostgreSQL 15 source, src/include/access/transam.h, FirstNormalObjectId.
constexpr std::uint32_t first_normal_object_id = 16384;

std::string int16_be(std::size_t value) {
  return {static_cast<char>((value >> 8) & 0xFF), static_cast<char>(value & 0xFF)};
}

std::string text_z(std::string_view text) { return std::string(text) + '\0'; }

ClientMessage framed(char tag, const std::string& payload, std::string words) {
  std::string frame(1, tag);
  frame += int32_be(static_cast<std::uint32_t>(payload.size() + 4));
  frame += payload;
  return {tag, std::move(frame), std::move(words)};
}

std::string formats(const std::vector<std::int16_t>& codes) {
  std::string bytes = int16_be(codes.size());
  for (const std::int16_t code : codes) bytes += int16_be(static_cast<std::size_t>(code));
  return bytes;
}

std::string values_with_length(const std::vector<BoundValue>& values) {
  std::string bytes = int16_be(values.size());
  for (const BoundValue& value : values) {
    bytes += int32_be(value ? static_cast<std::uint32_t>(value->size()) : 0xFFFFFFFFU);
    if (value) bytes += *value;
  }
  return bytes;
}

std::string in_words(const std::vector<BoundValue>& values) {
  std::string words = "(";
  for (const BoundValue& value : values) {
    if (words.size() > 1) words += ", ";
    words += value ? readable(*value, 20) : "NULL";
  }
  return words + ")";
}

std::string in_words(const std::vector<std::int16_t>& codes) {
  std::string words;
  for (const std::int16_t code : codes) words += code == 0 ? 't' : 'b';
  return words;
}

}  // namespace

std::string int32_be(std::uint32_t value) {
  return int16_be(value >> 16) + int16_be(value & 0xFFFF);
}

std::uint32_t read_int32_be(std::string_view bytes, std::size_t position) {
  return (static_cast<std::uint32_t>(read_int16_be(bytes, position)) << 16) | read_int16_be(bytes, position + 2);
}

std::uint16_t read_int16_be(std::string_view bytes, std::size_t position) {
  const auto high = static_cast<unsigned char>(bytes.at(position));
  const auto low = static_cast<unsigned char>(bytes.at(position + 1));
  return static_cast<std::uint16_t>((high << 8) | low);
}

ClientMessage query(std::string_view sql) {
  return framed('Q', text_z(sql), "Query \"" + readable(sql, 300) + "\"");
}

ClientMessage parse(std::string_view name, std::string_view sql, const std::vector<std::uint32_t>& type_oids) {
  std::string payload = text_z(name) + text_z(sql) + int16_be(type_oids.size());
  for (const std::uint32_t oid : type_oids) payload += int32_be(oid);
  return framed('P', payload, "Parse '" + std::string(name) + "' \"" + readable(sql, 300) + "\"");
}

ClientMessage bind(std::string_view portal, std::string_view statement, const std::vector<std::int16_t>& value_formats,
                   const std::vector<BoundValue>& values, const std::vector<std::int16_t>& result_formats) {
  const std::string payload = text_z(portal) + text_z(statement) + formats(value_formats) + values_with_length(values) +
                              formats(result_formats);
  return framed('B', payload,
                "Bind portal '" + std::string(portal) + "' statement '" + std::string(statement) + "' " +
                    in_words(values) + " formats " + in_words(value_formats) + ">" + in_words(result_formats));
}

ClientMessage describe(char kind, std::string_view name) {
  return framed('D', kind + text_z(name), std::string("Describe ") + kind + " '" + std::string(name) + "'");
}

ClientMessage close(char kind, std::string_view name) {
  return framed('C', kind + text_z(name), std::string("Close ") + kind + " '" + std::string(name) + "'");
}

ClientMessage execute(std::string_view portal, std::uint32_t row_limit) {
  return framed('E', text_z(portal) + int32_be(row_limit),
                "Execute '" + std::string(portal) + "' limit " + std::to_string(row_limit));
}

ClientMessage flush() { return framed('H', "", "Flush"); }
ClientMessage sync() { return framed('S', "", "Sync"); }

ClientMessage function_call(std::uint32_t function_oid, std::int16_t value_format, const std::vector<BoundValue>& values,
                            std::int16_t result_format) {
  return framed('F',
                int32_be(function_oid) + formats({value_format}) + values_with_length(values) +
                    int16_be(static_cast<std::size_t>(result_format)),
                "FunctionCall " + std::to_string(function_oid) + " " + in_words(values));
}

ClientMessage copy_data(std::string_view bytes) {
  return framed('d', std::string(bytes), "CopyData \"" + readable(bytes, 80) + "\"");
}

ClientMessage copy_done() { return framed('c', "", "CopyDone"); }
ClientMessage copy_fail(std::string_view reason) {
  return framed('f', text_z(reason), "CopyFail \"" + std::string(reason) + "\"");
}
ClientMessage terminate() { return framed('X', "", "Terminate"); }

std::string startup_packet(const std::map<std::string, std::string>& parameters) {
  std::string body = int32_be(196608);
  for (const auto& [name, value] : parameters) body += text_z(name) + text_z(value);
  body += '\0';
  return int32_be(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

std::string cancel_packet(std::uint32_t process_id, std::string_view secret) {
  const std::string body = int32_be(80877102) + int32_be(process_id) + std::string(secret);
  return int32_be(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

bool take_messages(std::string& buffer, std::vector<ServerMessage>& into) {
  constexpr std::uint32_t length_max = 1U << 30;
  std::size_t position = 0;
  while (buffer.size() - position >= 5) {
    const std::uint32_t length = read_int32_be(buffer, position + 1);
    if (length < 4 || length > length_max) return false;
    if (buffer.size() - position < std::size_t{1} + length) break;
    into.push_back({buffer[position], buffer.substr(position + 5, length - 4)});
    position += std::size_t{1} + length;
  }
  buffer.erase(0, position);
  return true;
}

ServerMessage masked(const ServerMessage& message) {
  ServerMessage result = message;
  std::string& payload = result.payload;
  const auto mask_oid = [&payload](std::size_t position) {
    if (read_int32_be(payload, position) >= first_normal_object_id) payload.replace(position, 4, 4, '\0');
  };
  if (message.tag == 'T') {
    const std::size_t count = read_int16_be(payload, 0);
    std::size_t position = 2;
    for (std::size_t i = 0; i < count; ++i) {
      position = payload.find('\0', position) + 1;
      mask_oid(position);      // table
      mask_oid(position + 6);  // type
      position += 18;
    }
  } else if (message.tag == 't') {
    const std::size_t count = read_int16_be(payload, 0);
    for (std::size_t i = 0; i < count; ++i) mask_oid(2 + 4 * i);
  } else if (message.tag == 'A') {
    payload.replace(0, 4, 4, '\0');
  }
  return result;
}

ServerMessage without_source_place(const ServerMessage& message, char status) {
  if (message.tag != 'E') return message;
  if (status == 'E') return ServerMessage{'E', text_z("Can error in a failed transaction")};
  ServerMessage result{message.tag, ""};
  for (std::size_t begin = 0; begin + 1 < message.payload.size();) {
    const std::size_t end = message.payload.find('\0', begin);
    const char field = message.payload[begin];
    if (field != 'F' && field != 'L' && field != 'R') result.payload += message.payload.substr(begin, end + 1 - begin);
    begin = end + 1;
  }
  return result;
}

std::string readable(std::string_view text, std::size_t length_max) {
  std::string result;
  for (const char letter : text) {
    if (result.size() > length_max) return result + "… (" + std::to_string(text.size()) + " bytes)";
    if (letter == '\n') {
      result += "\\n";
    } else if (static_cast<unsigned char>(letter) < 0x20 || static_cast<unsigned char>(letter) >= 0x7F) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(letter)));
      result += escaped;
    } else {
      result += letter;
    }
  }
  return result;
}

std::string describe(const ServerMessage& message) {
  static const std::map<char, const char*> names{
      {'R', "Authentication"},    {'K', "BackendKeyData"},   {'1', "ParseComplete"},        {'2', "BindComplete"},
      {'3', "CloseComplete"},     {'C', "CommandComplete"},  {'W', "CopyBothResponse"},     {'d', "CopyData"},
      {'c', "CopyDone"},          {'G', "CopyInResponse"},   {'H', "CopyOutResponse"},      {'D', "DataRow"},
      {'I', "EmptyQueryResponse"}, {'E', "ErrorResponse"},   {'V', "FunctionCallResponse"}, {'n', "NoData"},
      {'N', "NoticeResponse"},    {'A', "NotificationResponse"}, {'t', "ParameterDescription"},
      {'S', "ParameterStatus"},   {'s', "PortalSuspended"},  {'Z', "ReadyForQuery"},        {'T', "RowDescription"}};
  const auto name = names.find(message.tag);
  std::string words = name == names.end() ? std::string("unknown ") + message.tag : std::string(name->second);
  if (!message.payload.empty()) words += " " + readable(message.payload);
  return words;
}

}  // namespace model
