#include "proxy/session/cancel_call.hpp"

#include <array>
#include <utility>

namespace proxy::session {

CancelCall::CancelCall(runtime::Loop& loop, std::unique_ptr<net::Stream> stream,
                       std::unique_ptr<protocol::Dialogue> dialogue, net::TlsUpgrade* tls,
                       std::function<void(CancelCall&)> on_end)
    : stream_(std::move(stream)),
      dialogue_(std::move(dialogue)),
      tls_(tls),
      on_end_(std::move(on_end)),
      timer_(loop.make_timer([this] { end(); })) {
  stream_->set_listener(this);
  timer_->arm(loop.now() + timeout);
}

void CancelCall::on_stream_ready() {
  if ((phase_ == Phase::connecting || phase_ == Phase::securing) && !stream_->is_connecting()) {
    if (stream_->is_broken()) {
      end();
      return;
    }
    if (phase_ == Phase::securing) {
      const std::optional<protocol::TlsFacts> facts = stream_->tls_facts();
      dialogue_->on_encrypted(facts ? *facts : protocol::TlsFacts{});
    }
    phase_ = Phase::speaking;
    advance();
  }
  while ((phase_ == Phase::speaking || phase_ == Phase::waiting) && stream_->is_readable()) {
    std::array<std::byte, 64> received;
    const net::IoOutcome outcome = stream_->try_read(received);
    if (outcome.state == net::IoState::end || outcome.state == net::IoState::failed) end();
    if (phase_ != Phase::speaking || outcome.bytes == 0) continue;
    protocol::append(unread_, protocol::ByteView(received).first(outcome.bytes));
    advance();
  }
}

/// The dialogue goes as far as it can. What it says is short: a fresh socket takes it at once, or the connection is
/// of no use.
void CancelCall::advance() {
  protocol::Bytes to_send;
  const protocol::DialogueProgress progress = dialogue_->advance(unread_, to_send);
  unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(progress.consumed));
  const bool is_sent =
      to_send.empty() || stream_->try_write(protocol::ByteView(to_send)).state == net::IoState::done;
  if (!is_sent || progress.state == protocol::DialogueState::failed) {
    end();
  } else if (progress.state == protocol::DialogueState::finished) {
    phase_ = Phase::waiting;
  } else if (progress.state == protocol::DialogueState::upgrading) {
    phase_ = Phase::securing;
    stream_ = tls_->encrypt(std::move(stream_), unread_, {});
    stream_->set_listener(this);
    if (stream_->is_broken()) end();
  }
}

void CancelCall::end() {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  timer_->disarm();
  on_end_(*this);
}

}  // namespace proxy::session
