#pragma once

#include "protocol/base/result.hpp"
#include "routing/switchover_attempt.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace proxy::admin {

/// Where a pair stands, and its attempt, as the endpoints tell it.
[[nodiscard]] boost::json::object standing_json(const std::string& pair, const routing::SwitchoverStanding& standing);
[[nodiscard]] boost::json::object attempt_json(const routing::SwitchoverAttempt& attempt);
/// An attempt on one line, for the history's file.
[[nodiscard]] std::string attempt_line(const routing::SwitchoverAttempt& attempt);

/// A wish to switch over: {"to"?: "green", "dry_run"?, "now"?, "max_hold_ms"?, "on_drain_timeout"?: "abort" | "end", "accept"?: […],
/// "who"?, "why"?}, or nothing. `to` and `asker.who` hold what goes where the body says nothing.
[[nodiscard]] protocol::Result<routing::SwitchoverRequest> parse_switchover(std::string_view body, routing::Side to,
                                                                           const std::string& peer);
/// {"who"?, "why"?}, or nothing.
[[nodiscard]] protocol::Result<routing::ChangeAsker> parse_asker(std::string_view body, const std::string& peer);
/// {"equal": true, "who"?, "why"?}.
struct VerificationWord {
  bool is_equal = false;
  routing::ChangeAsker asker;
};
[[nodiscard]] protocol::Result<VerificationWord> parse_verification(std::string_view body, const std::string& peer);
/// {"authority": "blue", "who"?, "why"?}.
struct AuthorityWish {
  routing::Side authority = routing::Side::blue;
  routing::ChangeAsker asker;
};
[[nodiscard]] protocol::Result<AuthorityWish> parse_authority(std::string_view body, const std::string& peer);

}  // namespace proxy::admin
