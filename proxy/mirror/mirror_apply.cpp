#include "proxy/mirror/mirror.hpp"
#include "proxy/mirror/unit_reach.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

// Units on their way to the follower. All on the appliers' threads.
namespace proxy::mirror {

using Clock = std::chrono::steady_clock;

namespace {

/// In one transaction of the follower: more would hold its locks longer and save little.
constexpr std::size_t batch_units_max = 64;
constexpr std::uint64_t batch_bytes_max = std::uint64_t{4} << 20;
/// Of one unit that the follower says a retry can mend; then it is a unit that fails.
constexpr std::uint32_t retries_max = 30;
constexpr std::chrono::milliseconds retry_pause_first{5};
constexpr std::chrono::milliseconds retry_pause_max{1'000};

std::chrono::milliseconds age_of(std::chrono::milliseconds recorded_at) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return std::max(std::chrono::milliseconds(0), now - recorded_at);
}

}  // namespace

bool Mirror::pause_until(Clock::time_point time, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  ready_.wait_until(lock, stop, time, [this] { return is_leaving_; });
  return !stop.stop_requested() && !is_leaving_;
}

void Mirror::run_applier(const std::stop_token& stop) {
  Sessions sessions;
  while (!stop.stop_requested()) {
    std::vector<Sequencer::Unit> batch;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, stop, [&] {
        if (is_leaving_) return false;
        const std::uint64_t share = sequencer_.unfinished_units() / (2 * std::uint64_t{options_.appliers});
        batch = sequencer_.take(std::clamp<std::uint64_t>(share, 1, batch_units_max), batch_bytes_max);
        return !batch.empty();
      });
      if (batch.empty()) return;
      if (sessions.direction != direction_number_) sessions.open.clear();
      sessions.direction = direction_number_;
      // Whoever finds work looks whether there is some for another one.
      ready_.notify_one();
    }
    apply_batch(batch, sessions, stop);
  }
}

void Mirror::apply_batch(const std::vector<Sequencer::Unit>& batch, Sessions& sessions, const std::stop_token& stop) {
  std::vector<std::pair<std::string, std::vector<UnitToApply>>> groups;  // by database, each in its order
  for (const Sequencer::Unit& taken : batch) {
    auto unit = journal_->read_unit(taken.sequence);
    if (!unit) {
      // What it would have changed is not known any more.
      UnitToApply lost{taken.sequence, {}};
      lost.unit.items.emplace_back().statement.emplace();
      set_aside(lost, LedgerKind::unit_failed, unit.error().detail);
      continue;
    }
    if (unit->is_two_phase) {
      apply_phased({taken.sequence, *std::move(unit)}, sessions, stop);
      continue;
    }
    auto group = std::ranges::find(groups, unit->database, [](const auto& each) { return each.first; });
    if (group == groups.end()) group = groups.insert(groups.end(), {unit->database, {}});
    group->second.push_back({taken.sequence, *std::move(unit)});
  }
  for (auto& [database, units] : groups) apply_group(std::move(units), sessions, stop);
}

bool Mirror::depends_on_missing(const protocol::MirrorUnit& unit) const {
  if (!ledger_.has_missing()) return false;
  return std::ranges::any_of(reach_of(unit), [&](const TableReach& reach) {
    if (reach.table.empty()) return false;
    if (reach.keys.empty()) return ledger_.is_missing(unit.database, reach.table, "");
    return std::ranges::any_of(reach.keys, [&](const std::string& key) { return ledger_.is_missing(unit.database, reach.table, key); });
  });
}

/// All in one database. Comes back when each is applied, set aside or given back.
void Mirror::apply_group(std::vector<UnitToApply> units, Sessions& sessions, const std::stop_token& stop) {
  std::uint32_t retries = 0;
  while (!units.empty()) {
    std::erase_if(units, [this](const UnitToApply& unit) {
      const bool is_dependent = depends_on_missing(unit.unit);
      if (is_dependent) set_aside(unit, LedgerKind::unit_dependent, "depends on a unit that was set aside");
      return is_dependent;
    });
    if (units.empty()) return;
    const std::string database = units.front().unit.database;
    FollowerSession* session = session_for(database, sessions, stop);
    if (session == nullptr) return give_back(units);
    const ApplyReport report = session->apply(units);
    using Verdict = ApplyReport::Verdict;
    if (report.verdict == Verdict::applied) {
      note_differences(report, units);
      finish(units);
      prune(database, *session);
      return;
    }
    if (report.verdict == Verdict::known) {
      finish_known(units, report.known);
      continue;
    }
    if (report.verdict == Verdict::unreachable) {
      lose_session(database, sessions, report.cause);
      if (stop.stop_requested()) return give_back(units);
      continue;
    }
    const bool is_last_try = retries >= (units.size() > 1 ? 1 : retries_max);
    if (report.verdict == Verdict::again && !is_last_try) {
      const auto pause = std::min(retry_pause_max, retry_pause_first * (1 << std::min(retries, 10U)));
      ++retries;
      {
        const std::lock_guard lock(mutex_);
        ++counts_.retries_total;
      }
      if (!pause_until(Clock::now() + pause, stop)) return give_back(units);
      continue;
    }
    if (units.size() == 1) return set_aside(units.front(), LedgerKind::unit_failed, report.cause);
    // One of them is to blame: each for itself shows which.
    for (std::size_t i = 0; i < units.size(); ++i) {
      std::vector<UnitToApply> alone;
      alone.push_back(std::move(units[i]));
      apply_group(std::move(alone), sessions, stop);
    }
    return;
  }
}

void Mirror::lose_session(const std::string& database, Sessions& sessions, const std::string& cause) {
  sessions.open.erase(database);
  const std::lock_guard lock(mutex_);
  breaker_.fail(Clock::now());
  unreachable_cause_ = cause;
  wake_reads(all_positions);
}

/// Null: asked to stop, or the follower is another one by now.
FollowerSession* Mirror::session_for(const std::string& database, Sessions& sessions, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (FollowerSession* const session = session_now(database, sessions, stop)) return session;
    Clock::time_point next_try;
    {
      const std::lock_guard lock(mutex_);
      if (is_leaving_ || sessions.direction != direction_number_) return nullptr;
      next_try = breaker_.next_try();
    }
    if (!pause_until(next_try, stop)) return nullptr;
  }
  return nullptr;
}

/// Null: it cannot be reached now.
FollowerSession* Mirror::session_now(const std::string& database, Sessions& sessions, const std::stop_token& stop) {
  const auto found = sessions.open.find(database);
  if (found != sessions.open.end()) return found->second.get();
  routing::Side follower{};
  std::string stream;
  {
    const std::lock_guard lock(mutex_);
    const Clock::time_point now = Clock::now();
    const bool may_try = !is_leaving_ && sessions.direction == direction_number_ && breaker_.may_try_at(now) <= now;
    if (!may_try) return nullptr;
    follower = routing::other(authority_);
    stream = stream_text_;
  }
  auto opened = door_.open(follower, database, stream, stop);
  const std::lock_guard lock(mutex_);
  if (opened) {
    if (breaker_.is_open() && log_ != nullptr) {
      log_->write(telemetry::LogLevel::info, "the mirror reaches its follower again", {{"pair", std::string_view(name_)}});
    }
    breaker_.succeed();
    return (sessions.open[database] = *std::move(opened)).get();
  }
  if (!breaker_.is_open() && log_ != nullptr && !stop.stop_requested()) {
    log_->write(telemetry::LogLevel::warning, "the mirror does not reach its follower: units wait in the journal",
                {{"pair", std::string_view(name_)}, {"cause", std::string_view(opened.error().detail)}});
  }
  breaker_.fail(Clock::now());
  unreachable_cause_ = opened.error().detail;
  wake_reads(all_positions);
  return nullptr;
}

void Mirror::finish(const std::vector<UnitToApply>& units) {
  std::vector<Awaiting::WhenApplied> waiting;
  {
    const std::lock_guard lock(mutex_);
    for (const UnitToApply& unit : units) {
      const std::chrono::milliseconds recorded_at = sequencer_.recorded_at(unit.sequence).value_or(std::chrono::milliseconds(0));
      sequencer_.finish(unit.sequence);
      Awaiting::WhenApplied when_applied = awaiting_.take(unit.sequence, age_of(recorded_at));
      if (when_applied) waiting.push_back(std::move(when_applied));
    }
    counts_.units_applied_total += units.size();
    update_applied();
    is_leaving_ ? ready_.notify_all() : ready_.notify_one();
  }
  for (const Awaiting::WhenApplied& when_applied : waiting) when_applied(true);
}

void Mirror::finish_known(std::vector<UnitToApply>& units, const std::vector<CommitSequence>& known) {
  const auto is_known = [&](const UnitToApply& unit) { return std::ranges::find(known, unit.sequence) != known.end(); };
  std::vector<UnitToApply> there;
  std::ranges::copy_if(units, std::back_inserter(there), is_known);
  finish(there);
  std::erase_if(units, is_known);
}

void Mirror::note_differences(const ApplyReport& report, const std::vector<UnitToApply>& units) {
  for (const RowsDiffer& difference : report.differences) {
    const auto unit = std::ranges::find(units, difference.sequence, &UnitToApply::sequence);
    LedgerEntry entry;
    entry.kind = LedgerKind::rows_differ;
    entry.table = difference.table;
    entry.cause = "the follower had another number of rows than the authority";
    entry.first_position = difference.sequence;
    if (unit != units.end()) {
      entry.database = unit->unit.database;
      const std::vector<TableReach> reaches = reach_of(unit->unit);
      const auto reach = std::ranges::find(reaches, difference.table, &TableReach::table);
      if (reach != reaches.end() && reach->keys.size() <= Ledger::keys_max) entry.keys = reach->keys;
    }
    static_cast<void>(ledger_.note(entry, std::chrono::system_clock::now()));
  }
  if (!report.differences.empty() && options_.on_divergence == OnDivergence::break_off) {
    break_off("the follower had another number of rows than the authority");
  }
}

void Mirror::set_aside(const UnitToApply& unit, LedgerKind kind, const std::string& cause) {
  note_unit(kind, unit.unit, unit.sequence, cause);
  if (log_ != nullptr && kind == LedgerKind::unit_failed) {
    log_->write(telemetry::LogLevel::error, "the follower refused a unit: its tables are in the ledger",
                {{"pair", std::string_view(name_)}, {"position", unit.sequence}, {"cause", std::string_view(cause)}});
  }
  journal_->append_fate({unit.sequence, Fate::set_aside});
  Awaiting::WhenApplied when_applied;
  {
    const std::lock_guard lock(mutex_);
    note_missing(unit.sequence);
    sequencer_.finish(unit.sequence);
    ++counts_.units_set_aside_total;
    update_applied();
    when_applied = awaiting_.take(unit.sequence, std::chrono::milliseconds::max());
    ready_.notify_one();
  }
  if (when_applied) when_applied(false);
  if (options_.on_divergence == OnDivergence::break_off) break_off("the follower refused a unit");
}

void Mirror::give_back(const std::vector<UnitToApply>& units) {
  const std::lock_guard lock(mutex_);
  for (const UnitToApply& unit : units) sequencer_.give_back(unit.sequence);
  if (is_leaving_) ready_.notify_all();
}

/// Identities of units that no journal holds any more can go.
void Mirror::prune(const std::string& database, FollowerSession& session) {
  const CommitSequence kept = journal_->first_kept();
  {
    const std::lock_guard lock(mutex_);
    CommitSequence& pruned = pruned_[database];
    if (pruned >= kept) return;
    pruned = kept;
  }
  session.prune(kept);
}

}  // namespace proxy::mirror
