#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace routing {

/// One of the two environments; fixed for the life of a configuration.
enum class Side : std::uint8_t { blue, green };

inline constexpr std::array<Side, 2> both_sides{Side::blue, Side::green};

[[nodiscard]] constexpr Side other(Side side) { return side == Side::blue ? Side::green : Side::blue; }
[[nodiscard]] constexpr std::size_t index_of(Side side) { return static_cast<std::size_t>(side); }
[[nodiscard]] constexpr std::string_view name_of(Side side) { return side == Side::blue ? "blue" : "green"; }
[[nodiscard]] constexpr std::optional<Side> side_from(std::string_view name) {
  if (name == "blue") return Side::blue;
  if (name == "green") return Side::green;
  return std::nullopt;
}

/// One value per side.
template <class T>
struct PerSide {
  std::array<T, 2> values{};
  [[nodiscard]] T& operator[](Side side) { return values[index_of(side)]; }
  [[nodiscard]] const T& operator[](Side side) const { return values[index_of(side)]; }
  bool operator==(const PerSide&) const = default;
};

}  // namespace routing
