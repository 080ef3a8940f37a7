#pragma once

#include "protocol/base/result.hpp"
#include "proxy/mirror/desk.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::mirror {

/// What the follower does not have yet.
struct Lag {
  std::uint64_t units = 0;
  std::uint64_t bytes = 0;
  std::chrono::milliseconds age{0};  ///< of the oldest of them
};

/// What a ledger entry is about.
enum class LedgerKind : std::uint8_t {
  unsafe_statement,  ///< ran on the authority only
  unit_failed,       ///< the follower refused a unit
  unit_dependent,    ///< a unit that depends on one that was set aside
  rows_differ,       ///< the follower's count of rows was another than the authority's; the unit is on the follower
  unit_lost,         ///< committed while the mirror was broken off
  broken_off,        ///< the mirror stopped
  in_doubt,          ///< the authority does not know any more how a transaction ended
  window_unproven,   ///< durability: relaxed, and the machine went down
  left_behind,       ///< committed on one side when the authority was moved to the other at once
  acknowledged_late,  ///< ack: both, and the client was answered before the follower had the unit
};

/// Something known to differ, or not proven equal. Like ones are one entry while it is open.
struct LedgerEntry {
  std::uint64_t id = 0;
  LedgerKind kind = LedgerKind::unsafe_statement;
  std::string database;
  std::string table;               ///< "schema.table"; empty: could not be told, so every table of the database
  std::vector<std::string> keys;   ///< as texts; empty: every row
  std::uint64_t fingerprint = 0;   ///< of the statement; 0: unknown
  std::string cause;               ///< in words, without any literal
  CommitSequence first_position = 0;
  CommitSequence last_position = 0;
  std::uint64_t count = 0;
  std::chrono::system_clock::time_point first_seen;
  std::chrono::system_clock::time_point last_seen;
  bool is_open = true;
  std::string closed_by;  ///< the operator's name, or "mirror" when it proved the thing over itself
};

enum class MirrorState : std::uint8_t {
  running,
  follower_unreachable,  ///< units wait in the journal; it is probed
  broken_off,            ///< nothing is recorded until the ledger's entry of the break is accepted
};

struct MirrorStatus {
  MirrorState state = MirrorState::running;
  std::string reason;  ///< of a state that is not `running`
  routing::Side authority = routing::Side::blue;
  CommitSequence stop_position = 0;
  CommitSequence applied_through = 0;
  Lag lag;
  std::chrono::milliseconds lag_age_worst{0};  ///< within the last minute
  std::optional<double> units_per_second;      ///< that the follower applies when it has to; nothing: it was not seen at it yet
  std::uint64_t journal_bytes = 0;
  std::uint64_t journal_bytes_max = 0;
  std::uint64_t units_recorded_total = 0;
  std::uint64_t units_applied_total = 0;
  std::uint64_t units_set_aside_total = 0;
  std::uint64_t units_dropped_total = 0;  ///< rolled back on the authority
  std::uint64_t units_refused_total = 0;  ///< ack: atomic, and the follower did not prepare them
  std::uint64_t retries_total = 0;
  std::uint64_t late_acknowledgements_total = 0;
  std::uint64_t reads_waited_total = 0;   ///< for the follower to have what their session had written
  std::uint64_t reads_given_up_total = 0; ///< of these: went to the authority, since it took too long
  std::uint64_t ledger_open = 0;
};

[[nodiscard]] constexpr std::string_view name_of(LedgerKind kind) {
  switch (kind) {
    case LedgerKind::unsafe_statement: return "unsafe_statement";
    case LedgerKind::unit_failed: return "unit_failed";
    case LedgerKind::unit_dependent: return "unit_dependent";
    case LedgerKind::rows_differ: return "rows_differ";
    case LedgerKind::unit_lost: return "unit_lost";
    case LedgerKind::broken_off: return "broken_off";
    case LedgerKind::in_doubt: return "in_doubt";
    case LedgerKind::window_unproven: return "window_unproven";
    case LedgerKind::left_behind: return "left_behind";
    case LedgerKind::acknowledged_late: return "acknowledged_late";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view name_of(MirrorState state) {
  switch (state) {
    case MirrorState::running: return "running";
    case MirrorState::follower_unreachable: return "follower_unreachable";
    case MirrorState::broken_off: return "broken_off";
  }
  return "unknown";
}

/// The mirror of a pair as its operators and the switchover know it. Calls from any thread but a worker's: some wait for
/// the disk.
class MirrorControl {
 public:
  virtual ~MirrorControl() = default;
  [[nodiscard]] virtual MirrorStatus status() const = 0;
  /// Side whose commits are mirrored; the other one follows.
  [[nodiscard]] virtual routing::Side authority() const = 0;
  /// The highest position recorded. Once nobody writes any more, the follower is equal when applied_through() has
  /// reached it (and the ledger is empty).
  [[nodiscard]] virtual CommitSequence stop_position() const = 0;
  /// As Desk's. It stays in front of what is set aside or lost until the operator accepts its ledger entry.
  [[nodiscard]] virtual CommitSequence applied_through() const = 0;
  /// Waits until applied_through() is at least `position`; false at the deadline.
  [[nodiscard]] virtual bool wait_applied(CommitSequence position, std::chrono::steady_clock::time_point deadline) = 0;
  [[nodiscard]] virtual Lag lag() const = 0;
  /// `new_authority` is mirrored from now on, to the other side. Durable when it returns. Errors: configuration_invalid
  /// while something is not applied or the mirror is broken off, internal when the disk fails; then all is as before.
  [[nodiscard]] virtual protocol::Status turn(routing::Side new_authority) = 0;
  /// The same in an incident: what is not applied by the deadline never will be, and is in the ledger, durably, before the sides change.
  /// On an error the mirror is broken off.
  [[nodiscard]] virtual protocol::Status turn_at_once(routing::Side new_authority, std::chrono::steady_clock::time_point deadline) = 0;

  /// Entries in the order of their ids: the open ones, or all of them.
  enum class Extent : std::uint8_t { open, all };
  [[nodiscard]] virtual std::vector<LedgerEntry> ledger(Extent extent) const = 0;
  /// The operator `by` takes it upon himself. Errors: configuration_invalid for an entry that is not there or not open.
  [[nodiscard]] virtual protocol::Result<LedgerEntry> accept(std::uint64_t id, const std::string& by) = 0;
};

}  // namespace proxy::mirror
