#include "proxy/telemetry/exposition.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace proxy::telemetry {

namespace {

std::string_view type_text(MetricType type) {
  switch (type) {
    case MetricType::counter: return "counter";
    case MetricType::gauge: return "gauge";
    case MetricType::histogram: return "histogram";
  }
  return "untyped";
}

constexpr double plain_minimum = 1e-6;  // between these a number is written without an exponent, because bounds
constexpr double plain_maximum = 1e15;  // of buckets are labels that people type: le="0.0001"

/// The shortest text that reads back as the same number.
std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> buffer{};
  const bool is_plain = value == 0 || (std::abs(value) >= plain_minimum && std::abs(value) <= plain_maximum);
  const auto format = is_plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format).ptr;
  return {buffer.data(), end};
}

/// HELP texts escape backslash and line feed; label values the double quote as well.
enum class Escaping : std::uint8_t { help, label };

void append_escaped(std::string& target, std::string_view text, Escaping escaping) {
  for (const char c : text) {
    if (c == '\\') target += "\\\\";
    else if (c == '\n') target += "\\n";
    else if (c == '"' && escaping == Escaping::label) target += "\\\"";
    else target += c;
  }
}

}  // namespace

void Exposition::begin(std::string_view name, MetricType type, std::string_view help) {
  family_ = name;
  text_.append("# HELP ").append(name).append(" ");
  append_escaped(text_, help, Escaping::help);
  text_.append("\n# TYPE ").append(name).append(" ").append(type_text(type)).append("\n");
}

void Exposition::sample(Labels labels, std::uint64_t value) { write_line("", labels, std::to_string(value)); }

void Exposition::sample(Labels labels, double value) { write_line("", labels, number_text(value)); }

void Exposition::histogram(Labels labels, const LatencyHistogram& histogram) {
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    cumulative += histogram.counts[i];
    const std::string bound = i < latency_bounds.size() ? number_text(latency_bounds[i]) : "+Inf";
    std::vector<Label> bucket_labels(labels);
    bucket_labels.emplace_back("le", bound);
    write_line("_bucket", bucket_labels, std::to_string(cumulative));
  }
  write_line("_sum", labels, number_text(histogram.sum_seconds));
  write_line("_count", labels, std::to_string(cumulative));
}

void Exposition::write_line(std::string_view suffix, const std::vector<Label>& labels, std::string_view value) {
  text_.append(family_).append(suffix);
  char separator = '{';
  for (const auto& [name, label_value] : labels) {
    text_ += separator;
    text_.append(name).append("=\"");
    append_escaped(text_, label_value, Escaping::label);
    text_ += '"';
    separator = ',';
  }
  if (!labels.empty()) text_ += '}';
  text_.append(" ").append(value).append("\n");
}

}  // namespace proxy::telemetry
