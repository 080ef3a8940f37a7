#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// One line of a metrics page.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

/// A family: its type and the samples that follow.
struct Family {
  std::string type;
  std::string help;
  std::vector<Sample> samples;
};

/// A reader of Prometheus' text format 0.0.4 that forgives nothing: the page as families by name, or what is wrong.
/// Source: prometheus.io, "Exposition formats", text-based format.
class ExpositionParser {
 public:
  explicit ExpositionParser(std::string_view page);

  [[nodiscard]] const std::string& complaint() const { return complaint_; }  ///< empty: none
  [[nodiscard]] const std::map<std::string, Family>& families() const { return families_; }
  /// The value of the one sample with exactly these labels.
  [[nodiscard]] std::optional<double> value(std::string_view name, const std::map<std::string, std::string>& labels) const;

 private:
  void read_line(std::string_view line);
  void read_comment(std::string_view line);
  void read_sample(std::string_view line);
  void check_histograms();
  void check_histogram(const std::string& name, const Family& family);
  void complain(std::string_view what, std::string_view line);

  std::map<std::string, Family> families_;
  std::string open_family_;
  std::string complaint_;
};
