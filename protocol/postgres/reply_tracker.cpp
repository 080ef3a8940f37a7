#include "protocol/postgres/reply_tracker.hpp"

#include <utility>

namespace protocol::postgres {

namespace {

using Kind = ExpectedReply::Kind;

/// Above this many entries the memory of an emptied queue is given back.
constexpr std::size_t retained_entries_max = 32;

/// Kinds that end with ReadyForQuery.
bool ends_with_ready(Kind kind) { return kind == Kind::query || kind == Kind::function_call || kind == Kind::sync; }

bool carries_rows(Kind kind) { return kind == Kind::query || kind == Kind::execute; }

}  // namespace

ReplyTracker::Noted ReplyTracker::expect(ExpectedReply entry) {
  if (skipping_) {
    // The backend throws everything away until Sync; only Sync is answered.
    if (entry.kind != Kind::sync) return Noted::skipped;
    skipping_ = false;
  }
  if (copy_in_) {
    // Sync and Flush are ignored by a backend that reads COPY data; anything else is answered by the error that
    // ends the COPY, and is used up by it.
    if (entry.kind != Kind::sync) copy_in_ = false;
    return Noted::skipped;
  }
  if (entry.may_change_transaction) ++unsettled_count_;
  entries_.push_back(std::move(entry));
  return Noted::yes;
}

void ReplyTracker::note_copy_end() {
  if (copy_in_) {
    copy_in_ = false;
    return;
  }
  // Nobody who could take it: the backend ignores it.
  if (skipping_ || !is_owing()) return;
  entries_.push_back(ExpectedReply{Kind::copy_end, Disposition::forward, false, nullptr, nullptr});
}

bool ReplyTracker::is_batch_open() const {
  if (skipping_) return true;
  for (std::size_t i = entries_.size(); i > front_; --i) {
    const Kind kind = entries_[i - 1].kind;
    if (kind != Kind::copy_end) return !ends_with_ready(kind);
  }
  return false;
}

Disposition ReplyTracker::front_disposition() const {
  return is_owing() ? entries_[front_].disposition : Disposition::forward;
}

ReplyTracker::Judgement ReplyTracker::pass() const {
  Judgement judgement;
  judgement.verdict = entries_[front_].disposition == Disposition::forward ? Verdict::forward : Verdict::swallow;
  return judgement;
}

ReplyTracker::Judgement ReplyTracker::finish_front() {
  Judgement judgement = pass();
  judgement.completed = pop_front();
  return judgement;
}

ExpectedReply ReplyTracker::pop_front() {
  ExpectedReply entry = std::move(entries_[front_]);
  ++front_;
  if (entry.may_change_transaction) --unsettled_count_;
  drop_copy_ends();
  return entry;
}

void ReplyTracker::drop_copy_ends() {
  while (front_ < entries_.size() && entries_[front_].kind == Kind::copy_end) ++front_;
  if (front_ < entries_.size()) return;
  entries_.clear();
  front_ = 0;
  if (entries_.capacity() > retained_entries_max) entries_.shrink_to_fit();
}

void ReplyTracker::erase(std::size_t position) {
  if (entries_[position].may_change_transaction) --unsettled_count_;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(position));
}

ReplyTracker::Judgement ReplyTracker::judge(BackendMessage tag, ByteView payload) {
  discarded_.clear();
  switch (tag) {
    case BackendMessage::notice_response:
    case BackendMessage::notification_response:
    case BackendMessage::parameter_status: return Judgement{Verdict::asynchronous, {Kind::copy_end, {}, false, {}, {}}};
    case BackendMessage::error_response: return judge_error();
    default: break;
  }
  if (copy_both_) return Judgement{Verdict::forward, {Kind::copy_end, {}, false, {}, {}}};
  if (!is_owing()) return {};
  const Kind kind = entries_[front_].kind;
  switch (tag) {
    case BackendMessage::ready_for_query: return judge_ready(payload);
    case BackendMessage::parse_complete: return kind == Kind::parse ? finish_front() : Judgement{};
    case BackendMessage::bind_complete: return kind == Kind::bind ? finish_front() : Judgement{};
    case BackendMessage::close_complete: return kind == Kind::close ? finish_front() : Judgement{};
    case BackendMessage::parameter_description: return kind == Kind::describe_statement ? pass() : Judgement{};
    case BackendMessage::row_description:
      if (kind == Kind::query) return pass();
      [[fallthrough]];
    case BackendMessage::no_data:
      return kind == Kind::describe_statement || kind == Kind::describe_portal ? finish_front() : Judgement{};
    case BackendMessage::data_row:
    case BackendMessage::copy_data:
    case BackendMessage::copy_done:
    case BackendMessage::copy_out_response: return carries_rows(kind) ? pass() : Judgement{};
    case BackendMessage::command_complete:
    case BackendMessage::empty_query_response:
      if (kind == Kind::query) return pass();
      return kind == Kind::execute ? finish_front() : Judgement{};
    case BackendMessage::portal_suspended: return kind == Kind::execute ? finish_front() : Judgement{};
    case BackendMessage::copy_in_response:
      if (!carries_rows(kind)) return {};
      begin_copy_in();
      return pass();
    case BackendMessage::copy_both_response:
      if (!carries_rows(kind)) return {};
      copy_both_ = true;
      return pass();
    case BackendMessage::function_call_response: return kind == Kind::function_call ? pass() : Judgement{};
    case BackendMessage::authentication:
    case BackendMessage::backend_key_data:
    case BackendMessage::negotiate_protocol_version: return {};
    case BackendMessage::notice_response:
    case BackendMessage::notification_response:
    case BackendMessage::parameter_status:
    case BackendMessage::error_response: break;  // handled above
  }
  return {};
}

void ReplyTracker::begin_copy_in() {
  // What was sent behind the COPY is read by the backend as COPY data: Sync and Flush are ignored, CopyDone and
  // CopyFail end it, and the first message of any other kind ends it with an error and is used up by that.
  while (front_ + 1 < entries_.size()) {
    const Kind kind = entries_[front_ + 1].kind;
    erase(front_ + 1);
    if (kind != Kind::sync) return;
  }
  copy_in_ = true;
}

ReplyTracker::Judgement ReplyTracker::judge_ready(ByteView payload) {
  if (payload.size() != 1 || !ends_with_ready(entries_[front_].kind)) return {};
  const auto status = static_cast<char>(payload[0]);
  if (status != 'I' && status != 'T' && status != 'E') return {};
  status_ = static_cast<TransactionStatus>(status);
  copy_in_ = false;
  return finish_front();
}

ReplyTracker::Judgement ReplyTracker::judge_error() {
  copy_in_ = false;
  if (!is_owing()) return Judgement{Verdict::unsolicited, {Kind::copy_end, {}, false, {}, {}}};
  ExpectedReply& front = entries_[front_];
  Judgement judgement;
  judgement.verdict = front.disposition == Disposition::swallow ? Verdict::swallow : Verdict::forward;
  if (ends_with_ready(front.kind)) return judgement;  // ReadyForQuery follows and completes it
  // Extended query: everything up to Sync is skipped, simple queries too.
  while (is_owing() && entries_[front_].kind != Kind::sync) discarded_.push_back(pop_front());
  skipping_ = !is_owing();
  return judgement;
}

}  // namespace protocol::postgres
