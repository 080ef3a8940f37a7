#pragma once

#include "protocol/conversation.hpp"
#include "proxy/session/channel.hpp"
#include "proxy/session/environment.hpp"
#include "routing/side.hpp"

#include <memory>
#include <optional>

namespace proxy::session {

/// A session's connection to one side. What libpq does for sslmode `allow` and `prefer` is done here: a second
/// connection with TLS when the server refuses the first one, without when its handshake fails.
///
///     connecting --connected--> logging_in --finished--> ready
///     logging_in --TLS agreed on--> securing --handshake done--> logging_in
///     connecting, securing, logging_in --refused, lost, too late--> failed, or connecting once more (see below)
///     ready --the stream ends--> (the session drops the link)
class Link {
 public:
  enum class Phase : std::uint8_t { connecting, securing, logging_in, ready, failed };

  /// Begins to connect. `listener` hears of the stream; it and `login` must outlive the link.
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
  [[nodiscard]] Channel& channel() { return *channel_; }
  [[nodiscard]] protocol::BackendHalf& half() { return *half_; }  ///< once ready
  [[nodiscard]] const protocol::BackendHalf& half() const { return *half_; }

 private:
  void connect(protocol::EncryptionWish wish);
  void log_in();
  void fail(protocol::Error error);
  /// Connects again in the other way, if there is one for this failure.
  [[nodiscard]] bool try_other_way(const protocol::Error& error);

  Environment& environment_;
  routing::Side side_;
  runtime::Instant deadline_;
  const protocol::Login& client_;
  net::StreamListener& listener_;
  std::optional<Channel> channel_;
  bool has_tried_both_ways_ = false;
  std::unique_ptr<protocol::BackendLogin> login_;
  std::unique_ptr<protocol::BackendHalf> half_;
  Phase phase_ = Phase::connecting;
  protocol::Error error_;
  protocol::Bytes refusal_;
};

}  // namespace proxy::session
