#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxy::admin {

/// What the endpoints see of an HTTP request; complete, within the bounds, and independent of the socket.
struct Request {
  std::string method;  ///< as sent: "GET"
  std::string target;  ///< as sent: "/api/v1/status?x=1"
  std::string host;    ///< the Host field; empty: none (HTTP/1.0)
  std::optional<std::string> origin;         ///< set by browsers only
  std::optional<std::string> authorization;
  std::optional<std::string> content_type;
  std::string body;
  std::string peer;    ///< address of the peer, for the log
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;  ///< beyond the ones that every response has
  /// What was changed, and why, for the log; empty: nothing was. Never a statement: its literals are users' data.
  std::string change;
};

/// What every failure says: {"error": {"status": 404, "code": "not_found", "message": …}}. The message is for a
/// person at three in the morning: what was wrong, and what would be right.
[[nodiscard]] Response error_response(unsigned status, std::string_view message);

/// Stable name of an HTTP status for programs: 404 → "not_found".
[[nodiscard]] std::string_view code_of(unsigned status);

}  // namespace proxy::admin
