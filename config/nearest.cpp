#include "config/nearest.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace config {

namespace {

constexpr std::size_t text_bytes_max = 64;
constexpr std::size_t candidate_count_max = 256;
constexpr std::size_t beginning_bytes_min = 3;

char fold(char character) {
  if (character >= 'A' && character <= 'Z') return static_cast<char>(character - 'A' + 'a');
  return character == '-' || character == ' ' ? '_' : character;
}

/// Optimal string alignment distance; three rows of the table are enough.
std::size_t distance(std::string_view left, std::string_view right) {
  using Row = std::array<std::size_t, text_bytes_max + 1>;
  Row before{};
  Row previous{};
  Row current{};
  for (std::size_t j = 0; j <= right.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const char a = fold(left[i - 1]);
      const char b = fold(right[j - 1]);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a == b ? 0U : 1U)});
      if (i > 1 && j > 1 && a == fold(right[j - 2]) && fold(left[i - 2]) == b) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    before = previous;
    previous = current;
  }
  return previous[right.size()];
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view written,
                                        const std::vector<std::string_view>& candidates) {
  if (written.size() > text_bytes_max) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = 0;
  const std::size_t count = std::min(candidates.size(), candidate_count_max);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view candidate = candidates[i];
    if (candidate.size() > text_bytes_max) continue;
    // "scram" for "scram-sha-256": a beginning is as good as one wrong letter.
    const bool is_beginning = written.size() >= beginning_bytes_min && candidate.starts_with(written);
    const std::size_t found = is_beginning ? 1 : distance(written, candidate);
    const std::size_t allowed = std::max(written.size(), candidate.size()) / 3;
    if (found <= allowed && (!best || found < best_distance)) {
      best = candidate;
      best_distance = found;
    }
  }
  return best;
}

}  // namespace config
