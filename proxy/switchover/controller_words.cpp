#include "proxy/switchover/controller.hpp"

#include "proxy/switchover/wall_clock.hpp"

#include <utility>

// What operators, and a soak, have said of the pair, and what that means for the next switchover.
namespace proxy::switchover {

using routing::SwitchoverFinding;
using routing::SwitchoverOutcome;
using routing::SwitchoverStep;
using Weight = routing::SwitchoverFinding::Weight;

namespace {

std::string age_text(std::chrono::milliseconds age) {
  using std::chrono::floor;
  if (age < std::chrono::hours(2)) return std::to_string(floor<std::chrono::minutes>(age).count()) + " minutes";
  return std::to_string(floor<std::chrono::hours>(age).count()) + " hours";
}

}  // namespace

/// Under mutex_. In force whatever the disk says.
protocol::Status Controller::write_now() {
  const StateFile::Written written = file_.write(record_);
  if (written.outcome == SwitchoverOutcome::done) return {};
  return protocol::failure(protocol::ErrorCode::internal, protocol::Blame::self, written.words);
}

/// Under mutex_.
protocol::Status Controller::write_frozen(const std::string& why) {
  record_.frozen = why;
  return write_now();
}

/// Under mutex_: while a switchover is under way the record is in its hands.
protocol::Status Controller::refusal_of_words() const {
  const bool is_known = trouble_.empty() && !claim_;
  if (is_known && (machine_.step() == SwitchoverStep::idle || machine_.step() == SwitchoverStep::soak)) return {};
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                           is_known ? "a switchover is under way; abort it first" : "nobody knows which side has the authority");
}

protocol::Status Controller::freeze(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (protocol::Status refusal = refusal_of_words(); !refusal) return refusal;
  return write_frozen(why);
}

protocol::Status Controller::verify(routing::Verification verification) {
  const std::lock_guard lock(mutex_);
  if (protocol::Status refusal = refusal_of_words(); !refusal) return refusal;
  record_.verification = std::move(verification);
  record_.verification.at_ms = wall_ms();
  return write_now();
}

std::string Controller::frozen() const {
  const std::lock_guard lock(mutex_);
  return record_.frozen;
}

/// Under mutex_.
SwitchoverFinding Controller::verification_finding() const {
  const routing::Verification& said = record_.verification;
  const bool is_needed = options_.verification_age_max.count() != 0;
  if (said.at_ms == 0) {
    return {"verification", "nobody has said yet that the rows of both sides were compared and are equal; compare them, and say it by "
                            "`crossfade verified`", is_needed ? Weight::acceptable_blocker : Weight::note};
  }
  const std::chrono::milliseconds age(std::max<std::int64_t>(0, wall_ms() - said.at_ms));
  const std::string words = "the rows of both sides were compared " + age_text(age) + " ago";
  if (!said.is_equal) return {"verification", words + ", and were not equal, says " + said.by, Weight::acceptable_blocker};
  if (!is_needed || age <= options_.verification_age_max) return {"verification", words + ", and were equal, says " + said.by, Weight::note};
  return {"verification", words + ", which is longer than `verification_age_max`: compare them again", Weight::acceptable_blocker};
}

/// What this very pair's earlier switchovers and operators speak against it.
std::vector<SwitchoverFinding> Controller::own_findings(const Request& request) const {
  std::vector<SwitchoverFinding> found;
  const std::lock_guard lock(mutex_);
  if (!record_.frozen.empty()) {
    found.push_back({"frozen", "the traffic is to stay as it is (" + record_.frozen + "); thaw it, or accept this", Weight::acceptable_blocker});
  }
  const auto cool_at = machine_.cools_until(now());
  if (cool_at && request.urgency != routing::SwitchoverUrgency::now) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(*cool_at - now());
    found.push_back({"cooldown", "the last attempt has just failed; the next may begin in " + std::to_string(left.count()) + " s"});
  }
  found.push_back(verification_finding());
  return found;
}

}  // namespace proxy::switchover
