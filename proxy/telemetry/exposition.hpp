#pragma once

#include "proxy/telemetry/metrics.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxy::telemetry {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

/// Writes Prometheus' text format, version 0.0.4: one family after the other, each with HELP and TYPE.
/// Source: prometheus.io, "Exposition formats", text-based format.
class Exposition {
 public:
  /// Opens a family; all its samples must follow before the next one opens.
  void begin(std::string_view name, MetricType type, std::string_view help);
  void sample(Labels labels, std::uint64_t value);
  void sample(Labels labels, double value);
  /// The cumulative buckets, the sum and the count.
  void histogram(Labels labels, const LatencyHistogram& histogram);

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void write_line(std::string_view suffix, const std::vector<Label>& labels, std::string_view value);

  std::string text_;
  std::string family_;
};

}  // namespace proxy::telemetry
