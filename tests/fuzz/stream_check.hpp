#pragma once

#include "protocol/postgres/message.hpp"
#include "protocol/wire/gather.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

namespace tests::fuzz {

/// Follows a stream of messages that we send and checks that it is one: no frame is cut off by another, none has
/// an impossible length.
class StreamCheck {
 public:
  void take(const protocol::Gather& sent) {
    for (std::size_t i = 0; i < sent.slice_count(); ++i) take(sent.slice(i));
  }
  void take(protocol::ByteView bytes) {
    while (!bytes.empty()) {
      if (remaining_ > 0) {
        const std::size_t count = std::min(remaining_, bytes.size());
        remaining_ -= count;
        bytes = bytes.subspan(count);
        continue;
      }
      const auto header = protocol::postgres::scan_frame_header(bytes);
      require(header.has_value(), "a message is begun with its whole header");
      require(header->length >= protocol::postgres::frame_length_min, "a message that is sent has a possible length");
      require(header->tag != '\0', "a message that is sent has a type");
      remaining_ = header->frame_bytes();
      ++frame_count_;
    }
  }
  [[nodiscard]] bool is_at_boundary() const { return remaining_ == 0; }
  [[nodiscard]] std::size_t frame_count() const { return frame_count_; }

 private:
  std::size_t remaining_ = 0;
  std::size_t frame_count_ = 0;
};

}  // namespace tests::fuzz
