#pragma once

#include "protocol/postgres/client_half.hpp"
#include "protocol/wire/byte_writer.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// Messages in short, and a session with two backends in memory, for the tests of the client half.
namespace client_half_test {

using namespace protocol;
using namespace protocol::postgres;

inline Bytes message(char tag, std::string_view payload) {
  Bytes bytes;
  ByteWriter writer(bytes);
  writer.write_u8(static_cast<std::uint8_t>(tag));
  writer.write_u32_be(static_cast<std::uint32_t>(payload.size() + frame_length_min));
  writer.write_text(payload);
  return bytes;
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  append(left, right);
  return left;
}

using namespace std::string_literals;

inline Bytes query_message(const std::string& text) { return message('Q', text + '\0'); }
inline Bytes parse_message(const std::string& name, const std::string& text) { return message('P', name + '\0' + text + "\0\0\0"s); }
inline Bytes bind_message(const std::string& name) { return message('B', "\0"s + name + "\0\0\0\0\0\0\0"s); }
inline Bytes execute_message() { return message('E', "\0\0\0\0\0"s); }
inline Bytes close_message(char what, const std::string& name) { return message('C', what + name + '\0'); }
inline Bytes flush_message() { return message('H', ""); }
inline Bytes sync_message() { return message('S', ""); }
inline Bytes ready_message(char status) { return message('Z', std::string(1, status)); }
inline Bytes complete(const std::string& tag) { return message('C', tag + '\0'); }
inline Bytes error(const std::string& severity, const std::string& code) {
  return message('E', "S" + severity + "\0V"s + severity + "\0C"s + code + "\0Mwhat\0\0"s);
}
inline Bytes parameter(const std::string& name, const std::string& value) { return message('S', name + '\0' + value + '\0'); }

inline std::string text_of(const Gather& gather) {
  std::string text;
  for (std::size_t i = 0; i < gather.slice_count(); ++i) text += as_text(gather.slice(i));
  return text;
}
inline std::string text_of(const Bytes& bytes) { return std::string(as_text(bytes)); }

/// A session with up to two backends, all in memory.
struct Conversation {
  explicit Conversation(ClientHalfOptions given = {}) : options(given), client({}, analyser, options) {
    client.write_welcome(blue, CancelKey{7, Bytes(4)}, welcome);
  }

  NextRequest judge(const Bytes& bytes, PostgresBackendHalf* current = nullptr) {
    return client.next_request(bytes, current == nullptr ? &blue : current);
  }
  /// Sends all of `bytes` to `target`, as the session would; what reaches the backend.
  std::string send(const Bytes& bytes, PostgresBackendHalf& target) {
    Gather sent;
    ByteView rest = bytes;
    while (!rest.empty()) {
      const NextRequest request = client.next_request(rest, &target);
      if (request.verdict != RequestVerdict::route && request.verdict != RequestVerdict::follow) break;
      client.forward(request, rest, target, sent);
      rest = rest.subspan(request.bytes);
    }
    return text_of(sent);
  }
  /// Gives backend bytes; what reaches the client.
  std::string answer(const Bytes& bytes, PostgresBackendHalf& source) {
    Gather told;
    const Result<ReplyProgress> result = client.relay(source, bytes, told, completed);
    REQUIRE(result.has_value());
    progress = *result;
    return text_of(told);
  }

  ClientHalfOptions options;
  Analyser analyser;
  PostgresBackendHalf blue{std::make_shared<const ParameterMap>(ParameterMap{{"TimeZone", "UTC"}}), CancelKey{1, Bytes(4)}};
  PostgresBackendHalf green{blue.parameters, CancelKey{2, Bytes(4)}};
  PostgresClientHalf client;
  Bytes welcome;
  std::vector<Completion> completed;
  ReplyProgress progress;
};

/// Restores the session's state on `target`; the SQL that was sent for it.
inline std::string restore(Conversation& it, PostgresBackendHalf& target) {
  Gather to_backend;
  Gather to_client;
  if (it.client.begin_restore(target, to_backend, to_client) == RestoreState::not_needed) return "";
  const std::string sql = text_of(to_backend).substr(frame_header_bytes);
  CHECK(it.answer(complete("SET") + ready_message('I'), target).empty());
  CHECK(it.client.restore_state(target) == RestoreState::done);
  return sql.substr(0, sql.size() - 1);
}

}  // namespace client_half_test
