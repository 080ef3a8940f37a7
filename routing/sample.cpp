#include "routing/sample.hpp"

namespace routing {

namespace {

/// 2^64 divided by the golden ratio: the rotation whose multiples stay the furthest apart.
constexpr std::uint64_t golden_step = 0x9E3779B97F4A7C15;
/// 2^64 times (square root of 2, minus 1): likewise badly approximable, and independent of the golden one.
constexpr std::uint64_t silver_step = 0x6A09E667F3BCC909;

/// Scales a fraction of 2^64 to [0, 10,000) by its upper bits; both halves of the product fit 64 bits.
Position scale(std::uint64_t fraction) {
  const std::uint64_t upper = fraction >> 32;
  const std::uint64_t lower = fraction & 0xFFFFFFFF;
  return static_cast<Position>((upper * weight_total + ((lower * weight_total) >> 32)) >> 32);
}

/// Fowler-Noll-Vo 1a (one step per byte), then a finaliser, as FNV's upper bits follow short keys badly.
class KeyHash {
 public:
  void add(std::uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001B3; }
  [[nodiscard]] std::uint64_t value() const {
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    return mixed ^ (mixed >> 31);
  }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325;
};

}  // namespace

Position position_of_session(std::uint64_t session_number) {
  return scale(session_number * golden_step);
}

Position position_of_batch(std::uint64_t session_number, std::uint64_t batch_number) {
  return scale(session_number * silver_step + batch_number * golden_step);
}

Position position_of_key(std::string_view key) {
  KeyHash hash;
  for (const char character : key) hash.add(static_cast<std::uint8_t>(character));
  return scale(hash.value());
}

Position position_of_address(const ClientAddress& address) {
  KeyHash hash;
  for (const std::uint8_t byte : address) hash.add(byte);
  return scale(hash.value());
}

}  // namespace routing
