#pragma once

#include "protocol/postgres/message.hpp"
#include "protocol/wire/byte_writer.hpp"

namespace protocol::postgres {

/// Appends one message: the tag, a length that finish() fills in, and the fields written in between.
/// Call finish() exactly once; a message that is not finished has a length of zero.
class FrameWriter {
 public:
  FrameWriter(Bytes& target, FrontendMessage tag) : FrameWriter(target, static_cast<char>(tag)) {}
  FrameWriter(Bytes& target, BackendMessage tag) : FrameWriter(target, static_cast<char>(tag)) {}

  [[nodiscard]] ByteWriter& fields() { return writer_; }
  /// False if a field did not fit its form; the bytes must then not be sent.
  bool finish() {
    writer_.patch_length_u32_be(length_position_);
    return writer_.ok();
  }

 private:
  FrameWriter(Bytes& target, char tag) : writer_(target) {
    writer_.write_u8(static_cast<std::uint8_t>(tag));
    length_position_ = writer_.position();
    writer_.write_u32_be(0);
  }

  ByteWriter writer_;
  std::size_t length_position_ = 0;
};

}  // namespace protocol::postgres
