#include "proxy/backend/connection.hpp"

#include <array>
#include <utility>

namespace proxy::backend {

using protocol::Blame;
using protocol::ErrorCode;

namespace {

/// A backend that nobody uses has no business to say more than this in one message.
constexpr std::size_t idle_bytes_max = std::size_t{64} << 10;

protocol::EncryptionWish first_wish(BackendEncryption when) {
  switch (when) {
    case BackendEncryption::never:
    case BackendEncryption::if_refused_plain: return protocol::EncryptionWish::none;
    case BackendEncryption::if_offered: return protocol::EncryptionWish::preferred;
    case BackendEncryption::always: return protocol::EncryptionWish::required;
  }
  return protocol::EncryptionWish::none;
}

std::uint64_t login_epoch_of(const Surroundings& surroundings) {
  return surroundings.login_changes == nullptr ? 0 : surroundings.login_changes->epoch();
}

}  // namespace

Connection::Connection(Surroundings& surroundings, routing::Side side, std::shared_ptr<const protocol::Login> login,
                       net::StreamListener& borrower)
    : surroundings_(surroundings),
      borrower_(&borrower),
      side_(side),
      generation_(surroundings.generations[side]),
      login_epoch_(login_epoch_of(surroundings)),
      endpoint_(surroundings.endpoints[side]),
      born_(surroundings.loop.now()),
      deadline_(born_ + surroundings.connect_timeout),
      client_(std::move(login)) {
  connect(first_wish(surroundings.encryption.to_backends[side].when));
}

Connection::Connection(Surroundings& surroundings, routing::Side side, const LoginTrouble& trouble)
    : surroundings_(surroundings),
      borrower_(nullptr),
      side_(side),
      generation_(surroundings.generations[side]),
      login_epoch_(login_epoch_of(surroundings)),
      endpoint_(surroundings.endpoints[side]),
      phase_(Phase::failed),
      born_(surroundings.loop.now()),
      deadline_(born_),
      error_(trouble.error),
      refusal_(trouble.refusal) {}

void Connection::report_to(std::shared_ptr<LoginTrouble> trouble, std::chrono::milliseconds retry_after) {
  trouble_ = std::move(trouble);
  retry_after_ = retry_after;
}

std::optional<Connection::Parcel> Connection::pack(Connection& connection) {
  std::unique_ptr<net::Freight> stream = connection.channel_->take_stream();
  if (stream == nullptr) return std::nullopt;
  connection.phase_ = Phase::failed;
  --connection.surroundings_.metrics.sides[connection.side_].connections_open;
  return Parcel{connection.side_,      connection.born_,           connection.client_,
                std::move(stream),     std::move(connection.half_), std::move(connection.reservation_),
                connection.generation_, connection.login_epoch_,      connection.endpoint_,
                std::move(connection.process_)};
}

Connection::Connection(Surroundings& surroundings, Parcel parcel, Keeper& keeper)
    : surroundings_(surroundings),
      reservation_(std::move(parcel.reservation)),
      process_(std::move(parcel.process)),
      borrower_(nullptr),
      keeper_(&keeper),
      side_(parcel.side),
      generation_(parcel.generation),
      login_epoch_(parcel.login_epoch),
      endpoint_(std::move(parcel.endpoint)),
      phase_(Phase::ready),
      born_(parcel.born),
      idle_since_(surroundings.loop.now()),
      client_(std::move(parcel.client)),
      half_(std::move(parcel.half)) {
  surroundings_.dialect.adopt(*half_, *client_, static_cast<std::uint32_t>(side_));
  channel_.emplace(surroundings_.connector.receive(std::move(parcel.stream)), static_cast<net::StreamListener&>(*this));
  ++surroundings_.metrics.sides[side_].connections_open;
}

void Connection::connect(protocol::EncryptionWish wish) {
  phase_ = Phase::connecting;
  channel_.emplace(surroundings_.connector.connect(endpoint_), static_cast<net::StreamListener&>(*this));
  const bool is_for_writes = surroundings_.is_opened_for_writes[side_];
  login_ = surroundings_.dialect.make_backend_login(
      is_for_writes ? surroundings_.dialect.login_for_writes(*client_) : *client_, surroundings_.credentials.credentials_for(*client_, side_), wish, static_cast<std::uint32_t>(side_));
}

Connection::~Connection() {
  if (phase_ != Phase::ready) return;
  --surroundings_.metrics.sides[side_].connections_open;
  const bool is_sound = channel_->state() == net::Channel::State::open && !channel_->is_clogged();
  if (is_sound) channel_->send(surroundings_.dialect.write_terminate());
}

void Connection::on_stream_ready() {
  if (borrower_ != nullptr) {
    borrower_->on_stream_ready();
  } else if (keeper_ != nullptr) {
    keeper_->on_idle_ready(*this);
  }
}

void Connection::lend_to(net::StreamListener& borrower) {
  borrower_ = &borrower;
  keeper_ = nullptr;
}

void Connection::leave_to(Keeper& keeper) {
  borrower_ = nullptr;
  keeper_ = &keeper;
  idle_since_ = surroundings_.loop.now();
}

bool Connection::absorb() {
  // Not the worker's buffer: a session that is about to borrow this may have its client's request in there.
  std::array<std::byte, 1024> buffer;
  while (channel_->is_readable()) {
    if (channel_->receive(buffer) == 0) break;
    const protocol::Result<std::size_t> used = half_->absorb_idle(channel_->unread());
    if (!used) return false;
    channel_->use(*used);
    channel_->keep_unread();
  }
  return channel_->state() == net::Channel::State::open && channel_->held_bytes() <= idle_bytes_max;
}

std::shared_ptr<std::uint32_t> Connection::cancels_under_way() {
  if (cancels_ == nullptr) cancels_ = std::make_shared<std::uint32_t>(0);
  return cancels_;
}

void Connection::fail(protocol::Error error) {
  if (try_other_way(error)) return;
  error_ = std::move(error);
  error_.detail.insert(0, std::string(routing::name_of(side_)) + ": ");
  phase_ = Phase::failed;
  ++surroundings_.metrics.sides[side_].connect_failures_total;
  channel_->close();
  const std::optional<HealthSign> sign = sign_of(error_);
  if (sign && surroundings_.health != nullptr) surroundings_.health->note_sign(side_, *sign, surroundings_.loop.now());
  if (trouble_ == nullptr) return;
  trouble_->retry_at = surroundings_.loop.now() + retry_after_;
  trouble_->error = error_;
  trouble_->refusal = refusal_;
}

bool Connection::try_other_way(const protocol::Error& error) {
  if (has_tried_both_ways_ || surroundings_.loop.now() >= deadline_) return false;
  const BackendEncryption when = surroundings_.encryption.to_backends[side_].when;
  const bool is_plain_due = when == BackendEncryption::if_offered && error.code == ErrorCode::encryption_failed;
  const bool is_tls_due = when == BackendEncryption::if_refused_plain && error.code == ErrorCode::backend_refused;
  if (!is_plain_due && !is_tls_due) return false;
  has_tried_both_ways_ = true;
  refusal_.clear();
  connect(is_tls_due ? protocol::EncryptionWish::required : protocol::EncryptionWish::none);
  return true;
}

void Connection::expire() {
  if (phase_ == Phase::ready || phase_ == Phase::failed) return;
  fail(protocol::failure(ErrorCode::backend_timeout, Blame::backend, "the backend did not answer in time"));
}

void Connection::advance() {
  if (phase_ == Phase::failed) return;
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
  channel_->flush();
  while (phase_ == Phase::logging_in && channel_->is_readable()) {
    channel_->receive(surroundings_.scratch);
    log_in();
    if (phase_ == Phase::logging_in && channel_->state() != net::Channel::State::open) {
      fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, "closed during the login"));
    }
  }
  if (phase_ == Phase::logging_in && channel_->state() == net::Channel::State::broken) {
    fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, channel_->failure()));
  }
}

void Connection::log_in() {
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
      channel_->encrypt(*surroundings_.encryption.to_backends[side_].upgrade, *this);
      if (!channel_->is_connecting()) advance();  // it failed at once
      return;
    case protocol::DialogueState::finished:
      half_ = login_->take_half();
      login_.reset();
      phase_ = Phase::ready;
      note_process();
      if (trouble_ != nullptr) trouble_->retry_at = {};
      trouble_.reset();
      ++surroundings_.metrics.sides[side_].connects_total;
      ++surroundings_.metrics.sides[side_].connections_open;
      return;
    case protocol::DialogueState::failed: {
      const protocol::ByteView refusal = login_->refusal();
      refusal_.assign(refusal.begin(), refusal.end());
      fail(login_->error());
      return;
    }
  }
}

void Connection::note_process() {
  const protocol::CancelKey* const key = half_->cancel_key();
  if (key != nullptr && surroundings_.processes != nullptr) process_ = surroundings_.processes->enter(side_, key->process_id);
}

telemetry::BackendView Connection::view(runtime::Instant now) const {
  telemetry::BackendView view;
  view.side = side_;
  view.state = phase_ == Phase::ready ? telemetry::BackendState::active : telemetry::BackendState::connecting;
  view.age = std::chrono::duration_cast<std::chrono::microseconds>(now - born_);
  view.idle_age = view.age;
  if (half_ != nullptr && half_->cancel_key() != nullptr) view.process_id = half_->cancel_key()->process_id;
  view.is_encrypted = channel_ && channel_->tls_facts().has_value();
  return view;
}

}  // namespace proxy::backend
