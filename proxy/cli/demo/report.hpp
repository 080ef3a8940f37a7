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
  double green_share_expected = 0;  ///< percent of reads of clients that only read
  routing::Side writes_expected = routing::Side::blue;  ///< the side that has the authority
  std::chrono::microseconds acknowledged_after{0};      ///< as the proxy reports it; zero for the first step and for moves of the authority
  std::optional<std::chrono::microseconds> held;        ///< of a move of the authority: clients were held at most so long, says the proxy
  Stall stall;                                          ///< and what clients felt in and after it
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
/// The tables of steps and of moves, the totals, the comparison of the sides as text, and the verdict.
[[nodiscard]] std::string summary(const std::vector<StepResult>& steps, const LoadCounts& total,
                                  const std::vector<std::string>& complaints, const std::string& equality);

/// "0.35 ms", "12 ms", "1.2 s": two or three digits are enough for a person.
[[nodiscard]] std::string short_duration(std::chrono::microseconds duration);
/// "12,345"
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace proxy::cli
