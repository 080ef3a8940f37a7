#include "proxy/mirror/disk.hpp"
#include "proxy/mirror/mirror.hpp"

#include <sys/file.h>

#include <algorithm>
#include <limits>
#include <utility>

// How the mirror begins, ends, turns round and goes on after a break.
namespace proxy::mirror {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::failure;
using protocol::Status;

namespace {

constexpr std::uint64_t segment_bytes_min = std::uint64_t{1} << 20;
constexpr std::uint64_t segment_bytes_max = std::uint64_t{64} << 20;
/// So many segments in a full journal: space comes back in steps of one.
constexpr std::uint64_t segments_wanted = 16;

Journal::Options journal_options_from(const MirrorOptions& options) {
  Journal::Options journal;
  journal.directory = options.directory;
  journal.durability = options.durability;
  journal.flush_interval = options.flush_interval;
  journal.bytes_max = options.journal_bytes_max;
  journal.segment_bytes = std::clamp(options.journal_bytes_max / segments_wanted, segment_bytes_min, segment_bytes_max);
  return journal;
}

}  // namespace

Mirror::Mirror(MirrorOptions options, std::string name, FollowerDoor& door, telemetry::Log* log)
    : options_(std::move(options)),
      name_(std::move(name)),
      door_(door),
      log_(log),
      journal_(std::make_unique<Journal>(
          journal_options_from(options_), [this] { return ledger_.flush(Ledger::Extent::pending); },
          [this](const protocol::Error& error) { break_off("the journal cannot be written: " + error.detail); })),
      awaiting_(options_.ack_timeout, options_.ack_failures_max),
      missing_floor_(std::numeric_limits<CommitSequence>::max()) {}

Mirror::~Mirror() { close(); }

Status Mirror::lock_directory() {
  if (Status made = make_directory(options_.directory); !made) return made;
  auto file = open_file(options_.directory + "/lock", Creation::if_missing);
  if (!file) return file.error();
  if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_, "another process has the journal in " + options_.directory);
  }
  lock_file_ = *std::move(file);
  return {};
}

Status Mirror::open(std::optional<routing::Side> wanted, routing::Side at_first) {
  if (Status locked = lock_directory(); !locked) return locked;
  StateFile::State initial;
  initial.stream = new_stream();
  initial.authority = wanted.value_or(at_first);
  const auto origin = state_.open(options_.directory + "/state", initial);
  if (!origin) return origin.error();
  if (Status opened = ledger_.open(options_.directory + "/ledger.jsonl"); !opened) return opened;
  StateFile::State state = state_.state();
  const routing::Side authority = wanted.value_or(state.authority);
  const auto recovery = journal_->open(state.stream, authority, state.highest, state.finished_through);
  if (!recovery) return recovery.error();
  if (state.authority != authority && !recovery->units.empty()) {
    return failure(ErrorCode::configuration_invalid, Blame::operator_,
                   "the journal in " + options_.directory + " holds units of " + std::string(routing::name_of(state.authority)) +
                       ", and the writes belong to " + std::string(routing::name_of(authority)));
  }
  {
    const std::lock_guard lock(mutex_);
    authority_ = authority;
    is_open_ = true;
  }
  stream_text_ = text_of(state.stream);
  if (Status taken_up = take_up(*recovery, state); !taken_up) return taken_up;
  state.authority = authority;
  state.highest = std::max(state.highest, recovery->highest);
  state.boot = boot_of_machine();
  if (Status written = state_.write(state); !written) return written;
  for (std::uint32_t i = 0; i < options_.appliers; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { run_applier(stop); });
  }
  threads_.emplace_back([this](const std::stop_token& stop) { run_inquiry(stop); });
  threads_.emplace_back([this](const std::stop_token& stop) { run_watch(stop); });
  return {};
}

void Mirror::note_whole(LedgerKind kind, const std::string& cause, CommitSequence position) {
  LedgerEntry entry;
  entry.kind = kind;
  entry.cause = cause;
  entry.first_position = position;
  static_cast<void>(ledger_.note(entry, std::chrono::system_clock::now()));
}

Status Mirror::take_up(const Journal::Recovery& recovery, const StateFile::State& before) {
  const bool machine_went_down = !before.boot.empty() && before.boot != boot_of_machine();
  if (options_.durability == Durability::relaxed && machine_went_down) {
    note_whole(LedgerKind::window_unproven, "the machine went down before the last units were on the disk", recovery.highest + 1);
  }
  for (const Journal::Damage& damage : recovery.damages) {
    note_whole(LedgerKind::unit_lost, "the journal is damaged", damage.after + 1);
  }
  const std::lock_guard lock(mutex_);
  counter_ = recovery.highest;
  for (const Journal::Recovered& unit : recovery.units) {
    sequencer_.add({unit.sequence, unit.last_write_done, unit.bytes, unit.recorded_at, unit.is_barrier, unit.is_two_phase});
    if (unit.is_two_phase && (!unit.fate || *unit.fate == Fate::committed)) {
      take_up_phase(unit.sequence, unit.fate);
      continue;
    }
    if (!unit.fate) {
      doubts_.push_back(unit.sequence);
      continue;
    }
    const bool is_committed = *unit.fate == Fate::committed;
    sequencer_.settle(unit.sequence, is_committed ? Sequencer::Settlement::committed : Sequencer::Settlement::dropped);
  }
  sequencer_.begin_at(recovery.highest);
  if (before.broken_since != 0) {
    breakage_ = Breakage::marked;
    broken_since_ = before.broken_since;
    if (!ledger_.has_open(LedgerKind::broken_off)) {
      note_whole(LedgerKind::broken_off, "the mirror was broken off when the process ended", before.broken_since);
    }
    break_cause_ = "broken off before this process began";
  }
  missing_floor_ = ledger_.first_missing().value_or(std::numeric_limits<CommitSequence>::max());
  update_applied();
  if (log_ != nullptr && !recovery.units.empty()) {
    log_->write(telemetry::LogLevel::info, "the mirror goes on with what was in its journal",
                {{"pair", std::string_view(name_)}, {"units", std::uint64_t{recovery.units.size()}}, {"in_doubt", std::uint64_t{doubts_.size()}}});
  }
  return ledger_.flush(Ledger::Extent::pending);
}

void Mirror::close() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  std::vector<Awaiting::Late> late;
  std::vector<WhenAdmitted> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(is_open_, false)) return;
    late = awaiting_.take_all();
    waiting = std::exchange(awaiting_mark_, {});
  }
  for (const Awaiting::Late& each : late) each.when_applied(false);
  for (const WhenAdmitted& when_admitted : waiting) when_admitted(Admittance::refused);
  admit_blocked();  // refuses them
  const bool is_durable = ledger_.flush(Ledger::Extent::all) && journal_->flush();
  journal_->close();
  if (!is_durable) return;
  StateFile::State state = state_.state();
  {
    const std::lock_guard lock(mutex_);
    state.finished_through = std::max(state.finished_through, sequencer_.finished_through());
    state.highest = counter_;
    state.boot.clear();
  }
  static_cast<void>(state_.write(state));
}

/// Clients are held meanwhile, so the disk is waited for once: behind the state's `finished_through` the journal's units, and what
/// is not on the disk yet of their fates, count no more, and those of the new direction follow in the same segment.
Status Mirror::turn(routing::Side new_authority) {
  const std::lock_guard control_lock(control_mutex_);
  if (Status written = ledger_.flush(Ledger::Extent::pending); !written) return written;
  // Nobody writes while the sides change: whoever comes all the same waits here.
  const std::lock_guard lock(mutex_);
  if (authority_ == new_authority) return {};
  const auto refusal = [](const std::string& why) { return failure(ErrorCode::configuration_invalid, Blame::operator_, why); };
  if (!is_open_) return refusal("the mirror is not open");
  if (breakage_ != Breakage::none) return refusal("the mirror is broken off");
  if (sequencer_.unfinished_units() != 0) return refusal("units are not applied yet");
  if (applied_through_.load() < sequencer_.highest()) return refusal("the ledger has units that the follower does not have");
  StateFile::State state = state_.state();
  state.authority = new_authority;
  state.highest = counter_;
  state.finished_through = sequencer_.finished_through();
  if (Status written = state_.write(state); !written) return written;
  authority_ = new_authority;
  ++direction_number_;
  pruned_.clear();
  return {};
}

protocol::Result<LedgerEntry> Mirror::accept(std::uint64_t id, const std::string& by) {
  const std::lock_guard control_lock(control_mutex_);
  auto closed = ledger_.close(id, by, std::chrono::system_clock::now());
  if (!closed) return closed;
  if (closed->kind == LedgerKind::broken_off) {
    if (const Status rearmed = rearm(); !rearmed) return rearmed.error();
  }
  const std::lock_guard lock(mutex_);
  missing_floor_ = ledger_.first_missing().value_or(std::numeric_limits<CommitSequence>::max());
  update_applied();
  ready_.notify_all();
  return closed;
}

/// Units are recorded again, in a segment of their own. On an error the mirror stays broken off, and the ledger says so again.
Status Mirror::rearm() {
  StateFile::State state = state_.state();
  routing::Side authority{};
  {
    const std::lock_guard lock(mutex_);
    if (breakage_ == Breakage::none) return {};
    authority = authority_;
    state.highest = counter_;
    state.broken_since = 0;
  }
  Status status = journal_->begin_segment(state.stream, authority, state.highest);
  if (status) status = state_.write(state);
  if (!status) {
    note_whole(LedgerKind::broken_off, "the mirror could not go on: " + status.error().detail, state.highest + 1);
    static_cast<void>(ledger_.flush(Ledger::Extent::pending));
    return status;
  }
  const std::lock_guard lock(mutex_);
  breakage_ = Breakage::none;
  break_cause_.clear();
  sequencer_.begin_at(std::max<CommitSequence>(sequencer_.highest(), state.highest));
  if (log_ != nullptr) log_->write(telemetry::LogLevel::warning, "the mirror goes on", {{"pair", std::string_view(name_)}});
  return {};
}

}  // namespace proxy::mirror
