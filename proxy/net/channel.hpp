#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/wire/gather.hpp"
#include "proxy/net/stream.hpp"
#include "proxy/net/tls.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace proxy::net {

/// One end of a session: a stream, the bytes read and not yet used, and the bytes written and not yet taken.
///
/// Reading goes into the worker's receive buffer, and only what could not be used at once is kept here, so an
/// idle end holds no buffer. Writing goes to the socket at once, and only what the socket did not take is kept;
/// while there is any, the session reads nothing that would add to it, so what is kept is bounded by what one
/// read can produce.
class Channel {
 public:
  enum class State : std::uint8_t { open, ended, broken };

  Channel(std::unique_ptr<Stream> stream, StreamListener& listener);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool is_connecting() const { return stream_->is_connecting(); }
  [[nodiscard]] bool is_broken() const { return state_ == State::broken || stream_->is_broken(); }
  [[nodiscard]] bool is_readable() const { return state_ == State::open && stream_->is_readable(); }
  /// Written bytes are waiting for the socket.
  [[nodiscard]] bool is_clogged() const { return !pending_.empty() || stream_->has_unsent(); }
  [[nodiscard]] std::size_t held_bytes() const { return held_.size(); }
  [[nodiscard]] std::string failure() const { return stream_->failure(); }

  /// See Stream::has_news().
  [[nodiscard]] bool has_news() { return state_ != State::open || stream_->has_news(); }
  /// See Stream::take_out(); null also while something is held.
  [[nodiscard]] std::unique_ptr<Freight> take_stream();

  /// Begins TLS; what is unread is the peer's beginning of it. is_connecting() until the handshake is through.
  void encrypt(net::TlsUpgrade& tls, net::StreamListener& listener);
  /// Puts another stream in the place of this one, made of it, of what is unread and of what was not sent yet.
  using Wrap = std::function<std::unique_ptr<Stream>(std::unique_ptr<Stream> plain, protocol::ByteView unread, protocol::Bytes unsent)>;
  void wrap(const Wrap& make, net::StreamListener& listener);
  [[nodiscard]] std::optional<protocol::TlsFacts> tls_facts() const { return stream_->tls_facts(); }

  /// Receives once, up to `scratch.size()` bytes. Returns how many; 0 when nothing came or the stream ended.
  std::size_t receive(std::span<std::byte> scratch);
  /// What was received and not yet used. Valid until the next call of receive() or keep_from() of ANY channel
  /// of this worker, since the bytes may lie in the worker's scratch.
  [[nodiscard]] protocol::ByteView unread() const { return view_; }
  /// The first `bytes` of unread() are used.
  void use(std::size_t bytes) { view_ = view_.subspan(bytes); }
  /// Puts `bytes` in front of what is unread. Precondition: what is unread was kept.
  void put_back(protocol::ByteView bytes);
  /// Must be called before control leaves the session: keeps what is unread in a buffer of its own.
  void keep_unread();

  /// Sends, behind what is pending; keeps what the socket does not take.
  void send(const protocol::Gather& bytes);
  void send(protocol::ByteView bytes);
  /// Tries again with what is pending.
  void flush();
  void close() { stream_->close(); state_ = State::ended; }

 private:
  void note(const IoOutcome& outcome);

  std::unique_ptr<Stream> stream_;
  protocol::Bytes held_;       ///< unread bytes that outlived their read
  protocol::ByteView view_;    ///< unread bytes, in held_ or in the scratch
  protocol::Bytes pending_;    ///< from pending_start_ on not yet taken by the socket
  std::size_t pending_start_ = 0;
  State state_ = State::open;
};

}  // namespace proxy::net
