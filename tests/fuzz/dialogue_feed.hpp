#pragma once

#include "protocol/dialogue.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

namespace tests::fuzz {

/// Feeds `bytes` in pieces of `piece_bytes`, as a session would, and checks the contract of a dialogue: it takes no
/// more than there is, asks for more or ends, and answers in proportion. Returns the state in which it was left, and
/// what it sent in `sent`.
inline protocol::DialogueState feed(protocol::Dialogue& dialogue, protocol::ByteView bytes, std::size_t piece_bytes,
                                    protocol::Bytes& sent) {
  constexpr std::size_t answer_bytes_max = 64 * 1024;
  protocol::Bytes unread;
  protocol::DialogueProgress progress = dialogue.advance({}, sent);
  while (progress.state == protocol::DialogueState::reading && !bytes.empty()) {
    const std::size_t count = std::min(std::max<std::size_t>(piece_bytes, 1), bytes.size());
    protocol::append(unread, bytes.first(count));
    bytes = bytes.subspan(count);
    progress = dialogue.advance(unread, sent);
    require(progress.consumed <= unread.size(), "a dialogue consumes no more than it was given");
    unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
    require(unread.size() <= answer_bytes_max || progress.state != protocol::DialogueState::reading,
            "a dialogue refuses a frame beyond its limit before the bytes have come");
    require(sent.size() <= answer_bytes_max, "a dialogue's answers are bounded");
  }
  return progress.state;
}

}  // namespace tests::fuzz
