#include "proxy/switchover/mirror_path.hpp"

#include <algorithm>
#include <string>

namespace proxy::switchover {

using mirror::LedgerEntry;
using mirror::MirrorControl;
using protocol::Blame;
using protocol::ErrorCode;
using routing::SwitchoverFinding;

namespace {

/// Between two looks whether an abort was asked for.
constexpr std::chrono::milliseconds stop_look_interval{50};

std::string id_of(const LedgerEntry& entry) { return "ledger:" + std::to_string(entry.id); }

std::string words_of(const LedgerEntry& entry) {
  return "the ledger has an open entry, " +
         (entry.table.empty() ? "database " + entry.database : "table " + entry.database + "." + entry.table) + ": " + entry.cause;
}

}  // namespace

std::vector<SwitchoverFinding> MirrorPath::findings(routing::Side to) {
  using Weight = SwitchoverFinding::Weight;
  std::vector<SwitchoverFinding> found;
  const mirror::MirrorStatus status = mirror_.status();
  if (status.state != mirror::MirrorState::running) {
    found.push_back({"mirror", "the mirror does not run: " + status.reason});
  }
  if (status.authority == to) {
    found.push_back({"mirror_direction", std::string(name_of(to)) + " is what the mirror carries from, not to"});
  }
  if (status.lag.age > lag_max) {
    found.push_back({"lag", "the follower is " + std::to_string(status.lag.age.count()) + " ms and " +
                                std::to_string(status.lag.units) + " transactions behind"});
  }
  for (const LedgerEntry& entry : mirror_.ledger(MirrorControl::Extent::open)) {
    found.push_back({id_of(entry), words_of(entry), Weight::acceptable_blocker});
  }
  return found;
}

protocol::Status MirrorPath::catch_up(Clock::time_point deadline, const std::stop_token& stop) {
  const mirror::CommitSequence position = mirror_.stop_position();
  while (!mirror_.wait_applied(position, std::min(deadline, Clock::now() + stop_look_interval))) {
    if (stop.stop_requested()) return protocol::failure(ErrorCode::shutting_down, Blame::operator_, "asked to stop");
    if (Clock::now() < deadline) continue;
    return protocol::failure(ErrorCode::backend_timeout, Blame::backend,
                             "the follower has applied " + std::to_string(mirror_.applied_through()) + " of " +
                                 std::to_string(position) + " in time");
  }
  return {};
}

protocol::Status MirrorPath::final_check(const std::vector<std::string>& accepted, const std::string& who) {
  for (const LedgerEntry& entry : mirror_.ledger(MirrorControl::Extent::open)) {
    if (std::ranges::find(accepted, id_of(entry)) == accepted.end()) {
      return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, words_of(entry));
    }
    const auto taken = mirror_.accept(entry.id, who);
    if (!taken) return taken.error();
  }
  return {};
}

protocol::Status MirrorPath::turn(routing::Side authority) {
  if (mirror_.authority() == authority) return {};
  return mirror_.turn(authority);
}

protocol::Status MirrorPath::turn_at_once(routing::Side authority, Clock::time_point deadline) { return mirror_.turn_at_once(authority, deadline); }

std::optional<std::string> MirrorPath::trouble(routing::Side follower) {
  const std::vector<SwitchoverFinding> found = findings(follower);
  if (found.empty()) return std::nullopt;
  return found.front().words;
}

std::vector<std::string> MirrorPath::left_behind() {
  std::vector<std::string> told;
  const mirror::MirrorStatus status = mirror_.status();
  if (status.lag.units != 0) {
    told.push_back(std::to_string(status.lag.units) + " transactions after position " + std::to_string(status.applied_through) +
                   " up to " + std::to_string(status.stop_position));
  }
  for (const LedgerEntry& entry : mirror_.ledger(MirrorControl::Extent::open)) told.push_back(id_of(entry) + ": " + words_of(entry));
  return told;
}

}  // namespace proxy::switchover
