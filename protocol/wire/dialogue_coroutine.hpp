#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/result.hpp"
#include "protocol/base/task.hpp"
#include "protocol/dialogue.hpp"

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <utility>

namespace protocol {

/// The length of the frame at the front of `unread`, its header included; 0 while that cannot be told or the
/// frame is not whole. Fails when the length is not allowed (below the minimum, above `frame_bytes_max`).
using FrameScanner = Result<std::size_t> (*)(ByteView unread, std::size_t frame_bytes_max);

/// Lets a Dialogue be written as one coroutine, top to bottom, instead of a step enum. The dialogue owns one
/// as its LAST member (so that the frames go before whatever they refer to), starts it in its constructor
/// with a member coroutine, and hands its advance() and error() on:
///
///   DialogueProgress advance(ByteView received, Bytes& to_send) override {
///     return coroutine_.advance(received, to_send);
///   }
///   Task<Status> run() {
///     const Result<ByteView> greeting = co_await coroutine_.next_frame(scan_message, 8192);
///     if (!greeting) co_return greeting.error();
///     write_reply(*greeting, coroutine_.to_send());
///     co_return Status{};
///   }
///
/// The coroutine ends with a value for finished and with an error for failed. The class of which run() is a
/// member must not move. An exception out of the coroutine leaves advance(); destroy the dialogue then.
class DialogueCoroutine {
 public:
  /// `script` runs from the first advance() on.
  void start(Task<Status> script) { script_ = std::move(script); }

  class NextFrame;
  /// Awaitable: the next whole frame, header included, as Result<ByteView>; consumed when the await ends.
  /// Lifetime of the view: until the coroutine awaits again.
  /// Suspends: until advance() brings enough bytes. Cancel: destroying the dialogue; bytes of a frame that
  /// was not whole stay with the caller.
  [[nodiscard]] NextFrame next_frame(FrameScanner scanner, std::size_t frame_bytes_max);

  /// Where the coroutine appends what must be sent. Valid while it runs; ask again after each await.
  [[nodiscard]] Bytes& to_send() { return *to_send_; }
  /// What follows the frames taken so far. A plain-text peer must be silent before a change of cipher, say.
  [[nodiscard]] ByteView unread() const { return received_.subspan(consumed_); }

  [[nodiscard]] DialogueProgress advance(ByteView received, Bytes& to_send) {
    assert(!is_over_ && "advance() after finished or failed");
    received_ = received;
    to_send_ = &to_send;
    consumed_ = 0;
    if (!is_started_) {
      is_started_ = true;
      script_.start(chain_);
    } else if (waiting_scanner_ != nullptr && is_frame_ready(waiting_scanner_, waiting_bytes_max_)) {
      waiting_scanner_ = nullptr;
      chain_.run(std::exchange(waiting_, nullptr));
    }
    const DialogueProgress progress{judge(), consumed_};
    received_ = {};
    to_send_ = nullptr;
    return progress;
  }

  /// Valid after failed.
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  friend class NextFrame;

  /// A whole frame is there, or an error is known.
  [[nodiscard]] bool is_frame_ready(FrameScanner scanner, std::size_t frame_bytes_max) {
    scanned_ = scanner(unread(), frame_bytes_max);
    return !scanned_.has_value() || (*scanned_ != 0 && *scanned_ <= unread().size());
  }

  [[nodiscard]] Result<ByteView> take_frame() {
    if (!scanned_) return scanned_.error();
    const ByteView frame = unread().first(*scanned_);
    consumed_ += frame.size();
    return frame;
  }

  DialogueState judge() {
    if (!script_.is_done()) return DialogueState::reading;
    is_over_ = true;
    const Status status = script_.take_result();
    if (status) return DialogueState::finished;
    error_ = status.error();
    return DialogueState::failed;
  }

  ByteView received_;
  Bytes* to_send_ = nullptr;
  std::size_t consumed_ = 0;
  Result<std::size_t> scanned_ = std::size_t{0};
  FrameScanner waiting_scanner_ = nullptr;
  std::size_t waiting_bytes_max_ = 0;
  std::coroutine_handle<> waiting_;
  Error error_;
  bool is_started_ = false;
  bool is_over_ = false;
  TaskChain chain_;
  Task<Status> script_;  // last: its frames refer to everything above
};

/// See DialogueCoroutine::next_frame().
class DialogueCoroutine::NextFrame {
 public:
  NextFrame(DialogueCoroutine& owner, FrameScanner scanner, std::size_t frame_bytes_max)
      : owner_(owner), scanner_(scanner), frame_bytes_max_(frame_bytes_max) {}

  [[nodiscard]] bool await_ready() { return owner_.is_frame_ready(scanner_, frame_bytes_max_); }
  void await_suspend(std::coroutine_handle<> waiting) {
    owner_.waiting_ = waiting;
    owner_.waiting_scanner_ = scanner_;
    owner_.waiting_bytes_max_ = frame_bytes_max_;
  }
  [[nodiscard]] Result<ByteView> await_resume() { return owner_.take_frame(); }

 private:
  DialogueCoroutine& owner_;
  FrameScanner scanner_;
  std::size_t frame_bytes_max_;
};

inline DialogueCoroutine::NextFrame DialogueCoroutine::next_frame(FrameScanner scanner,
                                                                  std::size_t frame_bytes_max) {
  return NextFrame(*this, scanner, frame_bytes_max);
}

}  // namespace protocol
