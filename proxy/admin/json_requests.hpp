#pragma once

#include "protocol/base/result.hpp"
#include "proxy/admin/control.hpp"
#include "routing/plan.hpp"

#include <string>
#include <string_view>

namespace proxy::admin {

/// A wish for new weights: {"reads": {"blue": 90, "green": 10}, "who": "…", "why": "…"}.
struct WeightsWish {
  routing::Weights reads;
  std::string who;  ///< for the audit; may be empty
  std::string why;  ///< for the log and the audit; may be empty
};

inline constexpr std::size_t why_bytes_max = 500;  ///< a sentence or two, one line of a log

/// Percents with up to two decimals that make 100; one side alone is enough. Errors (blame operator): what is
/// wrong, in words. Unknown keys are errors too: a misspelt one must not pass as if it had been obeyed.
[[nodiscard]] protocol::Result<WeightsWish> parse_weights(std::string_view body);

/// A wish to pause or resume: {"database": "shop", "who": "…", "why": "…"}, or nothing at all for the whole pair.
struct HoldWish {
  routing::HoldScope scope;
  std::string who;  ///< for the audit; may be empty
  std::string why;  ///< for the log and the audit; may be empty
};
[[nodiscard]] protocol::Result<HoldWish> parse_hold(std::string_view body);

/// {"pair": …, "sql": …, "user"?, "database"?, "application_name"?, "client"?: "10.0.0.1", "session_number"?: 7}.
[[nodiscard]] protocol::Result<ExplainRequest> parse_explain(std::string_view body);

/// Nothing, {} or {"dry_run": true}.
[[nodiscard]] protocol::Result<ReloadMode> parse_reload(std::string_view body);

/// An IPv4 or IPv6 literal; IPv4 is mapped into IPv6.
[[nodiscard]] protocol::Result<routing::ClientAddress> parse_address(const std::string& text);

}  // namespace proxy::admin
