#pragma once

#include "proxy/telemetry/inventory.hpp"

#include <chrono>
#include <map>
#include <string>

namespace proxy::console {


/// Remembers the counters at the ends of periods. For one thread.
class StatsPeriods {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  using Databases = std::map<std::string, telemetry::DatabaseCounters, std::less<>>;
  static constexpr std::chrono::seconds period{60};

  /// When the next period ends.
  [[nodiscard]] Instant next() const { return last_time_ + period; }
  /// A period is over, or the first begins.
  void note(Instant now, Databases counters);
  /// Of the last full period; since the beginning while there is none.
  [[nodiscard]] telemetry::DatabaseCounters averages(const std::string& database, Instant now, const Databases& counters) const;

 private:
  Instant last_time_{};
  Instant before_time_{};
  Databases last_;
  Databases before_;
  bool has_period_ = false;
};

}  // namespace proxy::console
