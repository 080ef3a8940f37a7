#include "proxy/session/link.hpp"

#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;

Link::Link(Environment& environment, routing::Side side, const protocol::Login& login, net::StreamListener& listener)
    : environment_(environment),
      side_(side),
      deadline_(environment.loop.now() + environment.options.connect_timeout),
      channel_(environment.connector.connect(environment.endpoints[side]), listener),
      login_(environment.dialect.make_backend_login(login, environment.credentials.credentials_for(login, side))) {}

Link::~Link() {
  if (phase_ != Phase::ready) return;
  --environment_.metrics.sides[side_].connections_open;
  if (channel_.state() == Channel::State::open && !channel_.is_clogged()) channel_.send(environment_.dialect.write_terminate());
}

void Link::fail(protocol::Error error) {
  error_ = std::move(error);
  phase_ = Phase::failed;
  ++environment_.metrics.sides[side_].connect_failures_total;
  channel_.close();
}

void Link::expire() {
  if (phase_ == Phase::ready || phase_ == Phase::failed) return;
  fail(protocol::failure(ErrorCode::backend_timeout, Blame::backend, "the backend did not answer in time"));
}

void Link::advance() {
  if (phase_ == Phase::connecting) {
    if (channel_.is_connecting()) return;
    phase_ = Phase::logging_in;
    if (channel_.is_broken()) {
      fail(protocol::failure(ErrorCode::backend_unreachable, Blame::backend, channel_.failure()));
      return;
    }
    log_in();
  }
  while (phase_ == Phase::logging_in && channel_.is_readable()) {
    channel_.receive(environment_.scratch);
    log_in();
    if (phase_ == Phase::logging_in && channel_.state() != Channel::State::open) {
      fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, "closed during the login"));
    }
  }
  if (phase_ == Phase::logging_in && channel_.state() == Channel::State::broken) {
    fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, channel_.failure()));
  }
}

void Link::log_in() {
  protocol::Bytes to_send;
  const protocol::DialogueProgress progress = login_->advance(channel_.unread(), to_send);
  channel_.use(progress.consumed);
  channel_.keep_unread();
  channel_.send(to_send);
  switch (progress.state) {
    case protocol::DialogueState::reading: return;
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
