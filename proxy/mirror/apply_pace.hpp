#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace proxy::mirror {

/// How fast the follower applies while it has something to apply, and how far behind it has been within a minute. Pure; for one thread at
/// a time.
class ApplyPace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds memory{60};

  /// A look at the mirror: units applied so far, and what is still to be. Looks too close to the one before are left out.
  void look(Clock::time_point now, std::uint64_t applied_total, std::uint64_t behind, std::chrono::milliseconds age);
  /// Nothing: it has not been seen at work yet.
  [[nodiscard]] std::optional<double> units_per_second() const;
  [[nodiscard]] std::chrono::milliseconds worst_age() const;

 private:
  struct Look {
    Clock::time_point at;
    std::uint64_t applied_total = 0;
    std::uint64_t behind = 0;
  };
  std::optional<Look> last_;
  double units_ = 0;    ///< applied while there was something to apply, the old ones counted less
  double seconds_ = 0;  ///< in so much time, likewise
  std::deque<std::pair<Clock::time_point, std::chrono::milliseconds>> worst_;  ///< falling; the first is the worst of the minute
};

}  // namespace proxy::mirror
