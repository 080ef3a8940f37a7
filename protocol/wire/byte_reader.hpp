#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace protocol {

/// A checked cursor over one frame's payload. Errors are sticky: after the first field that does not fit,
/// every read returns a zero value and `ok()` stays false, so a decoder checks once at its end.
/// Lifetime: views that it returns are loans of the bytes it was made from.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  /// All fields fitted and nothing is left over.
  [[nodiscard]] bool is_complete() const { return ok_ && position_ == bytes_.size(); }
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - position_; }
  [[nodiscard]] std::size_t position() const { return position_; }

  std::uint8_t read_u8() { return static_cast<std::uint8_t>(read_be(1)); }
  std::uint16_t read_u16_be() { return static_cast<std::uint16_t>(read_be(2)); }
  std::uint32_t read_u32_be() { return static_cast<std::uint32_t>(read_be(4)); }
  std::int32_t read_i32_be() { return static_cast<std::int32_t>(read_u32_be()); }
  std::int16_t read_i16_be() { return static_cast<std::int16_t>(read_u16_be()); }

  ByteView read_bytes(std::size_t count) {
    if (!ok_ || count > remaining()) return fail();
    const ByteView view = bytes_.subspan(position_, count);
    position_ += count;
    return view;
  }

  /// Text up to a NUL, which is consumed and not part of the result.
  std::string_view read_text_z() {
    if (!ok_) return {};
    const ByteView rest = bytes_.subspan(position_);
    const void* end = rest.empty() ? nullptr : std::memchr(rest.data(), 0, rest.size());
    if (end == nullptr) {
      fail();
      return {};
    }
    const auto length = static_cast<std::size_t>(static_cast<const std::byte*>(end) - rest.data());
    position_ += length + 1;
    return as_text(rest.first(length));
  }

 private:
  std::uint64_t read_be(std::size_t count) {
    if (!ok_ || count > remaining()) {
      fail();
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = (value << 8) | std::to_integer<std::uint64_t>(bytes_[position_ + i]);
    position_ += count;
    return value;
  }
  ByteView fail() {
    ok_ = false;
    return {};
  }

  ByteView bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace protocol
