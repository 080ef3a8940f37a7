#include "proxy/mirror/disk.hpp"
#include "proxy/mirror/journal.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

// What a former process has left in the journal's directory.
namespace proxy::mirror {

using protocol::Bytes;
using protocol::ByteView;
using protocol::Status;

namespace {

/// How many bytes are checked to find a whole record behind a hole.
constexpr std::uint64_t search_bytes_max = std::uint64_t{64} << 20;
constexpr std::size_t fate_body_bytes = 10;
constexpr std::size_t record_body_bytes_min = fate_body_bytes;

/// The begin of the next whole record behind `offset`; nothing: there is none.
std::optional<std::size_t> find_record(ByteView bytes, std::size_t offset, std::uint32_t seed) {
  std::uint64_t budget = search_bytes_max;
  for (std::size_t at = offset + 1; at + record_prefix_bytes + record_body_bytes_min <= bytes.size(); ++at) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = (length << 8) | std::to_integer<std::size_t>(bytes[at + i]);
    const auto kind = std::to_integer<unsigned>(bytes[at + record_prefix_bytes]);
    const bool is_likely = (kind == 1 && length > fate_body_bytes) || (kind == 2 && length == fate_body_bytes);
    if (!is_likely || length > bytes.size() - at - record_prefix_bytes) continue;
    if (length > budget) return std::nullopt;
    budget -= length;
    if (whole_record(bytes.subspan(at), seed)) return at;
  }
  return std::nullopt;
}

}  // namespace

protocol::Result<Journal::Recovery> Journal::open(const StreamName& stream, routing::Side authority, CommitSequence highest,
                                                  CommitSequence finished_through) {
  const auto names = list_directory(options_.directory);
  if (!names) return names.error();
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    const bool is_segment = name.starts_with("segment-") && name.find_first_not_of("0123456789", 8) == std::string::npos;
    if (is_segment) paths.push_back(options_.directory + "/" + name);
  }
  Recovery recovery;
  recovery.highest = highest;
  for (const std::string& path : paths) {
    if (Status status = recover(path, recovery, finished_through, path == paths.back()); !status) return status.error();
  }
  std::ranges::sort(recovery.units, {}, &Recovered::sequence);
  {
    const std::lock_guard lock(mutex_);
    auto segment = create_segment({stream, authority, recovery.highest + 1});
    if (!segment) return segment.error();
    segments_.push_back(*std::move(segment));
  }
  thread_ = std::thread([this] { run(); });
  return recovery;
}

Status Journal::recover(const std::string& path, Recovery& recovery, CommitSequence finished_through, bool is_last) {
  auto file = open_file(path, Creation::never);
  if (!file) return file.error();
  const auto size = size_of_file(file->get());
  if (!size) return size.error();
  auto bytes = read_at(file->get(), 0, static_cast<std::size_t>(*size));
  if (!bytes) return bytes.error();
  const auto header = decode_header(*bytes);
  if (!header) {
    // The last one may have been cut off while it was made; nothing was in it then.
    const bool is_cut_off = is_last && *size <= segment_header_bytes;
    if (!is_cut_off) recovery.damages.push_back({recovery.highest, *size});
    const int moved = is_cut_off ? ::unlink(path.c_str()) : std::rename(path.c_str(), (path + ".damaged").c_str());
    if (moved != 0) return protocol::failure(protocol::ErrorCode::internal, protocol::Blame::self, "cannot move " + path + " away");
    return {};
  }
  Segment segment;
  segment.path = path;
  segment.header = *header;
  segment.seed = seed_of(*header);
  segment.file = std::make_shared<net::FileDescriptor>(*std::move(file));
  recovery.highest = std::max(recovery.highest, header->first_sequence - 1);
  segment.highest = recovery.highest;
  std::size_t offset = segment_header_bytes;
  while (offset < bytes->size()) {
    const ByteView rest = ByteView(*bytes).subspan(offset);
    const auto length = whole_record(rest, segment.seed);
    if (!length) {
      const auto next = find_record(*bytes, offset, segment.seed);
      if (!next) break;
      recovery.damages.push_back({recovery.highest, *next - offset});
      offset = *next;
      continue;
    }
    const auto record = decode_record(rest.first(*length));
    if (!record) return record.error();
    note_recovered(segment, *record, offset, *length, recovery, finished_through);
    segment.highest = std::max(segment.highest, recovery.highest);
    offset += *length;
  }
  const std::uint64_t tail = *size - offset;
  segment.bytes = offset;
  if (tail != 0 && !is_last) recovery.damages.push_back({recovery.highest, tail});
  if (tail != 0 && is_last) {
    recovery.tail_bytes = tail;
    Status status = truncate_file(segment.file->get(), offset);
    if (status) status = sync_file(segment.file->get());
    if (!status) return status;
  }
  const std::lock_guard lock(mutex_);
  segments_.push_back(std::move(segment));
  return {};
}

void Journal::note_recovered(const Segment& segment, const Record& record, std::uint64_t offset, std::size_t bytes,
                             Recovery& recovery, CommitSequence finished_through) {
  if (const auto* fate = std::get_if<FateRecord>(&record)) {
    const auto place = std::ranges::lower_bound(recovery.units, fate->sequence, {}, &Recovered::sequence);
    if (place != recovery.units.end() && place->sequence == fate->sequence) place->fate = fate->fate;
    return;
  }
  const IntentRecord& intent = std::get<IntentRecord>(record);
  recovery.highest = std::max({recovery.highest, intent.sequence, intent.unit.last_write_done});
  if (intent.sequence <= finished_through) return;
  Recovered& unit = recovery.units.emplace_back();
  unit.sequence = intent.sequence;
  unit.bytes = bytes;
  unit.recorded_at = intent.recorded_at;
  unit.last_write_done = intent.unit.last_write_done;
  unit.is_barrier = std::ranges::any_of(intent.unit.items, [](const protocol::UnitItem& item) {
    return item.statement && item.statement->is_barrier;
  });
  unit.is_two_phase = intent.unit.is_two_phase;
  unit.database = intent.unit.database;
  unit.transaction_id = intent.unit.transaction_id;
  const std::lock_guard lock(mutex_);
  places_[intent.sequence] = Place{segment.file, offset, bytes, segment.seed};
}

}  // namespace proxy::mirror
