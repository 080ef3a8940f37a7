#pragma once

#include "protocol/base/bytes.hpp"
#include "tests/support/postgres_layouts.hpp"

#include <string>
#include <string_view>
#include <vector>

/// Conversations as text, one line per frame:
///
///   > Query(13) text="SELECT 1"
///   < ReadyForQuery(5) status=I
///
/// `>` goes to the server, `<` to the client; the number is the length field (1 for the single byte that answers
/// a request for encryption). A value that another recording may have differently has `~` before it. Lines that
/// begin with `#` and empty lines say nothing; `> (closed)` and `< (closed)` say that this end closed.
namespace tests::support {

struct TranscriptLine {
  Direction direction = Direction::to_server;
  std::string text;
  protocol::Bytes bytes;  ///< empty for a close
  [[nodiscard]] bool is_close() const { return bytes.empty(); }
};

/// The bytes of one line. The length may be left out: `> Sync`. Throws std::runtime_error for a line that cannot be
/// read or whose length is wrong.
[[nodiscard]] TranscriptLine encode_line(std::string_view line);
/// The bytes of several lines, whatever their directions.
[[nodiscard]] protocol::Bytes bytes_of(std::string_view lines);
/// All lines of a file that say something, in order.
[[nodiscard]] std::vector<TranscriptLine> load_transcript(const std::string& path);

/// The text without what may vary, for comparing two recordings.
[[nodiscard]] std::string mask(std::string_view line);

/// Turns the bytes of one conversation into lines. Feed it in any pieces; the two directions in the order in
/// which the bytes were seen. Throws std::runtime_error for bytes that are no message.
class TranscriptDecoder {
 public:
  [[nodiscard]] std::vector<std::string> feed(Direction direction, protocol::ByteView bytes);
  /// No half frame is left.
  [[nodiscard]] bool is_empty() const { return to_server_.empty() && to_client_.empty(); }

 private:
  enum class Opening : std::uint8_t { startup, awaiting_answer, over };
  /// Bytes of the frame at the front; 0 when more are needed.
  [[nodiscard]] std::size_t frame_bytes(Direction direction, protocol::ByteView bytes) const;
  [[nodiscard]] std::string decode(Direction direction, protocol::ByteView frame);
  [[nodiscard]] const MessageLayout* layout_of(Direction direction, protocol::ByteView frame) const;

  Opening opening_ = Opening::startup;
  std::string_view refused_encryption_;     ///< the request asked last
  std::uint32_t authentication_code_ = 0;  ///< what the next 'p' answers
  protocol::Bytes to_server_;
  protocol::Bytes to_client_;
};

}  // namespace tests::support
