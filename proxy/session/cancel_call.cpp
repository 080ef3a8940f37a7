#include "proxy/session/cancel_call.hpp"

#include <array>
#include <utility>

namespace proxy::session {

CancelCall::CancelCall(runtime::Loop& loop, std::unique_ptr<net::Stream> stream, protocol::Bytes request,
                       std::function<void(CancelCall&)> on_end)
    : stream_(std::move(stream)),
      request_(std::move(request)),
      on_end_(std::move(on_end)),
      timer_(loop.make_timer([this] { end(); })) {
  stream_->set_listener(this);
  timer_->arm(loop.now() + timeout);
}

void CancelCall::on_stream_ready() {
  if (phase_ == Phase::connecting && !stream_->is_connecting()) {
    phase_ = Phase::waiting;
    // Some sixteen bytes: a fresh socket takes them at once, or the connection is of no use.
    if (stream_->is_broken() || stream_->try_write(protocol::ByteView(request_)).state != net::IoState::done) {
      end();
      return;
    }
  }
  while (phase_ == Phase::waiting && stream_->is_readable()) {
    std::array<std::byte, 64> ignored;
    const net::IoOutcome outcome = stream_->try_read(ignored);
    if (outcome.state == net::IoState::end || outcome.state == net::IoState::failed) end();
  }
}

void CancelCall::end() {
  if (phase_ == Phase::ended) return;
  phase_ = Phase::ended;
  timer_->disarm();
  on_end_(*this);
}

}  // namespace proxy::session
