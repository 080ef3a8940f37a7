#include "proxy/net/channel.hpp"

#include <algorithm>
#include <utility>

namespace proxy::net {

using protocol::ByteView;

namespace {

/// An emptied buffer above this size is given back.
constexpr std::size_t retained_buffer_bytes_max = 4096;

void release(protocol::Bytes& buffer) {
  buffer.clear();
  if (buffer.capacity() > retained_buffer_bytes_max) buffer.shrink_to_fit();
}

}  // namespace

Channel::Channel(std::unique_ptr<Stream> stream, StreamListener& listener) : stream_(std::move(stream)) {
  stream_->set_listener(&listener);
}

void Channel::encrypt(TlsUpgrade& tls, StreamListener& listener) {
  const auto encrypt = [&](std::unique_ptr<Stream> plain, ByteView unread, protocol::Bytes unsent) {
    return tls.encrypt(std::move(plain), unread, std::move(unsent));
  };
  wrap(encrypt, listener);
}

void Channel::wrap(const Wrap& make, StreamListener& listener) {
  protocol::Bytes unsent(pending_.begin() + static_cast<std::ptrdiff_t>(pending_start_), pending_.end());
  stream_ = make(std::move(stream_), view_, std::move(unsent));
  stream_->set_listener(&listener);
  view_ = {};
  release(held_);
  release(pending_);
  pending_start_ = 0;
}

void Channel::note(const IoOutcome& outcome) {
  if (outcome.state == IoState::end) state_ = State::ended;
  if (outcome.state == IoState::failed) state_ = State::broken;
}

std::unique_ptr<Freight> Channel::take_stream() {
  if (state_ != State::open || is_clogged() || !held_.empty() || !view_.empty()) return nullptr;
  return stream_->take_out();
}

std::size_t Channel::receive(std::span<std::byte> scratch) {
  if (held_.empty()) {
    const IoOutcome outcome = stream_->try_read(scratch);
    note(outcome);
    view_ = ByteView(scratch.data(), outcome.bytes);
    return outcome.bytes;
  }
  const std::size_t held_bytes = held_.size();
  held_.resize(held_bytes + scratch.size());
  const IoOutcome outcome = stream_->try_read(std::span(held_).subspan(held_bytes));
  note(outcome);
  held_.resize(held_bytes + outcome.bytes);
  view_ = held_;
  return outcome.bytes;
}

void Channel::put_back(ByteView bytes) {
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(held_.size() - view_.size()));
  held_.insert(held_.begin(), bytes.begin(), bytes.end());
  view_ = held_;
}

void Channel::keep_unread() {
  if (view_.empty()) {
    if (!held_.empty()) release(held_);
    view_ = {};
    return;
  }
  const bool is_in_held = !held_.empty();
  if (is_in_held) {
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(held_.size() - view_.size()));
  } else {
    held_.assign(view_.begin(), view_.end());
  }
  view_ = held_;
}

void Channel::send(const protocol::Gather& bytes) {
  if (bytes.empty() || state_ == State::broken) return;
  std::size_t taken = 0;
  if (pending_.empty()) {
    const IoOutcome outcome = stream_->try_write(bytes, 0);
    note(outcome);
    if (outcome.state == IoState::done) return;
    taken = outcome.bytes;
  }
  for (std::size_t i = 0; i < bytes.slice_count(); ++i) {
    const ByteView slice = bytes.slice(i);
    const std::size_t skipped = std::min(taken, slice.size());
    taken -= skipped;
    protocol::append(pending_, slice.subspan(skipped));
  }
}

void Channel::send(ByteView bytes) {
  if (bytes.empty() || state_ == State::broken) return;
  std::size_t taken = 0;
  if (pending_.empty()) {
    const IoOutcome outcome = stream_->try_write(bytes);
    note(outcome);
    if (outcome.state == IoState::done) return;
    taken = outcome.bytes;
  }
  protocol::append(pending_, bytes.subspan(taken));
}

void Channel::flush() {
  if (pending_.empty() || !stream_->is_writable()) return;
  const IoOutcome outcome = stream_->try_write(ByteView(pending_).subspan(pending_start_));
  note(outcome);
  pending_start_ += outcome.bytes;
  if (pending_start_ < pending_.size() && state_ != State::broken) return;
  pending_start_ = 0;
  release(pending_);
}

}  // namespace proxy::net
