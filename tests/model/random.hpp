#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace model {

/// A seeded source of choices. The same seed makes the same choices with every standard library: the engine
/// is specified bit for bit, the distributions of <random> are not, so they are not used.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 .. bound-1; 0 for a bound of 0.
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(engine_() % bound); }
  /// from .. to, both included.
  std::size_t between(std::size_t from, std::size_t to) { return from + below(to - from + 1); }
  bool chance(unsigned percent) { return below(100) < percent; }

  template <class T>
  const T& pick(const std::vector<T>& from) { return from[below(from.size())]; }
  std::string pick(std::initializer_list<const char*> from) { return *(from.begin() + below(from.size())); }

  /// An index into `weights`, each as likely as its weight. Precondition: their sum is positive.
  std::size_t weighted(std::initializer_list<unsigned> weights) {
    std::size_t sum = 0;
    for (const unsigned weight : weights) sum += weight;
    std::size_t point = below(sum);
    std::size_t index = 0;
    for (const unsigned weight : weights) {
      if (point < weight) return index;
      point -= weight;
      ++index;
    }
    return index - 1;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace model
