#include "proxy/net/tls_stream.hpp"

#include "proxy/net/tls_facts.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace proxy::net {

using protocol::ByteView;

void TlsStream::Free::operator()(SSL* connection) const { SSL_free(connection); }

TlsStream::TlsStream(std::shared_ptr<const TlsTerms> terms, TlsScratch& scratch, std::unique_ptr<Stream> plain,
                     ByteView received, protocol::Bytes unsent)
    : terms_(std::move(terms)),
      scratch_(scratch),
      plain_(std::move(plain)),
      tls_(terms_->make_connection()),
      unsent_(std::move(unsent)) {
  scratch_.received.resize(TlsScratch::received_bytes);
  plain_->set_listener(this);
  BIO* bio = tls_ ? BIO_new(bio_method()) : nullptr;
  if (bio == nullptr) {
    break_with("no memory for TLS");
    return;
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls_.get(), bio, bio);
  send_kept();
  incoming_ = received;
  shake_hands();
}

TlsStream::~TlsStream() { close(); }

// What OpenSSL takes for a socket.

int TlsStream::read_for_tls(BIO* bio, char* target, int bytes) {
  auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (stream.incoming_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t count = std::min(static_cast<std::size_t>(bytes), stream.incoming_.size());
  std::memcpy(target, stream.incoming_.data(), count);
  stream.incoming_ = stream.incoming_.subspan(count);
  return static_cast<int>(count);
}

int TlsStream::write_for_tls(BIO* bio, const char* source, int bytes) {
  auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  protocol::append(stream.scratch_.outgoing, std::as_bytes(std::span(source, static_cast<std::size_t>(bytes))));
  return bytes;
}

long TlsStream::control_for_tls(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/// Made once and never changed; OpenSSL wants methods as objects of its own.
BIO_METHOD* TlsStream::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    BIO_meth_set_read(made, &TlsStream::read_for_tls);
    BIO_meth_set_write(made, &TlsStream::write_for_tls);
    BIO_meth_set_ctrl(made, &TlsStream::control_for_tls);
    return made;
  }();
  return method;
}

// The handshake.

void TlsStream::on_stream_ready() {
  send_kept();
  if (phase_ == Phase::handshaking) {
    shake_hands();
    if (phase_ == Phase::handshaking) return;
  }
  if (listener_ != nullptr) listener_->on_stream_ready();  // may destroy this stream
}

void TlsStream::shake_hands() {
  if (incoming_.empty() && !plain_->is_readable() && plain_->is_broken()) {
    break_with(plain_->failure());
    return;
  }
  while (true) {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_.get());
    const int reason = SSL_get_error(tls_.get(), result);
    // A refusal leaves as an alert, so that the peer learns why.
    send_encrypted();
    if (result == 1) {
      phase_ = Phase::open;
      break;
    }
    if (reason != SSL_ERROR_WANT_READ) {
      break_with("TLS handshake: " + handshake_error());
      return;
    }
    if (!fetch()) break;
  }
  if (phase_ == Phase::over) return;
  keep_unused();
}

std::string TlsStream::handshake_error() const {
  std::string words = take_tls_error();
  const long verdict = SSL_get_verify_result(tls_.get());
  const bool is_checking = SSL_get_verify_mode(tls_.get()) != SSL_VERIFY_NONE;
  if (is_checking && verdict != X509_V_OK) words += std::string(": ") + X509_verify_cert_error_string(verdict);
  return words;
}

bool TlsStream::fetch() {
  if (!plain_->is_readable()) {
    if (plain_->is_broken()) break_with(plain_->failure());
    return false;
  }
  const IoOutcome outcome = plain_->try_read(scratch_.received);
  if (outcome.state == IoState::end) break_with("closed during the TLS handshake");
  if (outcome.state == IoState::failed) break_with(plain_->failure());
  incoming_ = ByteView(scratch_.received).first(outcome.bytes);
  return outcome.bytes != 0;
}

void TlsStream::break_with(std::string failure) {
  phase_ = Phase::over;
  is_broken_ = true;
  incoming_ = {};
  if (failure_.empty()) failure_ = std::move(failure);
}

// Reading.

bool TlsStream::is_readable() const {
  if (phase_ != Phase::open || is_at_end_) return has_news_;
  return has_more_ || plain_->is_readable();
}

IoOutcome TlsStream::try_read(std::span<std::byte> target) {
  has_news_ = false;
  if (is_at_end_) return {IoState::end, 0};
  if (phase_ == Phase::over) return {IoState::failed, 0};
  if (phase_ == Phase::handshaking || target.empty()) return {IoState::would_block, 0};
  if (!has_more_) {
    // Plain text is shorter than what carries it, so as much as this will fit but for the rest of a record.
    const std::size_t bytes_max = std::min(scratch_.received.size(), target.size());
    const IoOutcome outcome = plain_->try_read(std::span(scratch_.received).first(bytes_max));
    if (outcome.state == IoState::end) is_at_end_ = true;
    if (outcome.state != IoState::done) return {outcome.state, 0};
    incoming_ = ByteView(scratch_.received).first(outcome.bytes);
  }
  std::size_t filled = 0;
  while (filled < target.size() && (!incoming_.empty() || has_more_)) {
    has_more_ = false;
    ERR_clear_error();
    const std::span<std::byte> room = target.subspan(filled);
    const int result = SSL_read(tls_.get(), room.data(), static_cast<int>(room.size()));
    if (result > 0) {
      filled += static_cast<std::size_t>(result);
      has_more_ = SSL_pending(tls_.get()) > 0;
      continue;
    }
    note_read_failure(result);
    if (phase_ == Phase::over || is_at_end_) break;
  }
  keep_unused();
  send_encrypted();  // answers of TLS itself: a new key, an alert
  if (filled > 0) {
    has_news_ = phase_ == Phase::over || is_at_end_;
    return {IoState::done, filled};
  }
  if (is_at_end_) return {IoState::end, 0};
  return {phase_ == Phase::over ? IoState::failed : IoState::would_block, 0};
}

void TlsStream::note_read_failure(int result) {
  const int reason = SSL_get_error(tls_.get(), result);
  if (reason == SSL_ERROR_WANT_READ) return;
  if (reason == SSL_ERROR_ZERO_RETURN) {
    is_at_end_ = true;
    incoming_ = {};
    return;
  }
  break_with("TLS: " + take_tls_error());
}

/// The scratch is everybody's: what is left in it moves to a buffer of our own.
void TlsStream::keep_unused() {
  if (incoming_.empty()) {
    if (held_.capacity() != 0) protocol::Bytes().swap(held_);
  } else {
    protocol::Bytes rest(incoming_.begin(), incoming_.end());
    held_.swap(rest);
    has_more_ = true;
  }
  incoming_ = held_;
}

// Writing.

bool TlsStream::is_writable() const { return phase_ == Phase::open && !has_unsent() && plain_->is_writable(); }

IoOutcome TlsStream::begin_write() const {
  if (phase_ == Phase::handshaking) return {IoState::would_block, 0};
  if (phase_ == Phase::over || plain_->is_broken()) return {IoState::failed, 0};
  return {has_unsent() ? IoState::would_block : IoState::done, 0};
}

IoOutcome TlsStream::try_write(ByteView source) {
  const IoOutcome start = begin_write();
  if (start.state != IoState::done) return start;
  std::size_t taken = 0;
  while (taken < source.size()) {
    if (has_unsent()) return {IoState::would_block, taken};
    const ByteView piece = source.subspan(taken, std::min(source.size() - taken, encrypted_bytes_per_send));
    if (!encrypt(piece)) return {IoState::failed, taken};
    taken += piece.size();
    send_encrypted();
    if (is_broken()) return {IoState::failed, taken};
  }
  return {IoState::done, taken};
}

/// Slices become records: large ones where they lie, small ones together.
IoOutcome TlsStream::try_write(const protocol::Gather& source, std::size_t skip) {
  const IoOutcome start = begin_write();
  if (start.state != IoState::done) return start;
  IoOutcome total{IoState::done, 0};
  protocol::Bytes& gathered = scratch_.gathered;
  for (std::size_t index = 0; index < source.slice_count();) {
    ByteView slice = source.slice(index);
    if (skip >= slice.size()) {
      skip -= slice.size();
      ++index;
      continue;
    }
    slice = slice.subspan(std::exchange(skip, 0));
    ++index;
    if (index < source.slice_count() && slice.size() < record_bytes_max) {
      gathered.assign(slice.begin(), slice.end());
      while (index < source.slice_count() && gathered.size() + source.slice(index).size() <= record_bytes_max) {
        protocol::append(gathered, source.slice(index++));
      }
      slice = gathered;
    }
    const IoOutcome outcome = try_write(slice);
    total.bytes += outcome.bytes;
    total.state = outcome.state;
    if (outcome.state != IoState::done) break;
  }
  return total;
}

bool TlsStream::encrypt(ByteView plaintext) {
  ERR_clear_error();
  const int result = SSL_write(tls_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  if (result == static_cast<int>(plaintext.size())) return true;
  break_with("TLS: " + take_tls_error());
  return false;
}

void TlsStream::send_encrypted() {
  protocol::Bytes& outgoing = scratch_.outgoing;
  if (outgoing.empty()) return;
  std::size_t taken = 0;
  if (!has_unsent()) {
    const IoOutcome outcome = plain_->try_write(ByteView(outgoing));
    taken = outcome.state == IoState::failed ? outgoing.size() : outcome.bytes;
  }
  if (taken < outgoing.size()) protocol::append(unsent_, ByteView(outgoing).subspan(taken));
  outgoing.clear();
}

void TlsStream::send_kept() {
  if (!has_unsent() || !plain_->is_writable()) return;
  const IoOutcome outcome = plain_->try_write(ByteView(unsent_).subspan(unsent_start_));
  unsent_start_ = outcome.state == IoState::failed ? unsent_.size() : unsent_start_ + outcome.bytes;
  if (has_unsent()) return;
  protocol::Bytes().swap(unsent_);
  unsent_start_ = 0;
}

void TlsStream::close() {
  if (phase_ == Phase::open && !has_unsent() && !plain_->is_broken()) {
    ERR_clear_error();
    if (SSL_shutdown(tls_.get()) < 0) ERR_clear_error();
    send_encrypted();
  }
  if (phase_ != Phase::over) break_with("closed");
  plain_->close();
}

std::string TlsStream::failure() const { return failure_.empty() ? plain_->failure() : failure_; }

std::optional<protocol::TlsFacts> TlsStream::tls_facts() const {
  if (phase_ != Phase::open) return std::nullopt;
  return read_tls_facts(tls_.get());
}

std::unique_ptr<Stream> TlsStreamMaker::encrypt(std::unique_ptr<Stream> plain, ByteView received,
                                                protocol::Bytes unsent) {
  return std::make_unique<TlsStream>(source_.current(), scratch_, std::move(plain), received, std::move(unsent));
}

}  // namespace proxy::net
