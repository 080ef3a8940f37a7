#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "protocol/mirror_unit.hpp"
#include "proxy/mirror/desk.hpp"
#include "routing/side.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

namespace proxy::mirror {

/// How the journal looks on the disk. Numbers have their highest byte first.
///
///     segment:  header, record, record, …
///     header:   "CROSSFJ" and a zero, version 4, authority 1, reserved 3, stream 16, first sequence 8, CRC32C 4
///     record:   length of the body 4, CRC32C of length and body 4 (going on from the header's), body
///     body:     kind 1, sequence 8, then of an intent: recorded at (ms since 1970) 8, the unit; of a fate: one byte. Kinds: an intent, a
///               fate, an intent that is committed in two phases
///
/// What follows the first record that is not whole is the tail of a write that a crash cut off.

/// Which journal a unit is of: beside the sequence, its identity on the follower.
using StreamName = std::array<std::byte, 16>;

/// As PostgreSQL and others print a UUID.
[[nodiscard]] std::string text_of(const StreamName& stream);

struct SegmentHeader {
  StreamName stream{};
  routing::Side authority = routing::Side::blue;  ///< when the segment was begun; of which side its unfinished units are, the state says
  CommitSequence first_sequence = 0;  ///< every intent in the segment has this one or a higher one
  bool operator==(const SegmentHeader&) const = default;
};

inline constexpr std::uint32_t journal_version = 1;
inline constexpr std::size_t segment_header_bytes = 44;
inline constexpr std::size_t record_prefix_bytes = 8;
/// A unit with more is not taken: what it holds would have to be in memory several times.
inline constexpr std::size_t unit_bytes_max = std::size_t{512} << 20;

/// How a unit ended, as far as the journal must know.
enum class Fate : std::uint8_t {
  committed = 1,
  dropped = 2,    ///< rolled back on the authority
  set_aside = 3,  ///< its entry is in the ledger; it is not applied
};

struct IntentRecord {
  CommitSequence sequence = 0;
  std::chrono::milliseconds recorded_at{0};  ///< since 1970
  protocol::MirrorUnit unit;
  bool operator==(const IntentRecord&) const = default;
};

struct FateRecord {
  CommitSequence sequence = 0;
  Fate fate = Fate::committed;
  bool operator==(const FateRecord&) const = default;
};

using Record = std::variant<IntentRecord, FateRecord>;

[[nodiscard]] protocol::Bytes encode_header(const SegmentHeader& header);
/// Errors: message_malformed for anything else than such a header of this version.
[[nodiscard]] protocol::Result<SegmentHeader> decode_header(protocol::ByteView bytes);
/// What the records of a segment go on from.
[[nodiscard]] std::uint32_t seed_of(const SegmentHeader& header);

/// A record without its sequence, time and checksum, which are known only when its turn comes: see seal_intent().
/// Errors: memory_limit_reached beyond unit_bytes_max.
[[nodiscard]] protocol::Result<protocol::Bytes> encode_intent(const protocol::MirrorUnit& unit);
void seal_intent(protocol::Bytes& record, CommitSequence sequence, std::chrono::milliseconds recorded_at,
                 std::uint32_t seed);
[[nodiscard]] protocol::Bytes encode_fate(const FateRecord& fate, std::uint32_t seed);

/// The whole record that `bytes` begins with, prefix included: its length; nothing: there is none. Reads no further.
[[nodiscard]] std::optional<std::size_t> whole_record(protocol::ByteView bytes, std::uint32_t seed);
/// `record` as whole_record() measured it. Errors: message_malformed.
[[nodiscard]] protocol::Result<Record> decode_record(protocol::ByteView record);

}  // namespace proxy::mirror
