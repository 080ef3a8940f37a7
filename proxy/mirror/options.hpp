#pragma once

#include "protocol/capture.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace proxy::mirror {

/// When a client's commit is answered.
enum class Acknowledgement : std::uint8_t {
  authority,  ///< the authority committed, and the unit is safe in the journal
  both,       ///< and the follower applied the unit, or ack_timeout passed
  atomic,     ///< both sides have prepared it within ack_timeout, and then committed it; or neither has it
};

/// What sessions obey.
struct CaptureOptions {
  Acknowledgement ack = Acknowledgement::authority;
  protocol::UnsafePolicy unsafe_statements = protocol::UnsafePolicy::ledger;
  protocol::SchemaPolicy schema_changes = protocol::SchemaPolicy::mirror;
  bool operator==(const CaptureOptions&) const = default;
};

enum class Durability : std::uint8_t {
  commit,   ///< a unit is on the disk before its COMMIT is sent
  relaxed,  ///< it is with the operating system; the disk follows within flush_interval
};

enum class OnFull : std::uint8_t {
  break_off,  ///< stop mirroring, mark the tables, keep serving
  block,      ///< writes are refused until there is room
};

enum class OnDivergence : std::uint8_t {
  go_on,      ///< the unit is set aside, and those that depend on it
  break_off,  ///< the mirror stops
};

/// What the mirror itself obeys.
struct MirrorOptions {
  std::string directory;  ///< of the journal and the ledger; this process's alone
  CaptureOptions capture;
  std::chrono::milliseconds ack_timeout{1'000};
  /// Waits for the follower that ended without it, in a row, until nobody waits any more.
  std::uint32_t ack_failures_max = 5;
  Durability durability = Durability::commit;
  std::chrono::milliseconds flush_interval{5};  ///< of Durability::relaxed
  std::uint64_t journal_bytes_max = std::uint64_t{4} << 30;
  OnFull on_full = OnFull::break_off;
  OnDivergence on_divergence = OnDivergence::go_on;
  std::uint32_t appliers = 4;
  bool operator==(const MirrorOptions&) const = default;
};

}  // namespace proxy::mirror
