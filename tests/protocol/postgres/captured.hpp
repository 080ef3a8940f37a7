#pragma once

#include "protocol/postgres/capture.hpp"

#include "tests/protocol/postgres/client_half_conversation.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// A capture and both of its neighbours, with the words of a server.
namespace capture_test {

using namespace client_half_test;

inline constexpr std::uint64_t first_tick = 100;

inline Bytes number(std::size_t value, int bytes) {
  Bytes result;
  for (int i = bytes - 1; i >= 0; --i) result.push_back(static_cast<std::byte>((value >> (8 * i)) & 0xFF));
  return result;
}

inline Bytes with_tag(char tag, const Bytes& payload) { return message(tag, as_text(payload)); }

inline Bytes row(const std::vector<std::string>& values) {
  Bytes payload = number(values.size(), 2);
  for (const std::string& value : values) payload = payload + number(value.size(), 4) + Bytes(as_bytes(value).begin(), as_bytes(value).end());
  return with_tag('D', payload);
}

inline Bytes description(const std::vector<std::string>& names) {
  Bytes payload = number(names.size(), 2);
  for (const std::string& name : names) {
    append(payload, as_bytes(name));
    payload = payload + Bytes(1) + Bytes(18);
  }
  return with_tag('T', payload);
}

/// The answer to the question whether numbers are told with fewer digits than they have.
inline Bytes form_answer(const std::string& is_lossy) { return description({"a"}) + row({is_lossy}) + complete("SELECT 1") + ready_message('T'); }

/// The answer to the question for a table with the key `id`.
inline Bytes table_answer(const std::string& obstacle = "") {
  return description({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"}) +
         row({"public", "t", "f", "id\x1fv", "id", "", "", "", "f", obstacle, "id", "f", "", "", "t", "f"}) + complete("SELECT 1") +
         ready_message('T');
}

struct Captured {
  explicit Captured(CaptureOptions options = {}) {
    options.tick = [this] { return ++ticks; };
    Login login;
    login.user = "app";
    login.database = "shop";
    capture = std::make_unique<PostgresCapture>(options, login, shelf, version);
    capture->take_replies(parameter("TimeZone", "UTC") + ready_message('I'));
    capture->replies().clear();
  }
  /// From the client; what goes to the half.
  std::string send(const Bytes& bytes) {
    capture->take_requests(bytes);
    return taken(capture->requests());
  }
  /// From the half; what the client is given.
  std::string answer(const Bytes& bytes) {
    capture->take_replies(bytes);
    return taken(capture->replies());
  }
  std::string requests() { return taken(capture->requests()); }
  static std::string taken(Bytes& bytes) { return text_of(std::exchange(bytes, {})); }
  /// The table is known from here on.
  void know_table() {
    send(query_message("INSERT INTO t VALUES (0)"));
    answer(complete("BEGIN") + ready_message('T') + table_answer() + complete("ROLLBACK") + ready_message('I'));
    requests();
    answer(complete("BEGIN") + ready_message('T') + form_answer("f") + complete("INSERT 0 0") + ready_message('T') + complete("COMMIT") + ready_message('I'));
    requests();
  }

  std::atomic<std::uint64_t> version{1};
  std::uint64_t ticks = first_tick;
  Analyser analyser;
  CaptureShelf shelf{analyser};
  std::unique_ptr<PostgresCapture> capture;
};

inline const std::string begin_text = text_of(query_message("BEGIN"));
inline const std::string commit_text = text_of(query_message("COMMIT"));

}  // namespace capture_test
