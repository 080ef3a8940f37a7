#pragma once

#include "proxy/cli/demo/load_ledger.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::cli {

/// One step of the demo's story and what was measured in it.
struct StepResult {
  std::string title;                ///< "10 % to green"
  double green_share_expected = 0;  ///< percent of reads
  std::chrono::microseconds acknowledged_after{0};  ///< as the proxy reports it; zero for the first step
  LoadCounts counts;
};

/// What speaks against the demo's success, one sentence each; empty when all went as promised. Pure.
/// A share of 0 or 100 % must be met exactly, one between them within `share_tolerance`.
inline constexpr double share_tolerance = 2.0;  ///< percentage points: a step has thousands of reads
[[nodiscard]] std::vector<std::string> judge(const std::vector<StepResult>& steps, const LoadCounts& total);

/// The heading above the live lines, and one of them. `interval` is what the counts were gathered over.
[[nodiscard]] std::string live_heading();
[[nodiscard]] std::string live_line(std::chrono::seconds since_start, std::chrono::duration<double> interval,
                                    const LoadCounts& counts);
/// The table of steps, the totals and the verdict.
[[nodiscard]] std::string summary(const std::vector<StepResult>& steps, const LoadCounts& total,
                                  const std::vector<std::string>& complaints);

/// "0.35 ms", "12 ms", "1.2 s": two or three digits are enough for a person.
[[nodiscard]] std::string short_duration(std::chrono::microseconds duration);
/// "12,345"
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace proxy::cli
