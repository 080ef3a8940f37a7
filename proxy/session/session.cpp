#include "proxy/session/session.hpp"

#include <utility>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::SessionStage;
using runtime::Task;

Session::Session(Environment& environment, SessionOwner& owner, std::unique_ptr<net::Stream> client,
                 routing::ClientAddress address, std::uint64_t session_number, Admission admission)
    : environment_(environment),
      owner_(owner),
      client_(std::move(client), *this),
      admission_(admission),
      terms_(environment.terms.everybody()),
      born_(environment.loop.now()),
      last_request_(born_),
      signal_(environment.loop) {
  facts_.client = address;
  facts_.session_number = session_number;
  ++environment_.metrics.clients_open;
  ++environment_.metrics.clients_total;
}

Session::~Session() {
  --environment_.metrics.clients_open;
  if (key_) environment_.registry.leave(*key_);
  environment_.holds.leave(*this);
  environment_.holds.note_boundary(*this, routing::HoldClass::everything);
  environment_.pool.leave_queue(*this);
  if (group_ != nullptr) environment_.pool.leave(*group_);
}

void Session::start() {
  task_ = run();
  task_.start(chain_);
}

/// The whole of a session.
Task<> Session::run() {
  Task<bool> greeting = greet();
  const bool is_greeted = co_await greeting;
  if (is_greeted && is_for_console()) {
    Task<> service = serve_console();
    co_await service;
  } else if (is_greeted) {
    Task<bool> welcoming = welcome();
    const bool is_welcome = co_await welcoming;
    if (is_welcome) {
      Task<> conversation = converse();
      co_await conversation;
    }
  }
  Task<> parting = farewell();
  co_await parting;
  owner_.on_session_end(*this);
}

/// Start-up and authentication of the client. True when a conversation may begin.
/// Suspends: until the dialogue is through. Cancel: by destroying the session.
Task<bool> Session::greet() {
  arm_deadline(environment_.loop.now() + environment_.options.login_timeout);
  const std::unique_ptr<protocol::Greeting> greeting = environment_.dialect.make_greeting(*this);
  bool is_waiting = false;
  while (true) {
    if (stop_) fail(protocol::failure(ErrorCode::shutting_down, Blame::self, "stopped while greeting"));
    if (is_expired_) fail(protocol::failure(ErrorCode::login_timeout, Blame::client, "no login in time"));
    if (is_over_) co_return false;
    if (client_.is_connecting()) {  // the handshake of TLS
      co_await signal_.wait();
      continue;
    }
    if (is_securing_ && !note_encryption(*greeting)) co_return false;
    // Nothing is received for a greeting that waits for something else: it could not be kept in bounds.
    if (!is_waiting && client_.is_readable()) client_.receive(environment_.scratch);
    protocol::Bytes to_send;
    const protocol::DialogueProgress progress = greeting->advance(client_.unread(), to_send);
    client_.use(progress.consumed);
    client_.keep_unread();
    if (progress.state == protocol::DialogueState::upgrading) {
      client_.send(to_send);
      is_securing_ = true;
      client_.encrypt(*environment_.client_tls, *this);
      continue;
    }
    if (progress.state == protocol::DialogueState::failed) {
      ++environment_.metrics.logins_failed_total;
      facts_.user = greeting->login().user;
      facts_.database = greeting->login().database;
      report(greeting->error(), "a login failed");
      if (greeting->error().code == ErrorCode::authentication_failed) {
        Task<> holding = hold_back();
        co_await holding;
      }
      client_.send(to_send);
      co_return false;
    }
    client_.send(to_send);
    if (progress.state == protocol::DialogueState::finished) break;
    is_waiting = progress.state == protocol::DialogueState::waiting;
    if (client_.state() != net::Channel::State::open) co_return false;
    if (!is_waiting && client_.is_readable()) continue;
    co_await signal_.wait();
    client_.flush();
  }
  if (greeting->outcome() == protocol::Greeting::Outcome::cancel) {
    Task<> cancelling = carry_cancel(greeting->cancel_key());
    co_await cancelling;
    co_return false;
  }
  login_ = greeting->login();
  facts_.user = login_.user;
  facts_.database = login_.database;
  facts_.application_name = login_.application_name;
  disarm_deadline();
  co_return true;
}

/// The handshake with the client is over. False: it failed, and TLS itself has told the client.
bool Session::note_encryption(protocol::Greeting& greeting) {
  is_securing_ = false;
  const std::optional<protocol::TlsFacts> facts = client_.tls_facts();
  if (facts) {
    greeting.on_encrypted(*facts);
    return true;
  }
  ++environment_.metrics.logins_failed_total;
  report(protocol::failure(ErrorCode::encryption_failed, Blame::client, client_.failure()), "a login failed");
  return false;
}

/// Suspends: for the time that the failures from this address have earned. Ends early when the session is stopped.
Task<> Session::hold_back() {
  if (environment_.failed_logins == nullptr) co_return;
  arm_deadline(environment_.loop.now() +
               environment_.failed_logins->note_failure(facts_.client, facts_.user, environment_.loop.now()));
  while (!is_expired_ && !stop_ && client_.state() == net::Channel::State::open) {
    co_await signal_.wait();
    client_.flush();
  }
}

bool Session::is_barred(std::string_view user) {
  return environment_.failed_logins != nullptr &&
         environment_.failed_logins->is_barred(facts_.client, user, environment_.loop.now());
}

/// The client's connection stays open until the backend has heard, so that a client which waits for the end of
/// its cancel request knows that it was delivered.
Task<> Session::carry_cancel(protocol::CancelKey key) {
  cancel_done_ = std::make_shared<bool>(false);
  // The callback may come after this session's end: it holds the mark, and the session only while the mark is
  // shared with it.
  const std::weak_ptr<bool> mark = cancel_done_;
  environment_.registry.cancel(key, [this, mark] {
    const std::shared_ptr<bool> is_done = mark.lock();
    if (is_done == nullptr) return;
    *is_done = true;
    signal_.notify();
  });
  while (!*cancel_done_ && !is_expired_ && !stop_) {
    if (client_.is_readable()) client_.receive(environment_.scratch);
    if (client_.state() == net::Channel::State::broken) break;
    client_.use(client_.unread().size());
    client_.keep_unread();
    co_await signal_.wait();
  }
}

/// Logs in to the side where writes go and tells the client what that server reports of itself.
/// Suspends: until the backend is ready, at most connect_timeout.
Task<bool> Session::welcome() {
  if (admission_ == Admission::too_many) {
    fail(protocol::failure(ErrorCode::connections_exhausted, Blame::client, "too many clients"));
    co_return false;
  }
  if (!take_place()) co_return false;
  const bool is_shared = terms_->pooling == Pooling::transaction;
  half_ = environment_.dialect.make_client_half(login_, is_shared ? protocol::Tenure::shared : protocol::Tenure::own);
  protocol::StatementFacts nothing;
  nothing.statement_class = protocol::StatementClass::session;
  const protocol::CommentTags no_tags;
  const routing::Route route =
      routing::decide(environment_.plans.plan(), facts_, protocol::batch_facts_of(nothing, no_tags), {});
  group_ = &environment_.pool.enter(login_, terms_->connections());
  Task<bool> waiting = await_turn(route.side);
  const bool has_link = co_await waiting;
  if (!has_link) co_return false;
  backend::Connection& link = *links_[route.side];
  arm_deadline(link.deadline());
  while (true) {
    link.advance();
    if (is_expired_) link.expire();
    if (link.phase() == backend::Connection::Phase::ready) break;
    if (link.phase() == backend::Connection::Phase::failed) {
      if (!link.refusal().empty()) {
        client_.send(link.refusal());
        report(link.error(), "a backend refused a session");
        co_return false;
      }
      fail(link.error());
    }
    if (stop_) fail(protocol::failure(ErrorCode::shutting_down, Blame::self, "stopped while logging in"));
    if (client_.state() == net::Channel::State::broken) end();
    if (is_over_) co_return false;
    co_await signal_.wait();
  }
  disarm_deadline();
  deadline_timer_.reset();
  current_ = route.side;
  const protocol::CancelKey* backend_key = is_shared ? nullptr : link.half().cancel_key();
  const std::uint32_t server_process = backend_key == nullptr ? 0 : backend_key->process_id;
  key_ = environment_.registry.enrol(*this, login_.cancel_secret_bytes, server_process);
  begin_capture();
  protocol::Bytes words;
  half_->write_welcome(link.half(), *key_, words);
  client_.send(words);
  stage_ = SessionStage::conversing;
  // A request that is there already must not find what other sessions have left on this connection.
  give_back_idle();
  counters_ = &environment_.registry.counters_of(facts_.database);
  begin_watch();
  co_return true;
}

/// From the first words on, so that it hears the settings that the server reports.
void Session::begin_capture() {
  if (environment_.mirror == nullptr || environment_.mirror->desk == nullptr || login_.is_replication) return;
  std::unique_ptr<protocol::Capture> capture = environment_.dialect.make_capture(login_, environment_.mirror->capture);
  if (capture == nullptr) return;
  const auto make = [&](std::unique_ptr<net::Stream> plain, protocol::ByteView unread, protocol::Bytes unsent) {
    auto stream = std::make_unique<CaptureStream>(std::move(plain), std::move(capture), *environment_.mirror, environment_.loop,
                                                  CaptureStream::Client{facts_.database, facts_.user}, unread, std::move(unsent));
    capture_ = stream.get();
    return stream;
  };
  client_.wrap(make, *this);
}

/// A first connection to `side`, when the pool has one. Suspends: at most queue_timeout.
Task<bool> Session::await_turn(routing::Side side) {
  arm_deadline(environment_.loop.now() + terms_->queue_timeout);
  while (is_login_held() || !borrow(side)) {
    if (is_login_held()) begin_hold();
    if (is_turned_away()) fail(queue_is_full());
    if (is_expired_) fail(held_since_ ? held_too_long() : no_connection_in_time());
    if (stop_) fail(protocol::failure(ErrorCode::shutting_down, Blame::self, "stopped while waiting for a connection"));
    if (client_.state() == net::Channel::State::broken) end();
    if (is_over_) co_return false;
    co_await signal_.wait();
    client_.flush();
  }
  end_hold();
  co_return true;
}

/// Requests out, replies back, until somebody ends it.
Task<> Session::converse() {
  while (true) {
    relay_replies();
    if (!is_over_) read_requests();
    if (!is_over_) look_around();
    if (!is_over_) limit_held_bytes();
    if (is_over_) co_return;
    ask_about_doubts();
    give_back_idle();
    note_boundary();
    keep_times();
    if (is_over_) co_return;
    co_await signal_.wait();
    client_.flush();
  }
}

/// The last bytes leave to a client that takes them in time; backends get their goodbye from the links' end.
Task<> Session::farewell() {
  give_back_all();
  (void)held_share_.set(0);
  note_boundary();
  watch_timer_.reset();
  is_expired_ = false;
  if (client_.is_clogged() && client_.state() != net::Channel::State::broken) {
    arm_deadline(environment_.loop.now() + environment_.options.farewell_timeout);
  }
  while (client_.is_clogged() && client_.state() != net::Channel::State::broken && !is_expired_) {
    co_await signal_.wait();
    client_.flush();
  }
  deadline_timer_.reset();
  client_.close();
}

void Session::fail(const protocol::Error& error) {
  if (is_over_) return;
  is_over_ = true;
  report(error, "a session failed");
  if (is_securing_) return;  // there is no way yet to say anything
  // In the middle of a frame nothing can be said any more.
  for (const routing::Side side : routing::both_sides) {
    const backend::Connection* link = links_[side].get();
    if (link != nullptr && link->phase() == backend::Connection::Phase::ready && link->half().is_mid_frame()) return;
  }
  client_.send(environment_.dialect.write_fatal(error, stage_));
}

void Session::report(const protocol::Error& error, std::string_view event) {
  environment_.metrics.sessions_failed_total.count(protocol::name_of(error.code));
  if (environment_.log == nullptr) return;
  telemetry::LogLevel level = telemetry::LogLevel::error;
  switch (error.blame) {
    case Blame::client: level = telemetry::LogLevel::info; break;
    case Blame::backend:
    case Blame::operator_: level = telemetry::LogLevel::warning; break;
    case Blame::self: level = error.code == ErrorCode::shutting_down ? telemetry::LogLevel::debug : level; break;
  }
  environment_.log->write(level, event,
                          {{"pair", environment_.pair_name},
                           {"user", std::string_view(facts_.user)},
                           {"database", std::string_view(facts_.database)},
                           {"cause", protocol::name_of(error.code)},
                           {"blame", protocol::name_of(error.blame)},
                           {"detail", std::string_view(error.detail)}});
}

void Session::arm_deadline(runtime::Instant deadline) {
  is_expired_ = false;
  if (!deadline_timer_) {
    deadline_timer_ = environment_.loop.make_timer([this] {
      is_expired_ = true;
      signal_.notify_now();
    });
  }
  deadline_timer_->arm(deadline);
}

void Session::disarm_deadline() {
  is_expired_ = false;
  if (deadline_timer_) deadline_timer_->disarm();
}

std::optional<Session::RunningRequest> Session::running_request() {
  backend::Connection* link = current_link();
  if (link == nullptr || !link->half().is_cancellable()) return std::nullopt;
  // It would hit what restores the session's state. As with any cancel request that comes before its statement, nothing
  // happens.
  if (half_->restore_state(link->half()) == protocol::RestoreState::ahead) return std::nullopt;
  protocol::Bytes bytes = environment_.dialect.write_cancel(link->half());
  if (bytes.empty()) return std::nullopt;
  return RunningRequest{link->side(), link->endpoint(), std::move(bytes), link->cancels_under_way()};
}

void Session::stop(Stop when) {
  stop_ = when;
  signal_.notify();
}

}  // namespace proxy::session
