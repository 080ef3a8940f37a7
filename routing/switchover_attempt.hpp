#pragma once

#include "routing/side.hpp"
#include "routing/switchover.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace routing {

/// Who wants something, and why; for the audit.
struct ChangeAsker {
  std::string who;   ///< a name, or an address
  std::string why;
};

struct SwitchoverRequest {
  Side to = Side::green;
  enum class Extent : std::uint8_t { whole, dry_run } extent = Extent::whole;
  DrainPolicy on_drain_timeout = DrainPolicy::abort;
  SwitchoverUrgency urgency = SwitchoverUrgency::careful;
  std::optional<std::chrono::milliseconds> hold_max;
  std::vector<std::string> accepted;  ///< ids of findings
  ChangeAsker asker;
};

/// What a pair's traffic was changed by last, and so what a rollback takes back.
enum class LastChange : std::uint8_t { nothing, weights, switchover };
[[nodiscard]] std::string_view name_of(LastChange change);

/// How an attempt ended.
enum class AttemptEnd : std::uint8_t {
  none,      ///< it has not
  checked,   ///< a dry run
  moved,     ///< the authority is the new one
  undone,    ///< everything is as it was
  disowned,  ///< nobody knows
};
[[nodiscard]] std::string_view name_of(AttemptEnd end);

/// One attempt, as it is told, kept and exported.
struct SwitchoverAttempt {
  std::uint64_t number = 0;
  SwitchoverRequest request;
  Side from = Side::blue;
  std::int64_t began_ms = 0;               ///< since 1970
  std::chrono::milliseconds took{0};
  AttemptEnd end = AttemptEnd::none;
  std::string failure;                     ///< why it was given up; empty: it was not
  SwitchoverStep failed_step = SwitchoverStep::idle;
  std::vector<SwitchoverRecord> records;
  std::vector<SwitchoverFinding> findings;
  std::string breach;                      ///< what was not as it should be in the soak; empty: nothing yet
  std::vector<std::string> skipped;        ///< of what --now could not do
  std::vector<std::string> left_behind;    ///< likewise: what the old authority had and the new one may lack
  std::chrono::microseconds held{0};       ///< from the hold's order to its release: no client waited longer for it
  std::uint64_t sessions_held = 0;         ///< that waited when it was released
  std::uint64_t transactions_ended = 0;    ///< by a drain that could not wait
};

/// What somebody who has compared all rows of both sides has said.
struct Verification {
  std::int64_t at_ms = 0;  ///< since 1970; 0: nobody has said anything yet
  bool is_equal = false;
  std::string by;
  bool operator==(const Verification&) const = default;
};

/// Where a pair stands.
struct SwitchoverStanding {
  Side authority = Side::blue;
  bool is_authority_known = true;
  std::string trouble;           ///< why it is not
  std::uint64_t epoch = 0;
  PerSide<bool> is_fenced{};
  std::int64_t since_ms = 0;
  Verification verification;
  std::string frozen;            ///< why the traffic is to stay as it is; empty: it need not
  SwitchoverStep step = SwitchoverStep::idle;
  LastChange last_change = LastChange::nothing;
  std::optional<SwitchoverAttempt> attempt;  ///< under way, or the last one
};

}  // namespace routing
