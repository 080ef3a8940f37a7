#pragma once

#include "tests/protocol/postgres/client_half_conversation.hpp"

#include "protocol/postgres/statement_library.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace client_half_test {

inline const Bytes parsed = message('1', "");
inline const Bytes bound = message('2', "");
inline const Bytes closed = message('3', "");
inline const Bytes idle = ready_message('I');

/// A Close that stands in the place of a Parse.
inline const Bytes stand_in = close_message('S', "_crossfade_0");

inline std::string name_of(int number) { return "_crossfade_" + std::to_string(number); }

/// Sessions that share the connections of one pool.
struct Sharing {
  explicit Sharing(std::uint32_t statements_max = 200) { options.prepared_statements_max = statements_max; }

  PostgresClientHalf& session() {
    sessions.push_back(std::make_unique<PostgresClientHalf>(Login{}, analyser, options, &library));
    Bytes welcome;
    sessions.back()->write_welcome(one, CancelKey{7, Bytes(4)}, welcome);
    return *sessions.back();
  }
  /// What reaches the server of `bytes`.
  std::string send(PostgresClientHalf& client, const Bytes& bytes, PostgresBackendHalf& half) {
    Gather sent;
    ByteView rest = bytes;
    while (!rest.empty()) {
      const NextRequest request = client.next_request(rest, &half);
      waits = request.verdict == RequestVerdict::await_reply;
      if (request.verdict != RequestVerdict::route && request.verdict != RequestVerdict::follow) break;
      client.forward(request, rest, half, sent);
      rest = rest.subspan(request.bytes);
    }
    return text_of(sent);
  }
  std::string answer(PostgresClientHalf& client, const Bytes& bytes, PostgresBackendHalf& half) {
    Gather told;
    const Result<ReplyProgress> result = client.relay(half, bytes, told, completed);
    REQUIRE(result.has_value());
    progress = *result;
    return text_of(told);
  }
  StatementClass judge_class(PostgresClientHalf& client, const Bytes& bytes, PostgresBackendHalf& half) {
    return client.next_request(bytes, &half).facts.statement_class;
  }
  /// `client` prepares, and it succeeds.
  std::string prepare(PostgresClientHalf& client, const std::string& name, const std::string& text, PostgresBackendHalf& half) {
    const std::string sent = send(client, parse_message(name, text) + sync_message(), half);
    const bool is_synthesised = sent == text_of(stand_in + sync_message());
    const Bytes replaced = sent.starts_with("C") && !is_synthesised ? closed : Bytes{};
    const Bytes own = is_synthesised ? closed : replaced + parsed;
    CHECK(answer(client, own + idle, half) == text_of(parsed + idle));
    return sent;
  }

  ClientHalfOptions options;
  Analyser analyser;
  std::atomic<std::uint64_t> schema_version{0};
  StatementLibrary library{schema_version, "_crossfade_"};
  ParameterPointer parameters = std::make_shared<const ParameterMap>(ParameterMap{{"TimeZone", "UTC"}});
  PostgresBackendHalf one{parameters, CancelKey{1, Bytes(4)}};
  PostgresBackendHalf other{parameters, CancelKey{2, Bytes(4)}};
  std::vector<std::unique_ptr<PostgresClientHalf>> sessions;
  std::vector<Completion> completed;
  bool waits = false;
  ReplyProgress progress;
};

}  // namespace client_half_test
