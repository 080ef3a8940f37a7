#include "proxy/cli/table.hpp"

#include <algorithm>
#include <cstddef>

namespace proxy::cli {

namespace {

constexpr std::string_view gap = "  ";

void append_cell(std::string& line, std::string_view cell, std::size_t width, Align align) {
  const std::string padding(width - std::min(width, character_count(cell)), ' ');
  if (align == Align::right) line += padding;
  line += cell;
  if (align == Align::left) line += padding;
}

void trim_right(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }

}  // namespace

std::string Table::text(std::string_view indent) const {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns_) lines.front().push_back(column.title);
  lines.insert(lines.end(), rows_.begin(), rows_.end());

  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& cells : lines) {
    for (std::size_t i = 0; i < columns_.size(); ++i) widths[i] = std::max(widths[i], character_count(cells[i]));
  }
  std::string all;
  for (const auto& cells : lines) {
    std::string line(indent);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) line += gap;
      append_cell(line, cells[i], widths[i], columns_[i].align);
    }
    trim_right(line);
    all += line + "\n";
  }
  return all;
}

std::size_t character_count(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string printable(std::string_view text) {
  std::string safe(text);
  for (std::size_t i = 0; i < safe.size(); ++i) {
    const auto byte = static_cast<unsigned char>(safe[i]);
    if (byte < 0x20 || byte == 0x7F) safe[i] = '?';
    // The C1 controls, U+0080 to U+009F, which are C2 80 to C2 9F in UTF-8.
    if (i != 0 && static_cast<unsigned char>(safe[i - 1]) == 0xC2 && byte >= 0x80 && byte < 0xA0) {
      safe[i - 1] = '?';
      safe[i] = '?';
    }
  }
  return safe;
}

}  // namespace proxy::cli
