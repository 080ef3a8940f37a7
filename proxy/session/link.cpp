#include "proxy/session/link.hpp"

#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;

namespace {

protocol::EncryptionWish first_wish(BackendEncryption when) {
  switch (when) {
    case BackendEncryption::never:
    case BackendEncryption::if_refused_plain: return protocol::EncryptionWish::none;
    case BackendEncryption::if_offered: return protocol::EncryptionWish::preferred;
    case BackendEncryption::always: return protocol::EncryptionWish::required;
  }
  return protocol::EncryptionWish::none;
}

}  // namespace

Link::Link(Environment& environment, routing::Side side, const protocol::Login& login, net::StreamListener& listener)
    : environment_(environment),
      side_(side),
      deadline_(environment.loop.now() + environment.options.connect_timeout),
      client_(login),
      listener_(listener) {
  connect(first_wish(environment.encryption.to_backends[side].when));
}

void Link::connect(protocol::EncryptionWish wish) {
  phase_ = Phase::connecting;
  channel_.emplace(environment_.connector.connect(environment_.endpoints[side_]), listener_);
  login_ = environment_.dialect.make_backend_login(client_, environment_.credentials.credentials_for(client_, side_), wish);
}

Link::~Link() {
  if (phase_ != Phase::ready) return;
  --environment_.metrics.sides[side_].connections_open;
  if (channel_->state() == Channel::State::open && !channel_->is_clogged()) channel_->send(environment_.dialect.write_terminate());
}

void Link::fail(protocol::Error error) {
  if (try_other_way(error)) return;
  error_ = std::move(error);
  error_.detail.insert(0, std::string(routing::name_of(side_)) + ": ");
  phase_ = Phase::failed;
  ++environment_.metrics.sides[side_].connect_failures_total;
  channel_->close();
}

bool Link::try_other_way(const protocol::Error& error) {
  if (has_tried_both_ways_ || environment_.loop.now() >= deadline_) return false;
  const BackendEncryption when = environment_.encryption.to_backends[side_].when;
  const bool is_plain_due = when == BackendEncryption::if_offered && error.code == ErrorCode::encryption_failed;
  const bool is_tls_due = when == BackendEncryption::if_refused_plain && error.code == ErrorCode::backend_refused;
  if (!is_plain_due && !is_tls_due) return false;
  has_tried_both_ways_ = true;
  refusal_.clear();
  connect(is_tls_due ? protocol::EncryptionWish::required : protocol::EncryptionWish::none);
  return true;
}

void Link::expire() {
  if (phase_ == Phase::ready || phase_ == Phase::failed) return;
  fail(protocol::failure(ErrorCode::backend_timeout, Blame::backend, "the backend did not answer in time"));
}

void Link::advance() {
  if (phase_ == Phase::connecting || phase_ == Phase::securing) {
    if (channel_->is_connecting()) return;
    const bool was_securing = std::exchange(phase_, Phase::logging_in) == Phase::securing;
    if (channel_->is_broken()) {
      const ErrorCode code = was_securing ? ErrorCode::encryption_failed : ErrorCode::backend_unreachable;
      fail(protocol::failure(code, Blame::backend, channel_->failure()));
      return;
    }
    if (was_securing) login_->on_encrypted(channel_->tls_facts().value_or(protocol::TlsFacts{}));
    log_in();
  }
  while (phase_ == Phase::logging_in && channel_->is_readable()) {
    channel_->receive(environment_.scratch);
    log_in();
    if (phase_ == Phase::logging_in && channel_->state() != Channel::State::open) {
      fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, "closed during the login"));
    }
  }
  if (phase_ == Phase::logging_in && channel_->state() == Channel::State::broken) {
    fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, channel_->failure()));
  }
}

void Link::log_in() {
  protocol::Bytes to_send;
  const protocol::DialogueProgress progress = login_->advance(channel_->unread(), to_send);
  channel_->use(progress.consumed);
  channel_->keep_unread();
  channel_->send(to_send);
  switch (progress.state) {
    case protocol::DialogueState::reading:
    case protocol::DialogueState::waiting: return;
    case protocol::DialogueState::upgrading:
      phase_ = Phase::securing;
      channel_->encrypt(*environment_.encryption.to_backends[side_].upgrade, listener_);
      if (!channel_->is_connecting()) advance();  // it failed at once
      return;
    case protocol::DialogueState::finished:
      half_ = login_->take_half();
      login_.reset();
      phase_ = Phase::ready;
      ++environment_.metrics.sides[side_].connects_total;
      ++environment_.metrics.sides[side_].connections_open;
      return;
    case protocol::DialogueState::failed: {
      const protocol::ByteView refusal = login_->refusal();
      refusal_.assign(refusal.begin(), refusal.end());
      fail(login_->error());
      return;
    }
  }
}

}  // namespace proxy::session
