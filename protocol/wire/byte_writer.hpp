#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <limits>
#include <string_view>

namespace protocol {

/// Appends fields to a buffer. Errors are sticky (a length that does not fit its field, a NUL inside a
/// NUL-terminated text): check `ok()` once at the end.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& target) : target_(target) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t position() const { return target_.size(); }

  void write_u8(std::uint8_t value) { target_.push_back(std::byte{value}); }
  void write_u16_be(std::uint16_t value) { write_be(value, 2); }
  void write_u32_be(std::uint32_t value) { write_be(value, 4); }
  void write_i16_be(std::int16_t value) { write_be(static_cast<std::uint16_t>(value), 2); }
  void write_i32_be(std::int32_t value) { write_be(static_cast<std::uint32_t>(value), 4); }
  void write_bytes(ByteView bytes) { append(target_, bytes); }
  void write_text(std::string_view text) { append(target_, as_bytes(text)); }
  void write_text_z(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) ok_ = false;
    write_text(text);
    write_u8(0);
  }

  /// Overwrites the four bytes at `position` with the count of bytes from there to the end.
  void patch_length_u32_be(std::size_t position) {
    const std::size_t length = target_.size() - position;
    if (length > std::numeric_limits<std::int32_t>::max()) ok_ = false;
    for (std::size_t i = 0; i < 4; ++i) {
      target_[position + i] = static_cast<std::byte>((length >> (8 * (3 - i))) & 0xFF);
    }
  }

 private:
  void write_be(std::uint64_t value, std::size_t count) {
    for (std::size_t i = count; i > 0; --i) write_u8(static_cast<std::uint8_t>((value >> (8 * (i - 1))) & 0xFF));
  }

  Bytes& target_;
  bool ok_ = true;
};

}  // namespace protocol
