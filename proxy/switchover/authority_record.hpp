#pragma once

#include "protocol/base/result.hpp"
#include "routing/side.hpp"
#include "routing/switchover.hpp"
#include "routing/switchover_attempt.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace proxy::switchover {

using routing::LastChange;

/// Who has the authority of a pair, and what is left to do of a switchover. Outlives the process.
struct AuthorityRecord {
  std::string pair;
  routing::Side authority = routing::Side::blue;
  std::uint64_t epoch = 1;  ///< grows with every change of the authority
  routing::SwitchoverRemains remains = routing::SwitchoverRemains::nothing;
  routing::Side target = routing::Side::blue;  ///< of what remains
  /// The side refuses writes inside the database, as far as Crossfade has seen to it.
  routing::PerSide<bool> is_fenced{};
  LastChange last_change = LastChange::nothing;
  std::int64_t since_ms = 0;  ///< of the authority, since 1970
  routing::Verification verification;
  std::string frozen;         ///< why the traffic is to stay as it is; empty: it need not
  bool operator==(const AuthorityRecord&) const = default;
};

/// Lines of text with a checksum at their end.
[[nodiscard]] std::string encode_record(const AuthorityRecord& record);
/// Errors: configuration_invalid for anything that encode_record() did not write: torn, changed, of another version.
[[nodiscard]] protocol::Result<AuthorityRecord> decode_record(std::string_view text);

}  // namespace proxy::switchover
