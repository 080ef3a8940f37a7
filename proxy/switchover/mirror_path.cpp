#include "proxy/switchover/mirror_path.hpp"

#include <algorithm>
#include <string>

namespace proxy::switchover {

using mirror::LedgerEntry;
using mirror::MirrorControl;
using protocol::Blame;
using protocol::ErrorCode;
using routing::SwitchoverFinding;
using Weight = SwitchoverFinding::Weight;

namespace {

/// Between two looks whether an abort was asked for.
constexpr std::chrono::milliseconds stop_look_interval{50};

/// What is left by what it applies in a second. Where that is not known the oldest has waited for as long as it takes, or longer.
std::chrono::milliseconds catch_up_time(const mirror::MirrorStatus& status) {
  constexpr std::chrono::hours at_most{24};
  if (status.lag.units == 0) return std::chrono::milliseconds(0);
  if (!status.units_per_second) return status.lag.age;
  const std::chrono::duration<double> seconds(static_cast<double>(status.lag.units) / *status.units_per_second);
  if (seconds > at_most) return at_most;
  return std::chrono::ceil<std::chrono::milliseconds>(seconds);
}

std::string id_of(const LedgerEntry& entry) { return "ledger:" + std::to_string(entry.id); }

std::string words_of(const LedgerEntry& entry) {
  return "the ledger has an open entry, " +
         (entry.table.empty() ? "database " + entry.database : "table " + entry.database + "." + entry.table) + ": " + entry.cause;
}

}  // namespace

std::vector<SwitchoverFinding> MirrorPath::findings(routing::Side to, std::chrono::milliseconds hold) {
  std::vector<SwitchoverFinding> found = troubles(to);
  const mirror::MirrorStatus status = mirror_.status();
  const std::string words = "the follower has " + std::to_string(status.lag.units) + " transactions to catch up with, which takes it about " +
                            std::to_string(catch_up_time(status).count()) + " ms of the " + std::to_string(hold.count()) +
                            " ms that a hold may last";
  found.push_back({"catch_up_time", words, catch_up_time(status) > hold ? Weight::blocker : Weight::note});
  if (status.lag_age_worst > lag_max && status.lag.age <= lag_max) {
    found.push_back({"lag_minute", "the follower was " + std::to_string(status.lag_age_worst.count()) + " ms behind within the last minute",
                     Weight::note});
  }
  return found;
}

std::vector<SwitchoverFinding> MirrorPath::troubles(routing::Side to) const {
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
  const mirror::MirrorStatus status = mirror_.status();
  if (status.state != mirror::MirrorState::running) {
    return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, "the mirror does not run any more: " + status.reason);
  }
  if (status.lag.units != 0) {
    return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                             "the follower had everything, and is " + std::to_string(status.lag.units) + " transactions behind again");
  }
  return {};
}

protocol::Status MirrorPath::turn(routing::Side authority) {
  if (mirror_.authority() == authority) return {};
  return mirror_.turn(authority);
}

protocol::Status MirrorPath::turn_at_once(routing::Side authority, Clock::time_point deadline) { return mirror_.turn_at_once(authority, deadline); }

std::optional<std::string> MirrorPath::trouble(routing::Side follower) {
  const std::vector<SwitchoverFinding> found = troubles(follower);
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
