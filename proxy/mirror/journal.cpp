#include "proxy/mirror/journal.hpp"

#include "proxy/mirror/disk.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace proxy::mirror {

using protocol::Blame;
using protocol::Bytes;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Status;

namespace {

/// Written in one call; more than a disk likes at once is not faster.
constexpr std::size_t batch_bytes_max = std::size_t{4} << 20;

/// Of fates, which need not be there before anybody goes on: without them the authority is asked.
constexpr std::chrono::milliseconds fate_flush_interval{100};

constexpr const char* name_begin = "segment-";
constexpr std::size_t name_digits = 12;

std::string path_of_number(const std::string& directory, std::uint64_t number) {
  const std::string digits = std::to_string(number);
  return directory + "/" + name_begin + std::string(name_digits - std::min(name_digits, digits.size()), '0') + digits;
}

std::uint64_t number_of_path(const std::string& path) {
  return std::stoull(path.substr(path.rfind('-') + 1));
}

}  // namespace

Journal::Journal(Options options, BeforeRound before_round, OnFailure on_failure)
    : options_(std::move(options)), before_round_(std::move(before_round)), on_failure_(std::move(on_failure)) {}

Journal::~Journal() { close(); }

void Journal::close() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

protocol::Result<Journal::Segment> Journal::create_segment(const SegmentHeader& header) const {
  Segment segment;
  const std::uint64_t number = segments_.empty() ? 1 : number_of_path(segments_.back().path) + 1;
  segment.path = path_of_number(options_.directory, number);
  segment.header = header;
  segment.seed = seed_of(header);
  segment.highest = header.first_sequence - 1;
  auto file = open_file(segment.path, Creation::must);
  if (!file) return file.error();
  segment.file = std::make_shared<net::FileDescriptor>(*std::move(file));
  const Bytes bytes = encode_header(header);
  Status status = write_at(segment.file->get(), bytes, 0);
  if (status) status = sync_file(segment.file->get());
  if (status) status = sync_directory(options_.directory);
  if (!status) {
    ::unlink(segment.path.c_str());
    return status.error();
  }
  segment.bytes = bytes.size();
  return segment;
}

Status Journal::begin_segment(const StreamName& stream, routing::Side authority, CommitSequence highest) {
  const std::lock_guard lock(mutex_);
  auto segment = create_segment({stream, authority, highest + 1});
  if (!segment) return segment.error();
  segments_.push_back(*std::move(segment));
  is_failed_ = false;
  return {};
}

bool Journal::has_room(std::uint64_t bytes) const { return this->bytes() + bytes <= options_.bytes_max; }

std::uint64_t Journal::bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = pending_bytes_;
  for (const Segment& segment : segments_) sum += segment.bytes;
  return sum;
}

CommitSequence Journal::first_kept() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? 0 : segments_.front().header.first_sequence;
}

void Journal::append_intent(CommitSequence sequence, std::chrono::milliseconds recorded_at, Bytes record, WhenWritten when_written) {
  const std::lock_guard lock(mutex_);
  pending_bytes_ += record.size();
  pending_.push_back({sequence, recorded_at, std::move(record), {}, std::move(when_written)});
  changed_.notify_one();
}

/// It goes with whatever is written next.
void Journal::append_fate(const FateRecord& fate) {
  const std::lock_guard lock(mutex_);
  pending_.push_back({fate.sequence, {}, {}, fate, nullptr});
  if (!is_unsynced_) changed_.notify_one();
  is_unsynced_ = true;
}

Status Journal::flush() {
  std::unique_lock lock(mutex_);
  if (is_stopping_) return failure(ErrorCode::shutting_down, Blame::self, "the journal is closed");
  const std::uint64_t wanted = ++rounds_wanted_;
  changed_.notify_one();
  written_.wait(lock, [&] { return rounds_done_ >= wanted; });
  return last_round_;
}

protocol::Result<protocol::MirrorUnit> Journal::read_unit(CommitSequence sequence) const {
  auto intent = read_intent(sequence);
  if (!intent) return intent.error();
  return std::move(intent->unit);
}

protocol::Result<IntentRecord> Journal::read_intent(CommitSequence sequence) const {
  Place place;
  {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(sequence);
    if (found == places_.end()) return failure(ErrorCode::internal, Blame::self, "a unit is not in the journal");
    place = found->second;
  }
  const auto bytes = read_at(place.file->get(), place.offset, place.bytes);
  if (!bytes) return bytes.error();
  if (whole_record(*bytes, place.seed) != place.bytes) {
    return failure(ErrorCode::message_malformed, Blame::self, "a unit cannot be read any more: the journal is damaged");
  }
  auto record = decode_record(*bytes);
  if (!record) return record.error();
  auto* intent = std::get_if<IntentRecord>(&*record);
  if (intent == nullptr) return failure(ErrorCode::message_malformed, Blame::self, "no unit where one was written");
  return std::move(*intent);
}

void Journal::release_through(CommitSequence sequence) {
  std::vector<std::string> gone;
  {
    const std::lock_guard lock(mutex_);
    places_.erase(places_.begin(), places_.upper_bound(sequence));
    while (segments_.size() > 1 && segments_.front().highest <= sequence) {
      gone.push_back(segments_.front().path);
      segments_.pop_front();
    }
  }
  for (const std::string& path : gone) ::unlink(path.c_str());
  if (!gone.empty()) static_cast<void>(sync_directory(options_.directory));
}

void Journal::run() {
  const auto interval = options_.durability == Durability::relaxed ? options_.flush_interval : fate_flush_interval;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto has_work = [this] { return is_stopping_ || pending_bytes_ != 0 || rounds_wanted_ > rounds_done_; };
    if (is_unsynced_ && !is_failed_) {
      changed_.wait_for(lock, interval, has_work);
    } else {
      changed_.wait(lock, [&] { return has_work() || (is_unsynced_ && !is_failed_); });
      if (!has_work()) continue;
    }
    std::vector<Pending> round = std::exchange(pending_, {});
    const std::uint64_t wanted = rounds_wanted_;
    const bool has_intent = pending_bytes_ != 0;
    const bool is_flush = wanted > rounds_done_ || is_stopping_ || !has_intent;
    const bool was_failed = is_failed_;
    lock.unlock();
    Status status = failure(ErrorCode::internal, Blame::self, "the journal cannot be written");
    if (!was_failed) {
      status = carry_out(round, is_flush || options_.durability == Durability::commit ? Sync::now : Sync::later);
      if (!status) on_failure_(status.error());
    }
    finish_round(round, status);
    lock.lock();
    rounds_done_ = wanted;
    last_round_ = status;
    written_.notify_all();
    if (is_stopping_ && pending_.empty()) return;
  }
}

Status Journal::carry_out(std::vector<Pending>& round, Sync sync) {
  Status status = before_round_();
  if (status) status = write_round(round);
  if (status && sync == Sync::now) status = sync_file(current().file->get());
  const std::lock_guard lock(mutex_);
  if (!status) is_failed_ = true;
  if (sync == Sync::now || !status) is_unsynced_ = false;
  return status;
}

Journal::Segment& Journal::current() {
  const std::lock_guard lock(mutex_);
  return segments_.back();
}

void Journal::finish_round(std::vector<Pending>& round, const Status& status) {
  std::uint64_t bytes = 0;
  for (const Pending& each : round) bytes += each.record.size();
  {
    const std::lock_guard lock(mutex_);
    pending_bytes_ -= bytes;
  }
  for (Pending& each : round) {
    if (each.when_written) each.when_written(status ? Verdict::safe : Verdict::failed, each.record);
  }
}

/// On an error nothing of what this call added to the last segment is left there.
Status Journal::write_round(std::vector<Pending>& round) {
  Bytes batch;
  std::vector<std::pair<CommitSequence, Place>> places;
  for (Pending& each : round) {
    // Only this thread changes the last segment while the journal is open, but for begin_segment(), when nothing is pending.
    const Segment& segment = current();
    if (segment.bytes + batch.size() >= options_.segment_bytes) {
      Status status = write_batch(batch, places);
      if (status) status = rotate();
      if (!status) return status;
    } else if (batch.size() >= batch_bytes_max) {
      if (Status status = write_batch(batch, places); !status) return status;
    }
    const Segment& last = current();
    if (each.record.empty()) {
      protocol::append(batch, encode_fate(each.fate, last.seed));
      continue;
    }
    seal_intent(each.record, each.sequence, each.recorded_at, last.seed);
    places.emplace_back(each.sequence, Place{last.file, last.bytes + batch.size(), each.record.size(), last.seed});
    protocol::append(batch, each.record);
  }
  return write_batch(batch, places);
}

Status Journal::write_batch(Bytes& batch, std::vector<std::pair<CommitSequence, Place>>& places) {
  if (batch.empty()) return {};
  Segment& segment = current();
  if (Status status = write_at(segment.file->get(), batch, segment.bytes); !status) {
    static_cast<void>(truncate_file(segment.file->get(), segment.bytes));
    return status;
  }
  const std::lock_guard lock(mutex_);
  segment.bytes += batch.size();
  is_unsynced_ = true;
  if (!places.empty()) segment.highest = std::max(segment.highest, places.back().first);
  for (auto& [sequence, place] : places) places_.emplace_hint(places_.end(), sequence, std::move(place));
  batch.clear();
  places.clear();
  return {};
}

Status Journal::rotate() {
  const Segment& full = current();
  if (Status status = sync_file(full.file->get()); !status) return status;
  auto segment = create_segment({full.header.stream, full.header.authority, full.highest + 1});
  if (!segment) return segment.error();
  const std::lock_guard lock(mutex_);
  segments_.push_back(*std::move(segment));
  return {};
}

}  // namespace proxy::mirror
