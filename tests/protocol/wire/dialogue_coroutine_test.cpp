#include "protocol/wire/dialogue_coroutine.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using protocol::Blame;
using protocol::Bytes;
using protocol::ByteView;
using protocol::DialogueProgress;
using protocol::DialogueState;
using protocol::ErrorCode;
using protocol::Result;
using protocol::Status;
using protocol::Task;

namespace {

/// Frames of one length byte and that many bytes.
Result<std::size_t> scan_short_frame(ByteView unread, std::size_t frame_bytes_max) {
  if (unread.empty()) return std::size_t{0};
  const std::size_t length = std::to_integer<std::size_t>(unread[0]) + 1;
  if (length > frame_bytes_max) {
    return protocol::failure(ErrorCode::frame_length_invalid, Blame::client, "too long");
  }
  return length;
}

Bytes frames(const std::vector<std::string>& texts) {
  Bytes result;
  for (const std::string& text : texts) {
    result.push_back(static_cast<std::byte>(text.size()));
    protocol::append(result, protocol::as_bytes(text));
  }
  return result;
}

/// Says "hello", repeats every frame in brackets until "end"; "throw" throws, "bad" fails.
class Echo final : public protocol::Dialogue {
 public:
  Echo() { coroutine_.start(run()); }
  DialogueProgress advance(ByteView received, Bytes& to_send) override {
    return coroutine_.advance(received, to_send);
  }
  const protocol::Error& error() const override { return coroutine_.error(); }
  [[nodiscard]] const std::string& rest() const { return rest_; }

 private:
  Task<Result<std::string>> next_text() {
    const Result<ByteView> frame = co_await coroutine_.next_frame(scan_short_frame, 8);
    if (!frame) co_return frame.error();
    co_return std::string(protocol::as_text(frame->subspan(1)));
  }

  Task<Status> run() {
    protocol::append(coroutine_.to_send(), protocol::as_bytes("hello"));
    while (true) {
      const Result<std::string> text = co_await next_text();
      if (!text) co_return text.error();
      if (*text == "bad") co_return protocol::failure(ErrorCode::message_unexpected, Blame::client, "bad");
      if (*text == "throw") throw std::runtime_error("thrown");
      if (*text == "end") break;
      protocol::append(coroutine_.to_send(), protocol::as_bytes("[" + *text + "]"));
    }
    rest_ = protocol::as_text(coroutine_.unread());
    co_return Status{};
  }

  std::string rest_;
  protocol::DialogueCoroutine coroutine_;
};

}  // namespace

TEST_CASE("dialogue coroutine: bytes cut at every point → the same words and the same consumption") {
  const Bytes script = frames({"one", "", "three", "end"});
  for (std::size_t cut = 0; cut <= script.size(); ++cut) {
    CAPTURE(cut);
    Echo echo;
    Bytes said;
    DialogueProgress progress = echo.advance({}, said);
    CHECK(protocol::as_text(said) == "hello");
    CHECK(progress.consumed == 0);
    progress = echo.advance(ByteView(script).first(cut), said);
    std::size_t position = progress.consumed;
    CHECK(position <= cut);
    if (progress.state == DialogueState::reading) {
      progress = echo.advance(ByteView(script).subspan(position), said);
      position += progress.consumed;
    }
    CHECK(progress.state == DialogueState::finished);
    CHECK(position == script.size());
    CHECK(protocol::as_text(said) == "hello[one][][three]");
  }
}

TEST_CASE("dialogue coroutine: bytes behind the last frame → not consumed, visible as unread") {
  Echo echo;
  Bytes said;
  Bytes script = frames({"end"});
  const std::size_t frame_bytes = script.size();
  protocol::append(script, protocol::as_bytes("more"));
  const DialogueProgress progress = echo.advance(script, said);
  CHECK(progress.state == DialogueState::finished);
  CHECK(progress.consumed == frame_bytes);
  CHECK(echo.rest() == "more");
}

TEST_CASE("dialogue coroutine: failure in the middle → failed with its error, words so far kept") {
  Echo echo;
  Bytes said;
  const DialogueProgress progress = echo.advance(frames({"a", "bad", "b"}), said);
  CHECK(progress.state == DialogueState::failed);
  CHECK(echo.error().code == ErrorCode::message_unexpected);
  CHECK(protocol::as_text(said) == "hello[a]");
}

TEST_CASE("dialogue coroutine: frame above the maximum → fails as soon as its length is known") {
  Echo echo;
  Bytes said;
  (void)echo.advance({}, said);
  const Bytes header{std::byte{200}};
  const DialogueProgress progress = echo.advance(header, said);
  CHECK(progress.state == DialogueState::failed);
  CHECK(echo.error().code == ErrorCode::frame_length_invalid);
}

TEST_CASE("dialogue coroutine: exception inside → leaves advance, destruction is safe") {
  Echo echo;
  Bytes said;
  CHECK_THROWS_AS((void)echo.advance(frames({"throw"}), said), std::runtime_error);
}

TEST_CASE("dialogue coroutine: destroyed never started, and waiting → frames are freed") {
  const Echo unstarted;
  Echo waiting;
  Bytes said;
  CHECK(waiting.advance(frames({"x"}), said).state == DialogueState::reading);
}
