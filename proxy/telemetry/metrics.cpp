#include "proxy/telemetry/metrics.hpp"

#include <algorithm>
#include <functional>

namespace proxy::telemetry {

static_assert(statement_class_count == index_of(protocol::StatementClass::unknown) + 1,
              "a new statement class needs a new counter");

void LatencyHistogram::record(double seconds) {
  if (!(seconds > 0)) seconds = 0;
  const auto bound = std::ranges::lower_bound(latency_bounds, seconds);  // buckets include their upper bound
  ++counts[static_cast<std::size_t>(bound - latency_bounds.begin())];
  sum_seconds += seconds;
  max_seconds = std::max(max_seconds, seconds);
}

void CodeCounts::count(std::string_view code, std::uint64_t times) {
  if (times == 0) return;
  if (const auto known = counts_.find(code); known != counts_.end()) {
    known->second += times;
    return;
  }
  const std::size_t code_count = counts_.size() - counts_.count(other);
  const bool fits = code_count < codes_max && code.size() <= code_bytes_max;
  counts_[std::string(fits ? code : other)] += times;
}

std::uint64_t CodeCounts::of(std::string_view code) const {
  const auto known = counts_.find(code);
  return known == counts_.end() ? 0 : known->second;
}

std::uint64_t CodeCounts::total() const {
  std::uint64_t sum = 0;
  for (const auto& [code, times] : counts_) sum += times;
  return sum;
}

void add(LatencyHistogram& sum, const LatencyHistogram& part) {
  std::ranges::transform(sum.counts, part.counts, sum.counts.begin(), std::plus<>{});
  sum.sum_seconds += part.sum_seconds;
  sum.max_seconds = std::max(sum.max_seconds, part.max_seconds);
}

void add(CodeCounts& sum, const CodeCounts& part) {
  for (const auto& [code, times] : part) sum.count(code, times);
}

void add(SideMetrics& sum, const SideMetrics& part) {
  sum.is_up = std::max(sum.is_up, part.is_up);
  sum.health_changes_total += part.health_changes_total;
  sum.probes_failed_total += part.probes_failed_total;
  sum.connections_open += part.connections_open;
  sum.connects_total += part.connects_total;
  sum.connect_failures_total += part.connect_failures_total;
  sum.reads_repeated_total += part.reads_repeated_total;
  sum.bytes_to_backend_total += part.bytes_to_backend_total;
  sum.bytes_to_client_total += part.bytes_to_client_total;
  std::ranges::transform(sum.requests_total, part.requests_total, sum.requests_total.begin(), std::plus<>{});
  for (std::size_t i = 0; i < statement_class_count; ++i) add(sum.latency[i], part.latency[i]);
  add(sum.errors_total, part.errors_total);
}

void add(PairMetrics& sum, const PairMetrics& part) {
  sum.clients_open += part.clients_open;
  sum.clients_total += part.clients_total;
  sum.logins_failed_total += part.logins_failed_total;
  add(sum.sessions_failed_total, part.sessions_failed_total);
  sum.sessions_working += part.sessions_working;
  sum.sessions_held += part.sessions_held;
  sum.held_bytes += part.held_bytes;
  for (const auto& [reason, sessions] : part.pins) sum.pins[reason] += sessions;
  sum.questions_total += part.questions_total;
  for (const auto& [reason, count] : part.pins_total) sum.pins_total[reason] += count;
  for (const routing::Side side : routing::both_sides) add(sum.sides[side], part.sides[side]);
}

}  // namespace proxy::telemetry
