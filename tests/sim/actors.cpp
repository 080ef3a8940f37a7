#include "tests/sim/actors.hpp"

#include "tests/model/message.hpp"

#include <utility>

namespace sim {

using proxy::net::IoState;
using proxy::net::Stream;
using test_support::MemoryStream;

namespace {

constexpr std::uint32_t cancel_code = 80877102;
constexpr std::uint32_t ssl_code = 80877103;

std::string with_equal_marks(std::string text) {
  for (std::size_t at = text.find('@'); at != std::string::npos; at = text.find('@', at + 1)) {
    if (at + 1 < text.size()) text[at + 1] = '?';
  }
  return text;
}

/// Reads all that is there. False: the stream is over.
bool read_all(Stream& stream, std::string& into) {
  std::byte chunk[8192];
  while (true) {
    const proxy::net::IoOutcome outcome = stream.try_read(chunk);
    into += protocol::as_text(std::span(chunk).first(outcome.bytes));
    if (outcome.state == IoState::end || outcome.state == IoState::failed) return false;
    if (outcome.state == IoState::would_block && !stream.is_readable()) return true;
  }
}

void write_some(Stream& stream, std::string& from) {
  if (from.empty()) return;
  const proxy::net::IoOutcome outcome = stream.try_write(protocol::as_bytes(from));
  from.erase(0, outcome.bytes);
}

}  // namespace

Backend::Backend(routing::Side side, std::unique_ptr<MemoryStream> stream, proxy::net::TlsUpgrade* tls)
    : side_(side), plain_(stream.get()), stream_(std::move(stream)), tls_(tls), server_(side == routing::Side::blue ? 'b' : 'g') {
  stream_->set_listener(this);
}

bool Backend::is_idle() const {
  return has_started_ && unread_.empty() && unsent_.empty() && server_.status() == 'I' && plain_->unread_bytes() == 0;
}

void Backend::kill(test_support::CutKind kind) {
  plain_->cut(kind);
  server_.abandon();
  is_closed_ = true;
  stream_->close();
}

void Backend::on_stream_ready() {
  if (is_closed_ || is_stalled_ || stream_->is_connecting()) return;
  const bool is_open = read_all(*stream_, unread_);
  if (!has_started_) take_startup();
  if (has_started_) {
    std::vector<model::ServerMessage> messages;
    model::take_messages(unread_, messages);
    if (!messages.empty() && !last_words_.empty()) {
      unsent_ = last_words_;
      flush();
      is_closed_ = true;
      plain_->finish_writing();
      return;
    }
    for (const model::ServerMessage& message : messages) {
      server_.take(message.tag, message.payload, unsent_);
    }
  }
  flush();
  if (!is_open || server_.is_over()) {
    server_.abandon();
    is_closed_ = true;
    stream_->close();
  }
}

void Backend::take_startup() {
  if (unread_.size() < 8 || unread_.size() < model::read_int32_be(unread_, 0)) return;
  const std::uint32_t code = model::read_int32_be(unread_, 4);
  const bool is_cancel = code == cancel_code;
  unread_.erase(0, model::read_int32_be(unread_, 0));
  if (code == ssl_code && tls_ != nullptr) {
    stream_ = tls_->encrypt(std::move(stream_), {}, {std::byte{'S'}});
    stream_->set_listener(this);
    return;
  }
  if (is_cancel) {
    is_closed_ = true;
    stream_->close();
    return;
  }
  has_started_ = true;
  unsent_ += server_.greeting();
}

void Backend::flush() { write_some(*stream_, unsent_); }

Client::Client(test_support::SimLoop& loop, Script script, std::unique_ptr<MemoryStream> stream, Pace pace,
               proxy::net::TlsUpgrade* tls)
    : loop_(loop),
      script_(std::move(script)),
      plain_(stream.get()),
      stream_(std::move(stream)),
      pace_(pace),
      released_(script_.bursts.size()) {
  if (tls != nullptr) stream_ = tls->encrypt(std::move(stream_), {}, {});
  stream_->set_listener(this);
  unsent_ = model::startup_packet({{"user", "someone"}, {"database", "shop"}});
  write_some(*stream_, unsent_);
}

void Client::release_from(std::size_t index) {
  released_ = index;
  write();
}

bool Client::has_greeting() {
  if (greeting_bytes_ > 0) return true;
  std::string rest = received_;
  std::vector<model::ServerMessage> messages;
  model::take_messages(rest, messages);
  std::size_t bytes = 0;
  for (const model::ServerMessage& message : messages) {
    bytes += 5 + message.payload.size();
    if (message.tag != 'Z') continue;
    greeting_bytes_ = bytes;
    return true;
  }
  return false;
}

std::string Client::heard() const {
  return greeting_bytes_ == 0 ? std::string() : with_equal_marks(received_.substr(greeting_bytes_));
}

bool Client::has_finished(std::size_t index) const {
  const std::size_t owed = index == 0 ? 0 : script_.bursts[index - 1].heard_after;
  return greeting_bytes_ > 0 && next_ >= index && heard_bytes() >= owed;
}

void Client::vanish() {
  is_closed_ = true;
  stream_->close();
}

void Client::on_stream_ready() {
  if (is_closed_) return;
  if (greeting_bytes_ == 0) write_some(*stream_, unsent_);
  if (pace_ == Pace::eager || greeting_bytes_ == 0) read();
  if (has_greeting()) {
    write();
  } else {
    write_some(*stream_, unsent_);  // the rest of the start-up
  }
}

void Client::read() {
  const std::size_t before = received_.size();
  const bool is_open = read_all(*stream_, received_);
  if (received_.size() != before || !is_open) last_event_ = loop_.now();
  if (!is_open) {
    is_closed_ = true;
    stream_->close();
  }
}

void Client::write() {
  while (!is_closed_) {
    const std::size_t before = unsent_.size();
    write_some(*stream_, unsent_);
    sent_bytes_ += before - unsent_.size();
    if (!unsent_.empty() || next_ == script_.bursts.size() || next_ >= released_) return;
    const Burst& burst = script_.bursts[next_];
    if (heard_bytes() < burst.heard_before) return;
    unsent_ = burst.bytes;
    ++next_;
  }
}

}  // namespace sim
