#pragma once

#include "protocol/conversation.hpp"
#include "proxy/session/channel.hpp"
#include "proxy/session/environment.hpp"
#include "routing/side.hpp"

#include <memory>
#include <optional>

namespace proxy::session {

/// A session's connection to one side.
///
///     connecting --connected--> logging_in --finished--> ready
///     connecting, logging_in --refused, lost, too late--> failed
///     ready --the stream ends--> (the session drops the link)
class Link {
 public:
  enum class Phase : std::uint8_t { connecting, logging_in, ready, failed };

  /// Begins to connect. `listener` hears of the stream and must outlive the link.
  Link(Environment& environment, routing::Side side, const protocol::Login& login, net::StreamListener& listener);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Takes the connection and the login as far as they go without waiting.
  void advance();
  /// The time for connecting is over.
  void expire();

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] routing::Side side() const { return side_; }
  [[nodiscard]] runtime::Instant deadline() const { return deadline_; }
  [[nodiscard]] const protocol::Error& error() const { return error_; }  ///< after failed
  /// After failed: what the backend itself said and the client is to hear; may be empty.
  [[nodiscard]] protocol::ByteView refusal() const { return refusal_; }
  [[nodiscard]] Channel& channel() { return channel_; }
  [[nodiscard]] protocol::BackendHalf& half() { return *half_; }  ///< once ready
  [[nodiscard]] const protocol::BackendHalf& half() const { return *half_; }

 private:
  void log_in();
  void fail(protocol::Error error);

  Environment& environment_;
  routing::Side side_;
  runtime::Instant deadline_;
  Channel channel_;
  std::unique_ptr<protocol::BackendLogin> login_;
  std::unique_ptr<protocol::BackendHalf> half_;
  Phase phase_ = Phase::connecting;
  protocol::Error error_;
  protocol::Bytes refusal_;
};

}  // namespace proxy::session
