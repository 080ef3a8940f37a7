#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <cstdint>
#include <optional>

/// Tag bytes and the frame of a message.
/// Source: PostgreSQL 15 manual, 55.2 "Message Flow" and 55.7 "Message Formats".
namespace protocol::postgres {

/// Messages that a client sends.
enum class FrontendMessage : char {
  bind = 'B',
  close = 'C',
  copy_data = 'd',
  copy_done = 'c',
  copy_fail = 'f',
  describe = 'D',
  execute = 'E',
  flush = 'H',
  function_call = 'F',
  parse = 'P',
  password = 'p',  ///< also SASLInitialResponse, SASLResponse, GSSResponse
  query = 'Q',
  sync = 'S',
  terminate = 'X',
};

/// Messages that a server sends.
enum class BackendMessage : char {
  authentication = 'R',
  backend_key_data = 'K',
  bind_complete = '2',
  close_complete = '3',
  command_complete = 'C',
  copy_both_response = 'W',
  copy_data = 'd',
  copy_done = 'c',
  copy_in_response = 'G',
  copy_out_response = 'H',
  data_row = 'D',
  empty_query_response = 'I',
  error_response = 'E',
  function_call_response = 'V',
  negotiate_protocol_version = 'v',
  no_data = 'n',
  notice_response = 'N',
  notification_response = 'A',
  parameter_description = 't',
  parameter_status = 'S',
  parse_complete = '1',
  portal_suspended = 's',
  ready_for_query = 'Z',
  row_description = 'T',
};

/// Tag byte and length field.
inline constexpr std::size_t frame_header_bytes = 5;
/// The length field counts itself.
inline constexpr std::uint32_t frame_length_min = 4;

/// The header of the frame at the front of `bytes`; nullopt if fewer than five are there. The length is not
/// judged here: it may be anything that 32 bits can say.
struct FrameHeader {
  char tag = 0;
  std::uint32_t length = 0;  ///< as sent: payload bytes plus four
  [[nodiscard]] std::size_t payload_bytes() const { return length - frame_length_min; }
  [[nodiscard]] std::size_t frame_bytes() const { return std::size_t{1} + length; }
};

[[nodiscard]] inline std::optional<FrameHeader> scan_frame_header(ByteView bytes) {
  if (bytes.size() < frame_header_bytes) return std::nullopt;
  ByteReader reader(bytes);
  FrameHeader header;
  header.tag = static_cast<char>(reader.read_u8());
  header.length = reader.read_u32_be();
  return header;
}

}  // namespace protocol::postgres
