#include "proxy/session/session.hpp"

#include <algorithm>

// Reads that a backend took along when it went, and that are made again elsewhere: the client hears nothing of it.
namespace proxy::session {

using routing::Side;

/// A batch is about to be forwarded: keeps its bytes if it may be made again. That is a read as a whole, outside of
/// transactions, of a session that nothing pins, and one that was not repeated already.
std::uint32_t Session::keep_for_repeat(const protocol::NextRequest& request) {
  const bool is_second_time = repeated_bytes_ != 0;
  if (is_second_time) repeated_bytes_ -= std::min(repeated_bytes_, request.bytes);
  const bool is_read = request.facts.statement_class == protocol::StatementClass::read &&
                       request.facts.transaction_effect == protocol::TransactionEffect::none &&
                       request.transaction == protocol::TransactionState::none;
  const bool may_repeat = is_read && !is_second_time && environment_.options.repeats_reads &&
                          half_->pin() == protocol::PinReason::none;
  if (may_repeat && kept_.keep(client_.unread().first(request.bytes), environment_.kept_buffers)) {
    return static_cast<std::uint32_t>(request.bytes);
  }
  kept_.forfeit(environment_.kept_buffers);
  return 0;
}

/// The oldest batch under way is answered.
void Session::note_answered(const InFlight& batch) {
  if (in_flight_.empty()) {
    kept_.release(environment_.kept_buffers);
  } else {
    kept_.drop_front(batch.kept_bytes);
  }
}

/// Everything that `link` owes are reads that may be made again, and the client has heard nothing of the first one.
bool Session::can_repeat(backend::Connection& link) const {
  return kept_.size() != 0 && !in_flight_.empty() && current_ == link.side() && !link.half().is_answering() &&
         half_->pin() == protocol::PinReason::none && !half_->is_held(link.half()) &&
         !half_->is_asking(link.half()) &&
         client_.state() != net::Channel::State::broken;
}

/// Makes the unanswered reads the next requests of the client again. They go to the other side where the rules let it
/// stand in, otherwise to a new connection of the same one.
void Session::repeat_reads(Side side) {
  environment_.metrics.sides[side].reads_repeated_total += in_flight_.size();
  half_->abandon(links_[side]->half());
  drop_link(side);
  avoid_until_[side] = environment_.loop.now() + environment_.options.retry_after;
  put_back_kept();
  disarm_deadline();
}

void Session::put_back_kept() {
  repeated_bytes_ = kept_.size();
  client_.put_back(kept_.bytes());
  in_flight_.clear();
  kept_.release(environment_.kept_buffers);
  blocked_ = Blocked::nothing;
  end_hold();  // what was held behind them waits for them now
}

/// The batch that has just failed on `link` may be made again there: it is kept, the last one under way, and nothing else has
/// to do with it.
bool Session::can_retry(const backend::Connection& link) const {
  return kept_.size() != 0 && in_flight_.size() == environment_.completed.size() && current_ == link.side() &&
         half_->pin() == protocol::PinReason::none && !half_->is_held(link.half()) && !half_->is_asking(link.half()) &&
         client_.state() != net::Channel::State::broken;
}

/// What failed for another session's prepared statement becomes the next request of the client again.
void Session::retry_read(backend::Connection& link) {
  environment_.metrics.sides[link.side()].reads_repeated_total += 1;
  half_->take_back(link.half());
  put_back_kept();
}

/// Probes have found that nobody answers there any more: who waits for a read need not wait for the connection to break.
void Session::on_side_down(Side side) {
  if (stage_ != protocol::SessionStage::conversing || is_over_) return;
  if (blocked_ == Blocked::link && blocked_on_ == side && restoring_ != side) {
    blocked_ = Blocked::nothing;  // judged again: a read need not wait for that connection
    signal_.notify();
  }
  if (blocked_ == Blocked::follower) signal_.notify();
  backend::Connection* link = current_link();
  if (link == nullptr || link->side() != side || !can_repeat(*link)) return;
  repeat_reads(side);
  signal_.notify();
}

}  // namespace proxy::session
