#pragma once

#include "protocol/statement.hpp"
#include "routing/side.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace proxy::telemetry {

/// Plain counters without locks or atomics: one worker owns its own and counts in them; whoever wants to see
/// them asks that worker for a copy and merges the copies with add(). All totals count since the process began.

/// Upper bounds of the latency buckets, in seconds; one more bucket counts what is beyond the last.
inline constexpr std::array<double, 16> latency_bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                       0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};

struct LatencyHistogram {
  double sum_seconds = 0;  // first, beside the counts of the usual latencies: one cache line for most records
  double max_seconds = 0;  ///< since the process began
  std::array<std::uint64_t, latency_bounds.size() + 1> counts{};  ///< not cumulative

  /// A negative or not-a-number latency (a clock that went back) counts as zero.
  void record(double seconds);
  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts) sum += count;
    return sum;
  }
  bool operator==(const LatencyHistogram&) const = default;
};

/// Counts by a code that a peer chose (SQLSTATE, errno), so both the number of codes and their length are
/// bounded: what is beyond the bounds is counted under "other". RAISE lets any user invent SQLSTATEs.
class CodeCounts {
 public:
  static constexpr std::size_t codes_max = 64;      ///< "other" is not among them
  static constexpr std::size_t code_bytes_max = 40;  ///< room for every name_of(ErrorCode)
  static constexpr std::string_view other = "other";

  void count(std::string_view code, std::uint64_t times = 1);
  [[nodiscard]] std::uint64_t of(std::string_view code) const;
  [[nodiscard]] std::uint64_t total() const;
  [[nodiscard]] bool empty() const { return counts_.empty(); }
  [[nodiscard]] auto begin() const { return counts_.begin(); }  ///< pairs of code and count, sorted by code
  [[nodiscard]] auto end() const { return counts_.end(); }
  bool operator==(const CodeCounts&) const = default;

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

inline constexpr std::size_t statement_class_count = 6;

template <class T>
using PerClass = std::array<T, statement_class_count>;  ///< indexed by StatementClass

[[nodiscard]] constexpr std::size_t index_of(protocol::StatementClass statement_class) {
  return static_cast<std::size_t>(statement_class);
}

struct SideMetrics {
  std::uint64_t is_up = 0;  ///< 0 while the side is down; this and the next two are of the whole process, not a worker's
  std::uint64_t health_changes_total = 0;
  std::uint64_t probes_failed_total = 0;
  std::uint64_t connections_open = 0;  ///< now
  std::uint64_t connects_total = 0;
  std::uint64_t connect_failures_total = 0;
  std::uint64_t reads_repeated_total = 0;  ///< begun here and made again on another connection
  std::uint64_t bytes_to_backend_total = 0;
  std::uint64_t bytes_to_client_total = 0;
  PerClass<std::uint64_t> requests_total{};  ///< counted when sent to the backend
  PerClass<LatencyHistogram> latency{};      ///< from sending to the end of the reply
  CodeCounts errors_total;                   ///< error replies, by SQLSTATE or errno

  void count_request(protocol::StatementClass statement_class) { ++requests_total[index_of(statement_class)]; }
  void record_latency(protocol::StatementClass statement_class, double seconds) {
    latency[index_of(statement_class)].record(seconds);
  }
  bool operator==(const SideMetrics&) const = default;
};

struct PairMetrics {
  std::string pair;
  std::uint64_t clients_open = 0;  ///< now
  std::uint64_t clients_total = 0;
  std::uint64_t logins_failed_total = 0;
  CodeCounts sessions_failed_total;                   ///< by name_of(ErrorCode)
  std::uint64_t sessions_working = 0;  ///< now: a connection works for them, or they are in a transaction
  std::uint64_t sessions_held = 0;     ///< now: they wait for the end of a hold
  std::uint64_t held_bytes = 0;        ///< of requests that wait so
  std::map<protocol::PinReason, std::uint64_t> pins;  ///< sessions pinned now; each counts for every reason it has
  std::map<protocol::PinReason, std::uint64_t> pins_total;
  std::uint64_t types_differing = 0;  ///< of the whole process, not a worker's
  std::uint64_t questions_total = 0;  ///< asked of servers about the state of sessions
  routing::PerSide<SideMetrics> sides;
  bool operator==(const PairMetrics&) const = default;
};

/// Merge the counters of one worker into a sum. A maximum stays the larger of the two; the pair's name stays.
void add(LatencyHistogram& sum, const LatencyHistogram& part);
void add(CodeCounts& sum, const CodeCounts& part);
void add(SideMetrics& sum, const SideMetrics& part);
void add(PairMetrics& sum, const PairMetrics& part);

}  // namespace proxy::telemetry
