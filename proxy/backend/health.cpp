#include "proxy/backend/health.hpp"

#include <utility>

namespace proxy::backend {

using protocol::ErrorCode;

std::string_view name_of(HealthState state) {
  switch (state) {
    case HealthState::up: return "up";
    case HealthState::suspect: return "suspect";
    case HealthState::down: return "down";
  }
  return "unknown";
}

std::string_view name_of(HealthSign sign) {
  switch (sign) {
    case HealthSign::refused: return "refused";
    case HealthSign::not_ready: return "not_ready";
    case HealthSign::timeout: return "timeout";
    case HealthSign::lost: return "lost";
    case HealthSign::senseless: return "senseless";
  }
  return "unknown";
}

std::optional<HealthSign> sign_of(const protocol::Error& error) {
  switch (error.code) {
    case ErrorCode::backend_unreachable: return HealthSign::refused;
    case ErrorCode::backend_not_ready: return HealthSign::not_ready;
    case ErrorCode::backend_timeout: return HealthSign::timeout;
    case ErrorCode::backend_lost: return HealthSign::lost;
    case ErrorCode::backend_misbehaved:
    case ErrorCode::encryption_failed: return HealthSign::senseless;
    default: return std::nullopt;
  }
}

Health::Health(std::string pair_name, Thresholds thresholds, telemetry::Log* log, runtime::Instant now)
    : pair_name_(std::move(pair_name)), thresholds_(thresholds), log_(log) {
  for (Side& side : sides_.values) side.report.since = now;
}

SideReport Health::report(routing::Side side) const {
  const std::lock_guard lock(mutex_);
  return sides_[side].report;
}

void Health::note_sign(routing::Side side, HealthSign sign, runtime::Instant now) {
  std::optional<Change> change;
  {
    const std::lock_guard lock(mutex_);
    Side& known = sides_[side];
    known.good_count = 0;
    if (known.report.state != HealthState::down || is_hard(sign)) known.report.reason = sign;
    if (is_hard(sign)) {
      change = move_to(side, HealthState::down, now);
    } else if (known.report.state == HealthState::up) {
      change = move_to(side, HealthState::suspect, now);
    }
  }
  tell(side, change);
  if (change && ears_.on_doubt) ears_.on_doubt(side);
}

void Health::note_probe(routing::Side side, std::optional<HealthSign> sign, runtime::Instant now,
                        const protocol::ServerTraits* traits) {
  std::optional<Change> change;
  {
    const std::lock_guard lock(mutex_);
    Side& known = sides_[side];
    ++known.report.probes;
    if (traits != nullptr) known.report.traits = *traits;
    if (sign) {
      ++known.report.failed_probes;
      ++known.bad_count;
      known.good_count = 0;
      known.report.reason = sign;
      const bool is_over = is_hard(*sign) || known.bad_count >= thresholds_.fall || known.report.state == HealthState::down;
      change = move_to(side, is_over ? HealthState::down : HealthState::suspect, now);
    } else {
      ++known.good_count;
      known.bad_count = 0;
      if (known.report.state != HealthState::down || known.good_count >= thresholds_.rise) {
        change = move_to(side, HealthState::up, now);
        known.report.reason.reset();
      }
    }
  }
  tell(side, change);
}

std::optional<Health::Change> Health::move_to(routing::Side side, HealthState state, runtime::Instant now) {
  SideReport& report = sides_[side].report;
  if (report.state == state) return std::nullopt;
  const Change change{report.state, state, std::chrono::duration_cast<std::chrono::milliseconds>(now - report.since), report.reason};
  report.state = state;
  report.since = now;
  ++report.transitions;
  states_[side].store(state, std::memory_order_relaxed);
  return change;
}

void Health::tell(routing::Side side, const std::optional<Change>& change) const {
  if (!change) return;
  if (log_ != nullptr) {
    telemetry::LogLevel level = telemetry::LogLevel::debug;  // a suspicion that a probe clears up at once
    if (change->from == HealthState::down) level = telemetry::LogLevel::info;
    if (change->to == HealthState::down) level = telemetry::LogLevel::warning;
    log_->write(level, "the health of a side changed",
                {{"pair", std::string_view(pair_name_)},
                 {"side", routing::name_of(side)},
                 {"from", name_of(change->from)},
                 {"to", name_of(change->to)},
                 {"cause", change->reason ? name_of(*change->reason) : std::string_view("none")},
                 {"after_ms", static_cast<std::int64_t>(change->lasted.count())}});
  }
  if (change->to == HealthState::down && ears_.on_down) ears_.on_down(side);
}

}  // namespace proxy::backend
