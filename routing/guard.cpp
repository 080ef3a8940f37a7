#include "routing/guard.hpp"

#include <utility>

namespace routing {

std::optional<std::string> Guard::look(const Pulse& now) {
  const std::uint64_t requests = now.requests - before_.requests;
  const std::uint64_t answered = now.answered - before_.answered;
  if (requests < terms_.requests_min || answered < terms_.requests_min) return std::nullopt;
  const Pulse before = std::exchange(before_, now);
  const std::uint64_t errors = now.errors - before.errors;
  const std::uint64_t slow = now.slow - before.slow;
  if (terms_.errors_percent_max != 0 && errors * 100 > requests * terms_.errors_percent_max) {
    return std::to_string(errors) + " of " + std::to_string(requests) + " requests failed";
  }
  if (terms_.latency_max.count() != 0 && slow * 100 > answered) {
    return std::to_string(slow) + " of " + std::to_string(answered) + " requests took more than " + std::to_string(terms_.latency_max.count()) + " ms";
  }
  return std::nullopt;
}

}  // namespace routing
