#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// Every message of the PostgreSQL protocol as a table of fields, for transcripts.
/// Source: PostgreSQL 15 manual, 55.7 "Message Formats".
namespace tests::support {

enum class Direction : std::uint8_t { to_server, to_client };

enum class FieldKind : std::uint8_t {
  text_z,       ///< text with a zero behind it
  rest_text,    ///< text to the end of the message
  character,    ///< one byte, shown as the character it is
  number_8,
  number_16,
  number_32,
  value,        ///< a 32-bit length and as many bytes; -1 is null
  numbers_16,   ///< a 16-bit count and as many numbers
  numbers_32,   ///< a 16-bit count and as many 32-bit numbers
  values,       ///< a 16-bit count and as many values
  columns,      ///< RowDescription: a 16-bit count and as many columns
  report,       ///< ErrorResponse, NoticeResponse: letter and text, until a zero
  pairs,        ///< StartupMessage: names and values, until a zero
  names,        ///< AuthenticationSASL: texts, until a zero
  counted_names,  ///< NegotiateProtocolVersion: a 32-bit count and as many texts
};

/// Whether a second recording of the same conversation may differ here.
enum class Variation : std::uint8_t { fixed, varies };

struct FieldLayout {
  std::string_view name;
  FieldKind kind;
  Variation variation = Variation::fixed;
};

struct MessageLayout {
  std::string_view name;
  Direction direction;
  char tag = '\0';                        ///< zero for the packets that have none
  std::optional<std::uint32_t> code = {};  ///< the number that follows the length, where it is part of the name
  std::vector<FieldLayout> fields = {};
};

/// All of them. The messages that share the tag 'p' stand in the order PasswordMessage, SASLInitialResponse,
/// SASLResponse.
[[nodiscard]] std::span<const MessageLayout> message_layouts();
[[nodiscard]] const MessageLayout* find_layout(Direction direction, std::string_view name);
[[nodiscard]] const MessageLayout* find_layout(Direction direction, char tag, std::optional<std::uint32_t> code);

}  // namespace tests::support
