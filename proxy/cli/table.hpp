#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::cli {

enum class Align : std::uint8_t { left, right };

/// Columns as wide as their widest cell.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// One line per row below the titles, each begun with `indent`, without trailing spaces.
  [[nodiscard]] std::string text(std::string_view indent) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Characters of a UTF-8 text; wide and combining ones count as one, which is good enough for names.
[[nodiscard]] std::size_t character_count(std::string_view text);

/// The text with every control character replaced by a question mark.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace proxy::cli
