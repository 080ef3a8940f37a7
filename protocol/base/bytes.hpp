#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace protocol {

/// Looking: never outlives the next mutation of the buffer it points into.
using ByteView = std::span<const std::byte>;
/// Holding.
using Bytes = std::vector<std::byte>;

[[nodiscard]] inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(Bytes& target, ByteView source) { target.insert(target.end(), source.begin(), source.end()); }

}  // namespace protocol
