#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Messages of the frontend/backend protocol as this test writes and reads them. Deliberately not the code
/// under test: a mistake there must not be made twice.
/// Source: PostgreSQL 15 manual, 55.7 "Message Formats".
namespace model {

/// One message of a client, ready to be sent, and in words for reports.
struct ClientMessage {
  char tag = 0;
  std::string frame;
  std::string words;
};

/// One message of a server.
struct ServerMessage {
  char tag = 0;
  std::string payload;
  bool operator==(const ServerMessage&) const = default;
};

/// A bound value; nullopt is NULL.
using BoundValue = std::optional<std::string>;

ClientMessage query(std::string_view sql);
ClientMessage parse(std::string_view name, std::string_view sql, const std::vector<std::uint32_t>& type_oids);
ClientMessage bind(std::string_view portal, std::string_view statement, const std::vector<std::int16_t>& value_formats,
                   const std::vector<BoundValue>& values, const std::vector<std::int16_t>& result_formats);
/// `kind` is 'S' for a prepared statement, 'P' for a portal.
ClientMessage describe(char kind, std::string_view name);
ClientMessage close(char kind, std::string_view name);
/// `row_limit` 0 means all.
ClientMessage execute(std::string_view portal, std::uint32_t row_limit);
ClientMessage flush();
ClientMessage sync();
ClientMessage function_call(std::uint32_t function_oid, std::int16_t value_format, const std::vector<BoundValue>& values,
                            std::int16_t result_format);
ClientMessage copy_data(std::string_view bytes);
ClientMessage copy_done();
ClientMessage copy_fail(std::string_view reason);
ClientMessage terminate();

std::string startup_packet(const std::map<std::string, std::string>& parameters);
std::string cancel_packet(std::uint32_t process_id, std::string_view secret);

std::string int32_be(std::uint32_t value);
std::uint32_t read_int32_be(std::string_view bytes, std::size_t position);
std::uint16_t read_int16_be(std::string_view bytes, std::size_t position);

/// Takes whole messages from the front of `buffer` and appends them to `into`. False: a length makes no sense.
bool take_messages(std::string& buffer, std::vector<ServerMessage>& into);

/// Replaces what may differ between two sessions with the same conversation: object ids that the server
/// handed out itself, and the process id of a notification.
ServerMessage masked(const ServerMessage& message);

/// An ErrorResponse as far as two sides must agree on it: without the file, line and routine of the server that raised
/// it, and in a failed transaction (`status` E) without anything, since there the server refuses to be taught a
/// statement before it can say what else is wrong with its use.
ServerMessage without_source_place(const ServerMessage& message, char status);

/// In words, one line, cut to a readable length.
std::string describe(const ServerMessage& message);
/// Control characters escaped, cut after `length_max` characters.
std::string readable(std::string_view text, std::size_t length_max = 160);

}  // namespace model
