#include "config/findings.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace config {

namespace {

constexpr std::size_t quote_bytes_max = 100;

bool is_continuation(char character) {
  return (static_cast<unsigned char>(character) & 0xC0) == 0x80;
}

}  // namespace

std::string escaped(char character) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(character);
  return {'\\', 'x', digits[byte >> 4], digits[byte & 0x0F]};
}

void Findings::add(Severity severity, Mark mark, std::string message) {
  if (is_full()) {
    ++dropped_count_;
    return;
  }
  problems_.push_back({severity, file_, mark.line, mark.column, std::move(message)});
}

void Findings::error(Mark mark, std::string message) {
  has_error_ = true;
  add(Severity::error, mark, std::move(message));
}

void Findings::warning(Mark mark, std::string message) {
  add(Severity::warning, mark, std::move(message));
}

std::vector<Problem> Findings::take() {
  std::stable_sort(problems_.begin(), problems_.end(), [](const Problem& left, const Problem& right) {
    return std::tie(left.line, left.column) < std::tie(right.line, right.column);
  });
  // An anchor's content is read once for each alias and finds the same each time.
  std::vector<Problem> unique;
  for (Problem& problem : problems_) {
    if (std::find(unique.begin(), unique.end(), problem) == unique.end())
      unique.push_back(std::move(problem));
  }
  if (dropped_count_ > 0) {
    const Severity severity = has_error_ ? Severity::error : Severity::warning;
    unique.push_back({severity, file_, 0, 0, "and " + std::to_string(dropped_count_) + " more"});
  }
  return unique;
}

std::string quote(std::string_view text) {
  std::size_t end = std::min(text.size(), quote_bytes_max);
  while (end > 0 && end < text.size() && is_continuation(text[end])) --end;
  std::string result = "`";
  for (const char character : text.substr(0, end)) {
    const auto byte = static_cast<unsigned char>(character);
    result += byte >= 0x20 && byte != 0x7F ? std::string(1, character) : escaped(character);
  }
  return result + (end < text.size() ? "…`" : "`");
}

}  // namespace config
