#include "proxy/mirror/ledger.hpp"

#include "protocol/base/bytes.hpp"
#include "proxy/mirror/disk.hpp"
#include "proxy/mirror/ledger_line.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

namespace proxy::mirror {

namespace {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Status;

constexpr std::uint64_t file_bytes_max = std::uint64_t{256} << 20;
/// Beyond it a file that is mostly old news is written anew.
constexpr std::uint64_t rewrite_bytes_min = std::uint64_t{4} << 20;
/// Kept free for entries that tell of a full disk.
constexpr std::uint64_t room_bytes = std::uint64_t{64} << 10;

/// Units that the follower does not have.
bool is_missing_kind(LedgerKind kind) {
  switch (kind) {
    case LedgerKind::unit_failed:
    case LedgerKind::unit_dependent:
    case LedgerKind::unit_lost:
    case LedgerKind::broken_off:
    case LedgerKind::in_doubt: return true;
    case LedgerKind::unsafe_statement:
    case LedgerKind::rows_differ:
    case LedgerKind::window_unproven:
    case LedgerKind::left_behind:
    case LedgerKind::acknowledged_late: return false;
  }
  return false;
}

/// Kinds whose rows later units may not build on.
bool blocks_rows(LedgerKind kind) { return kind == LedgerKind::unit_failed || kind == LedgerKind::unit_dependent; }

std::string place_of(const std::string& database, const std::string& table) { return database + '\0' + table; }

/// Entries with the same are one while it is open.
std::string likeness_of(const LedgerEntry& entry) {
  std::string text(name_of(entry.kind));
  for (const std::string_view part : {std::string_view(entry.database), std::string_view(entry.table), std::string_view(entry.cause)}) {
    text += '\0';
    text += part;
  }
  return text + '\0' + std::to_string(entry.fingerprint);
}

}  // namespace

Status Ledger::open(const std::string& path) {
  const std::lock_guard file_lock(file_mutex_);
  path_ = path;
  auto opened = open_file(path, Creation::if_missing);
  if (!opened) return opened.error();
  file_ = *std::move(opened);
  if (Status read = read_all(path); !read) return read;
  reserve_room();
  return {};
}

Status Ledger::read_all(const std::string& path) {
  const auto size = size_of_file(file_.get());
  if (!size) return size.error();
  if (*size > file_bytes_max) return failure(ErrorCode::configuration_invalid, Blame::operator_, path + " is too large");
  const auto bytes = read_at(file_.get(), 0, static_cast<std::size_t>(*size));
  if (!bytes) return bytes.error();
  std::string_view rest = protocol::as_text(*bytes);
  const std::lock_guard lock(mutex_);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;  // a crash cut it off
    auto line = decode_line(rest.substr(0, end), seed_);
    if (!line && end + 1 == rest.size()) break;
    if (!line) return failure(ErrorCode::configuration_invalid, Blame::operator_, path + ": a line was changed or is missing");
    seed_ = line->checksum;
    last_id_ = std::max(last_id_, line->entry.id);
    entries_[line->entry.id] = Held{std::move(line->entry), Staleness::written};
    rest.remove_prefix(end + 1);
    file_bytes_ += end + 1;
  }
  for (const auto& [id, held] : entries_) {
    if (held.entry.is_open) open_[likeness_of(held.entry)] = id;
  }
  collect_missing();
  return truncate_file(file_.get(), file_bytes_);
}

Ledger::Held* Ledger::find_like(const LedgerEntry& entry) {
  const auto found = open_.find(likeness_of(entry));
  return found == open_.end() ? nullptr : &entries_[found->second];
}

std::uint64_t Ledger::note(const LedgerEntry& what, std::chrono::system_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  LedgerEntry entry = what;
  Held* held = find_like(entry);
  if (held == nullptr && open_.size() >= open_entries_max) {
    entry = {};
    entry.kind = what.kind;
    entry.cause = "more entries than are listed";
    entry.first_position = what.first_position;
    held = find_like(entry);
  }
  if (held == nullptr) {
    entry.id = ++last_id_;
    entry.is_open = true;
    entry.count = 0;
    entry.first_seen = now;
    entry.last_position = entry.first_position;
    held = &(entries_[entry.id] = Held{entry, Staleness::pending});
    open_[likeness_of(entry)] = entry.id;
    is_pending_ = true;
  } else if (!held->entry.keys.empty()) {
    // An entry without keys is about every row already.
    std::vector<std::string>& keys = held->entry.keys;
    const std::size_t before = keys.size();
    for (const std::string& key : what.keys) {
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
    }
    if (what.keys.empty() || keys.size() > keys_max) keys.clear();
    if (keys.size() != before) held->staleness = Staleness::pending;
    is_pending_ = is_pending_ || keys.size() != before;
  }
  LedgerEntry& there = held->entry;
  if (there.keys.size() > keys_max) there.keys.clear();
  ++there.count;
  there.last_seen = now;
  there.first_position = std::min(there.first_position, what.first_position);
  there.last_position = std::max(there.last_position, what.first_position);
  if (held->staleness == Staleness::written) held->staleness = Staleness::grown;
  if (blocks_rows(there.kind)) add_missing(there);
  return there.id;
}

bool Ledger::is_pending() const {
  const std::lock_guard lock(mutex_);
  return is_pending_;
}

Status Ledger::flush(Extent extent) {
  const std::lock_guard file_lock(file_mutex_);
  std::string lines;
  std::uint32_t seed = seed_;
  std::vector<std::uint64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    const Staleness least = extent == Extent::all ? Staleness::grown : Staleness::pending;
    for (auto& [id, held] : entries_) {
      if (held.staleness < least) continue;
      const std::string line = encode_line(held.entry, seed);
      const auto read = decode_line(line, seed);
      if (!read) return read.error();
      seed = read->checksum;
      lines += line + '\n';
      held.staleness = Staleness::written;
      ids.push_back(id);
    }
    is_pending_ = false;
  }
  if (lines.empty()) return {};
  Status status = write_at(file_.get(), protocol::as_bytes(lines), file_bytes_);
  if (status) status = sync_file(file_.get());
  if (!status) {
    static_cast<void>(truncate_file(file_.get(), file_bytes_));
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t id : ids) entries_[id].staleness = Staleness::pending;
    is_pending_ = true;
    return status;
  }
  seed_ = seed;
  file_bytes_ += lines.size();
  reserve_room();
  if (file_bytes_ < rewrite_bytes_min) return {};
  return rewrite();
}

/// Room for entries about a full disk is taken while the disk is not full.
void Ledger::reserve_room() {
  if (reserved_bytes_ >= file_bytes_ + room_bytes / 2) return;
  reserved_bytes_ = file_bytes_ + room_bytes;
  reserve_file(file_.get(), reserved_bytes_);
}

/// Under file_mutex_. Only the newest line of each entry is kept.
Status Ledger::rewrite() {
  std::string lines;
  std::uint32_t seed = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, held] : entries_) {
      const std::string line = encode_line(held.entry, seed);
      const auto read = decode_line(line, seed);
      if (!read) return read.error();
      seed = read->checksum;
      lines += line + '\n';
    }
  }
  if (lines.size() * 4 > file_bytes_) return {};
  const std::string path = path_ + ".new";
  static_cast<void>(std::remove(path.c_str()));
  auto opened = open_file(path, Creation::must);
  if (!opened) return opened.error();
  Status status = write_at(opened->get(), protocol::as_bytes(lines), 0);
  if (status) status = sync_file(opened->get());
  if (!status) return status;
  if (std::rename(path.c_str(), path_.c_str()) != 0) return failure(ErrorCode::internal, Blame::self, "cannot rename " + path);
  file_ = *std::move(opened);
  file_bytes_ = lines.size();
  reserved_bytes_ = 0;
  seed_ = seed;
  return sync_directory(path_.substr(0, path_.rfind('/')));
}

protocol::Result<LedgerEntry> Ledger::close(std::uint64_t id, const std::string& by, std::chrono::system_clock::time_point now) {
  LedgerEntry before;
  LedgerEntry after;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || !found->second.entry.is_open) {
      return failure(ErrorCode::configuration_invalid, Blame::operator_, "the ledger has no open entry " + std::to_string(id));
    }
    Held& held = found->second;
    before = held.entry;
    held.entry.is_open = false;
    held.entry.closed_by = by;
    held.entry.last_seen = now;
    held.staleness = Staleness::pending;
    is_pending_ = true;
    open_.erase(likeness_of(before));
    after = held.entry;
  }
  if (const Status written = flush(Extent::pending); !written) {
    const std::lock_guard lock(mutex_);
    entries_[id].entry = before;
    open_.try_emplace(likeness_of(before), id);
    return written.error();
  }
  const std::lock_guard lock(mutex_);
  collect_missing();
  return after;
}

/// Under mutex_.
void Ledger::collect_missing() {
  missing_.clear();
  for (const auto& [id, held] : entries_) {
    if (held.entry.is_open && blocks_rows(held.entry.kind)) add_missing(held.entry);
  }
}

/// Under mutex_. Of a unit whose tables could not be told nothing can be said to depend on it.
void Ledger::add_missing(const LedgerEntry& entry) {
  if (entry.table.empty()) return;
  MissingRows& rows = missing_[place_of(entry.database, entry.table)];
  if (entry.keys.empty()) rows.is_whole_table = true;
  rows.keys.insert(entry.keys.begin(), entry.keys.end());
}

std::vector<LedgerEntry> Ledger::entries(MirrorControl::Extent extent) const {
  const std::lock_guard lock(mutex_);
  std::vector<LedgerEntry> result;
  for (const auto& [id, held] : entries_) {
    if (extent == MirrorControl::Extent::all || held.entry.is_open) result.push_back(held.entry);
  }
  return result;
}

std::uint64_t Ledger::open_count() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

bool Ledger::has_open(LedgerKind kind) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(entries_, [kind](const auto& each) { return each.second.entry.is_open && each.second.entry.kind == kind; });
}

std::optional<CommitSequence> Ledger::first_missing() const {
  const std::lock_guard lock(mutex_);
  std::optional<CommitSequence> first;
  for (const auto& [id, held] : entries_) {
    if (!held.entry.is_open || !is_missing_kind(held.entry.kind)) continue;
    first = std::min(first.value_or(held.entry.first_position), held.entry.first_position);
  }
  return first;
}

bool Ledger::is_missing(const std::string& database, const std::string& table, const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = missing_.find(place_of(database, table));
  return found != missing_.end() && (found->second.is_whole_table || key.empty() || found->second.keys.contains(key));
}

bool Ledger::has_missing() const {
  const std::lock_guard lock(mutex_);
  return !missing_.empty();
}

}  // namespace proxy::mirror
