#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/dialogue.hpp"
#include "proxy/net/stream.hpp"
#include "proxy/net/tls.hpp"
#include "proxy/runtime/loop.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace proxy::session {

/// Carries one cancel request to a backend on a connection of its own, and waits until the backend closes it:
/// then it has been acted on.
/// Lifetime: owned by whoever is told by `on_end`; may be destroyed from inside that call's deferred work only.
class CancelCall final : public net::StreamListener {
 public:
  /// A backend that does not answer holds nobody up for longer.
  static constexpr std::chrono::seconds timeout{10};

  /// `tls` may be null when `dialogue` never asks for it.
  CancelCall(runtime::Loop& loop, std::unique_ptr<net::Stream> stream, std::unique_ptr<protocol::Dialogue> dialogue,
             net::TlsUpgrade* tls, std::function<void(CancelCall&)> on_end);
  void on_stream_ready() override;

 private:
  void advance();
  void end();

  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<protocol::Dialogue> dialogue_;
  net::TlsUpgrade* tls_;
  protocol::Bytes unread_;
  std::function<void(CancelCall&)> on_end_;
  std::unique_ptr<runtime::Timer> timer_;
  enum class Phase : std::uint8_t { connecting, securing, speaking, waiting, ended };
  Phase phase_ = Phase::connecting;
};

}  // namespace proxy::session
