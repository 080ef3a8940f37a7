#include "proxy/app.hpp"

#include "proxy/admin/switchover_json.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>
#include <utility>

// The switchovers of all pairs, their history and the audit.
namespace proxy {

using protocol::Blame;
using protocol::ErrorCode;
using routing::Side;

namespace {

/// Attempts that are told; the file keeps all.
constexpr std::size_t history_max = 1'000;

std::vector<std::string> last_lines(const std::string& path) {
  std::ifstream file(path);
  std::deque<std::string> lines;
  std::string line;
  while (std::getline(file, line)) {
    lines.push_back(line);
    if (lines.size() > history_max) lines.pop_front();
  }
  return {lines.begin(), lines.end()};
}

protocol::Error refused(std::string words) {
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, std::move(words));
}

}  // namespace

/// The lock of the process before comes with a takeover: it is of the same file, and both have it until that one ends.
protocol::Status App::lock_state(const std::string& path, net::FileDescriptor inherited) {
  net::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.is_open()) return refused("`state.directory`: " + path + " cannot be opened: " + std::strerror(errno));
  struct stat ours{};
  struct stat theirs{};
  const bool is_ours = inherited.is_open() && ::fstat(file.get(), &ours) == 0 && ::fstat(inherited.get(), &theirs) == 0 &&
                       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
  if (is_ours) file = std::move(inherited);
  // Source: flock(2), "Locks created by flock() are associated with an open file description".
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return refused("`state.directory`: another process has the state in " + path);
  state_lock_ = std::move(file);
  return {};
}

protocol::Status App::open_state(net::FileDescriptor inherited_lock) {
  const std::string& folder = settings_->state.directory;
  if (folder.empty()) return {};
  if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return refused("`state.directory`: " + folder + " cannot be made: " + std::strerror(errno));
  }
  if (protocol::Status locked = lock_state(folder + "/lock", std::move(inherited_lock)); !locked) return locked;
  audit_ = std::make_unique<telemetry::Audit>(folder + "/audit");
  return audit_->open();
}

std::string App::history_path(const std::string& pair) const { return settings_->state.directory + "/" + pair + ".history"; }

/// A pair whose rules write to both sides has no single authority that could move.
void App::give_switchover(AppPair& pair) {
  const std::string& folder = settings_->state.directory;
  if (folder.empty()) return;
  if (!AppPair::has_one_authority(*pair.settings().pair)) {
    log_.write(telemetry::LogLevel::info, "the pair cannot switch over: its rules send writes to both sides",
               {{"pair", std::string_view(pair.name())}});
    return;
  }
  AppSwitchover::Options options;
  options.folder = folder;
  options.halt_at = switchover_halt_;
  options.first_number = last_lines(history_path(pair.name())).size() + 1;
  options.on_end = [this, name = pair.name(), path = history_path(pair.name())](const switchover::Attempt& attempt) {
    std::ofstream(path, std::ios::app) << admin::attempt_line(attempt) << "\n";
    note(name, "switchover",  attempt.request.asker, routing::name_of(attempt.from),
         std::string(routing::name_of(attempt.request.to)) + ", " + std::string(routing::name_of(attempt.end)) +
             (attempt.failure.empty() ? "" : ": " + attempt.failure));
  };
  options.on_breach = [this, name = pair.name()](const std::string& trouble) { note(name, "soak", {"crossfade", trouble}, "watched", "breached"); };
  switchovers_.push_back(std::make_shared<AppSwitchover>(*this, pair, std::move(options), log_));
}

void App::note(std::string_view pair, std::string_view what, const routing::ChangeAsker& asker, std::string_view from, std::string_view to) {
  if (!audit_) return;
  const protocol::Status written = audit_->append({pair, what, asker.who, from, to, asker.why});
  if (written) return;
  log_.write(telemetry::LogLevel::error, "the audit could not be written", {{"cause", std::string_view(written.error().detail)}});
}

void App::start_switchovers() {
  for (const auto& each : switchovers_) each->start();
}

void App::stop_switchovers() {
  for (const auto& each : switchovers_) each->stop();
}

/// A loan that outlives a reload that takes the pair away.
protocol::Result<std::shared_ptr<AppSwitchover>> App::find_switchover(const std::string& pair) {
  const std::lock_guard lock(control_mutex_);
  for (const auto& each : switchovers_) {
    if (each->pair().name() == pair) return each;
  }
  if (find_pair(pair) == nullptr) return unknown_pair(pair);
  if (settings_->state.directory.empty()) return refused("pair " + pair + " has no durable state: set `state.directory`");
  return refused("pair " + pair + " cannot switch over: its rules send writes to both sides");
}

/// Precondition: control_mutex_ is held.
bool App::is_switching(const std::string& pair) const {
  return std::ranges::any_of(switchovers_, [&pair](const auto& each) {
    return (pair.empty() || each->pair().name() == pair) && each->controller().is_busy();
  });
}

protocol::Result<std::uint64_t> App::switch_over(const std::string& pair, const routing::SwitchoverRequest& request) {
  const auto found = find_switchover(pair);
  if (!found) return found.error();
  {
    const std::lock_guard lock(control_mutex_);
    if (auto refusal = refusal_of_changes()) return *refusal;
  }
  return (*found)->controller().begin(request);
}

protocol::Result<routing::SwitchoverStanding> App::standing(const std::string& pair) {
  const auto found = find_switchover(pair);
  if (!found) return found.error();
  return (*found)->controller().standing();
}

protocol::Status App::abort(const std::string& pair, const routing::ChangeAsker& asker) {
  const auto found = find_switchover(pair);
  if (!found) return found.error();
  return (*found)->controller().abort(asker);
}

protocol::Status App::set_authority(const std::string& pair, Side side, const routing::ChangeAsker& asker) {
  const auto found = find_switchover(pair);
  if (!found) return found.error();
  protocol::Status done = (*found)->controller().set_authority(side);
  if (done) note(pair, "authority", asker, "unknown", routing::name_of(side));
  return done;
}

protocol::Status App::freeze(const std::string& pair, admin::Freezing freezing, const routing::ChangeAsker& asker) {
  const auto found = find_switchover(pair);
  if (!found) return found.error();
  const bool is_freezing = freezing == admin::Freezing::frozen;
  protocol::Status done = (*found)->controller().freeze(is_freezing ? "by " + asker.who + (asker.why.empty() ? "" : ": " + asker.why) : "");
  if (done) note(pair, "freeze", asker, "", is_freezing ? "frozen" : "thawed");
  return done;
}

protocol::Status App::verify(const std::string& pair, bool is_equal, const routing::ChangeAsker& asker) {
  const auto found = find_switchover(pair);
  if (!found) return found.error();
  protocol::Status done = (*found)->controller().verify({0, is_equal, asker.who + (asker.why.empty() ? "" : " (" + asker.why + ")")});
  if (done) note(pair, "verification", asker, "", is_equal ? "equal" : "different");
  return done;
}

/// Precondition: control_mutex_ is held.
std::optional<protocol::Error> App::refusal_of_weights(const std::string& pair) const {
  for (const auto& each : switchovers_) {
    if (each->pair().name() != pair) continue;
    const std::string why = each->controller().frozen();
    if (!why.empty()) return refused("the traffic of pair " + pair + " is frozen (" + why + "); `crossfade thaw " + pair + "` lets it move again");
  }
  return refusal_of_changes();
}

protocol::Result<std::vector<std::string>> App::history(const std::string& pair) {
  const auto found = find_switchover(pair);
  if (!found) return found.error();
  return last_lines(history_path(pair));
}

void App::note_change(const admin::NotedChange& change) {
  note(change.pair, change.what, change.asker, change.from, change.to);
  if (change.kind == routing::LastChange::nothing) return;
  if (const auto found = find_switchover(change.pair)) (*found)->controller().note_change(change.kind);
}

}  // namespace proxy
