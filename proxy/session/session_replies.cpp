#include "proxy/session/session.hpp"

#include <string_view>

namespace proxy::session {

using protocol::Blame;
using protocol::ErrorCode;
using routing::Side;

namespace {

constexpr int reads_per_turn_max = 16;

}  // namespace

/// The side that the session talks to comes first. What another connection has for the client, a notification say,
/// goes between two messages.
void Session::relay_replies() {
  const Side first = current_.value_or(Side::blue);
  for (const Side side : {first, routing::other(first)}) {
    backend::Connection* link = links_[side].get();
    if (link == nullptr) continue;
    const backend::Connection* current = current_link();
    if (current != nullptr && current != link && current->half().is_mid_frame()) return;
    if (link->phase() == backend::Connection::Phase::ready) {
      relay_from(*link);
    } else {
      link->advance();
    }
    if (is_over_) return;
  }
}

void Session::relay_from(backend::Connection& link) {
  const Side side = link.side();
  net::Channel& channel = link.channel();
  channel.flush();
  for (int reads = 0; channel.is_readable() && !client_.is_clogged(); ++reads) {
    if (reads == reads_per_turn_max) {
      signal_.notify();
      return;
    }
    channel.receive(environment_.scratch);
    relay_once(link);
    if (is_over_ || links_[side] == nullptr) return;
  }
  if (channel.state() != net::Channel::State::open && !client_.is_clogged()) on_link_end(link);
}

void Session::relay_once(backend::Connection& link) {
  net::Channel& channel = link.channel();
  if (channel.unread().empty()) return;
  const Side side = link.side();
  const protocol::Result<protocol::ReplyProgress> progress =
      half_->relay(link.half(), channel.unread(), environment_.to_client, environment_.completed);
  environment_.metrics.sides[side].bytes_to_client_total += environment_.to_client.total_bytes();
  counters_->sent_bytes += environment_.to_client.total_bytes();
  const bool is_retried = progress && progress->retry_bytes != 0 && can_retry(link);
  if (is_retried) {  // it will be answered
    environment_.completed.pop_back();
    environment_.to_client.shorten(progress->retry_bytes);
  }
  note_completions(side);
  const bool is_repeated = progress && progress->farewell_bytes != 0 && can_repeat(link);
  if (is_repeated) environment_.to_client.shorten(progress->farewell_bytes);
  client_.send(environment_.to_client);
  environment_.to_client.clear();
  pin_watch_.look_at(half_->pins(), environment_.loop.now(), environment_.metrics);
  if (!progress) {
    fail(progress.error());
    return;
  }
  channel.use(progress->consumed);
  channel.keep_unread();
  if (progress->is_session_over || progress->is_link_lost) note_lost(side);
  if (is_repeated) {
    repeat_reads(side);
    return;
  }
  if (is_retried) {
    retry_read(link);
    return;
  }
  if (progress->is_session_over) {
    report(protocol::failure(ErrorCode::backend_lost, Blame::backend, "the backend ended the session"),
           "a backend ended a session");
    end();
  } else if (progress->is_link_lost) {
    drop_link(side);
  }
}

void Session::note_completions(Side side) {
  if (environment_.completed.empty()) return;
  telemetry::SideMetrics& metrics = environment_.metrics.sides[side];
  const runtime::Instant now = environment_.loop.now();
  for (const protocol::Completion& completion : environment_.completed) {
    if (completion.has_error) {
      metrics.errors_total.count(std::string_view(completion.error_code.data(), completion.error_code.size()));
    }
    if (in_flight_.empty()) continue;
    const InFlight batch = in_flight_.pop();
    note_answered(batch);
    if (batch.statement_class == protocol::StatementClass::schema_change) has_changed_schema_ = true;
    counters_->query_time += std::chrono::duration_cast<std::chrono::microseconds>(now - batch.sent);
    metrics.record_latency(batch.statement_class, std::chrono::duration<double>(now - batch.sent).count());
  }
  environment_.completed.clear();
  if (transaction_began_ && links_[side]->half().is_at_boundary()) {
    counters_->transaction_time += std::chrono::duration_cast<std::chrono::microseconds>(now - *transaction_began_);
    transaction_began_.reset();
  }
  if (!login_changes_.empty()) note_login_changes(side);
  if (has_changed_schema_ && links_[side]->half().is_at_boundary()) {
    has_changed_schema_ = false;
    if (environment_.on_schema_change != nullptr && *environment_.on_schema_change) {
      (*environment_.on_schema_change)(login_);
    }
  }
}

/// The backend's stream is over. A session that has nothing under way and nothing that lives only there goes on
/// and connects again when it needs to.
void Session::on_link_end(backend::Connection& link) {
  note_lost(link.side());
  const bool is_current = current_ == link.side();
  const bool is_harmless = link.half().is_at_boundary() && !half_->is_held(link.half()) &&
                           (!is_current || half_->pin() == protocol::PinReason::none);
  const bool is_restoring = restoring_ == link.side();
  if (is_harmless || is_restoring) {
    drop_link(link.side());
    return;
  }
  if (can_repeat(link)) {
    repeat_reads(link.side());
    return;
  }
  if (is_current && !link.half().is_mid_frame()) client_.send(link.half().last_words());
  fail(protocol::failure(ErrorCode::backend_lost, Blame::backend, link.channel().failure()));
}

/// Perhaps it was only this connection; a probe will tell.
void Session::note_lost(Side side) {
  if (environment_.health != nullptr) environment_.health->note_sign(side, backend::HealthSign::lost, environment_.loop.now());
}

void Session::drop_link(Side side) {
  if (current_ == side) current_.reset();
  if (restoring_ == side) restoring_.reset();
  links_[side].reset();
}

}  // namespace proxy::session
