#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace routing {

/// What follows when something in a soak is not as it should be.
enum class OnBreach : std::uint8_t { page, freeze, reverse };

/// What the traffic of a side may be like after the authority has come to it.
struct GuardTerms {
  std::uint32_t errors_percent_max = 0;       ///< of its requests; 0: not looked at
  std::chrono::milliseconds latency_max{0};   ///< that 99 % of its requests keep to; 0: not looked at
  std::uint64_t requests_min = 100;           ///< fewer say nothing
};

/// What a side has done so far; all counts only grow.
struct Pulse {
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
  std::uint64_t answered = 0;
  std::uint64_t slow = 0;  ///< of those that were answered, the ones that took longer than the terms' latency_max for sure
};

/// Looks at a side from a moment on. Pure.
class Guard {
 public:
  Guard(GuardTerms terms, Pulse first) : terms_(terms), before_(first) {}
  /// What is not as the terms say since the last look that had enough to look at, in words; nothing: it is.
  [[nodiscard]] std::optional<std::string> look(const Pulse& now);

 private:
  GuardTerms terms_;
  Pulse before_;
};

}  // namespace routing
