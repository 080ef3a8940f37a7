#include "tests/proxy/telemetry/exposition_parser.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <set>

namespace {

bool is_name(std::string_view text) {
  const auto is_first = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':'; };
  const auto is_next = [&](char c) { return is_first(c) || std::isdigit(static_cast<unsigned char>(c)) != 0; };
  return !text.empty() && is_first(text[0]) && std::ranges::all_of(text, is_next);
}

std::optional<double> number(const std::string& text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text.empty() || std::isspace(static_cast<unsigned char>(text[0])) != 0) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return value;
}

/// Takes `{a="b",…}` from the front of `rest`.
std::optional<std::map<std::string, std::string>> take_labels(std::string_view& rest) {
  std::map<std::string, std::string> labels;
  if (!rest.starts_with('{')) return labels;
  do {
    rest.remove_prefix(1);
    const std::size_t equals = rest.find("=\"");
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string label(rest.substr(0, equals));
    if (!is_name(label) || labels.contains(label)) return std::nullopt;
    rest.remove_prefix(equals + 2);
    std::string value;
    while (!rest.empty() && rest[0] != '"') {
      if (rest[0] == '\\') {
        if (rest.size() < 2 || std::string_view("\\\"n").find(rest[1]) == std::string_view::npos) return std::nullopt;
        value += rest[1] == 'n' ? '\n' : rest[1];
        rest.remove_prefix(2);
      } else {
        value += rest[0];
        rest.remove_prefix(1);
      }
    }
    if (rest.empty()) return std::nullopt;
    rest.remove_prefix(1);
    labels[label] = value;
  } while (rest.starts_with(','));
  if (!rest.starts_with('}')) return std::nullopt;
  rest.remove_prefix(1);
  return labels;
}

/// The family that a sample's name belongs to.
bool belongs(const std::string& name, const std::string& family_name, const Family& family) {
  if (family.type != "histogram") return name == family_name;
  return name == family_name + "_bucket" || name == family_name + "_sum" || name == family_name + "_count";
}

}  // namespace

ExpositionParser::ExpositionParser(std::string_view page) {
  if (!page.ends_with('\n')) complain("the last line does not end", "");
  while (!page.empty() && complaint_.empty()) {
    const std::size_t end = page.find('\n');
    read_line(page.substr(0, end));
    page.remove_prefix(end + 1);
  }
  check_histograms();
}

void ExpositionParser::read_line(std::string_view line) {
  if (line.starts_with('#')) read_comment(line);
  else read_sample(line);
}

void ExpositionParser::read_comment(std::string_view line) {
  const bool is_help = line.starts_with("# HELP ");
  if (!is_help && !line.starts_with("# TYPE ")) return complain("neither HELP nor TYPE", line);
  const std::string_view rest = line.substr(7);
  const std::string name(rest.substr(0, rest.find(' ')));
  if (!is_name(name) || name.size() == rest.size()) return complain("no name", line);
  const std::string text(rest.substr(name.size() + 1));
  if (is_help) {
    if (!families_.try_emplace(name).second) return complain("a second family of this name", line);
    open_family_ = name;
    families_[name].help = text;
    return;
  }
  if (name != open_family_ || !families_[name].type.empty()) return complain("TYPE out of place", line);
  if (!std::set<std::string>{"counter", "gauge", "histogram"}.contains(text)) return complain("no type", line);
  families_[name].type = text;
}

void ExpositionParser::read_sample(std::string_view line) {
  const std::size_t name_end = line.find_first_of("{ ");
  Sample sample;
  sample.name = std::string(line.substr(0, name_end));
  if (name_end == std::string_view::npos || !is_name(sample.name)) return complain("no sample", line);
  std::string_view rest = line.substr(name_end);
  auto labels = take_labels(rest);
  if (!labels || !rest.starts_with(' ')) return complain("labels are broken", line);
  sample.labels = std::move(*labels);
  const auto value = number(std::string(rest.substr(1)));
  if (!value) return complain("no number", line);
  sample.value = *value;
  Family& family = families_[open_family_];
  if (family.type.empty() || !belongs(sample.name, open_family_, family)) return complain("outside its family", line);
  if (family.type == "counter" && !sample.name.ends_with("_total")) return complain("a counter not named _total", line);
  const auto is_same = [&](const Sample& other) { return other.name == sample.name && other.labels == sample.labels; };
  if (std::ranges::any_of(family.samples, is_same)) return complain("a second sample of this series", line);
  family.samples.push_back(std::move(sample));
}

void ExpositionParser::check_histograms() {
  for (const auto& [name, family] : families_) {
    if (family.type == "histogram") check_histogram(name, family);
  }
}

void ExpositionParser::check_histogram(const std::string& name, const Family& family) {
  std::map<std::map<std::string, std::string>, std::vector<std::pair<double, double>>> buckets;
  for (const Sample& sample : family.samples) {
    if (sample.name != name + "_bucket") continue;
    auto labels = sample.labels;
    const auto bound = labels.contains("le") ? number(labels["le"]) : std::nullopt;
    if (!bound) return complain("a bucket without a bound", name);
    labels.erase("le");
    buckets[labels].emplace_back(*bound, sample.value);
  }
  for (const auto& [labels, series] : buckets) {
    for (std::size_t i = 1; i < series.size(); ++i) {
      if (series[i - 1].first >= series[i].first) return complain("bounds do not grow", name);
      if (series[i - 1].second > series[i].second) return complain("buckets are not cumulative", name);
    }
    if (series.back().first != std::numeric_limits<double>::infinity()) return complain("no +Inf bucket", name);
    if (value(name + "_count", labels) != series.back().second) return complain("_count differs from +Inf", name);
    if (!value(name + "_sum", labels)) return complain("no _sum", name);
  }
}

std::optional<double> ExpositionParser::value(std::string_view name, const std::map<std::string, std::string>& labels) const {
  for (const auto& [family_name, family] : families_) {
    for (const Sample& sample : family.samples) {
      if (sample.name == name && sample.labels == labels) return sample.value;
    }
  }
  return std::nullopt;
}

void ExpositionParser::complain(std::string_view what, std::string_view line) {
  if (complaint_.empty()) complaint_ = std::string(what) + ": " + std::string(line);
}
