#include "protocol/postgres/reply_tracker.hpp"

#include "protocol/wire/byte_reader.hpp"

#include <string_view>
#include <utility>

namespace protocol::postgres {

namespace {

using Kind = ExpectedReply::Kind;

/// Above this many entries the memory of an emptied queue is given back.
constexpr std::size_t retained_entries_max = 32;

/// Beyond this many messages behind a COPY that failed, it is no longer attempted to know which are answered.
constexpr std::size_t set_aside_max = 1000;

constexpr std::string_view protocol_violation = "08P01";

/// Kinds that end with ReadyForQuery.
bool ends_with_ready(Kind kind) { return kind == Kind::query || kind == Kind::function_call || kind == Kind::sync; }

bool carries_rows(Kind kind) { return kind == Kind::query || kind == Kind::execute; }

/// Owes nothing itself.
bool is_copy_mark(Kind kind) { return kind == Kind::copy_bytes || kind == Kind::copy_end; }

/// The fields of an ErrorResponse are a letter and a text each.
bool has_code(ByteView error_payload, std::string_view code) {
  ByteReader reader(error_payload);
  while (reader.ok() && reader.remaining() > 0) {
    const char field = static_cast<char>(reader.read_u8());
    if (field == 0) break;
    const std::string_view value = reader.read_text_z();
    if (field == 'C') return value == code;
  }
  return false;
}

}  // namespace

ReplyTracker::Noted ReplyTracker::expect(ExpectedReply entry) {
  if (skipping_) {
    // The backend throws everything away until Sync; only Sync is answered.
    if (entry.kind != Kind::sync) {
      set_aside(entry);
      return Noted::skipped;
    }
    skipping_ = false;
    set_aside_.clear();  // this Sync's ReadyForQuery and a doubtful one's look the same
  }
  if (copy_ == Copy::reading) {
    if (entry.kind == Kind::sync) {
      ++copy_syncs_;
      return Noted::skipped;
    }
    // Anything but COPY's own messages ends the reading with an error.
    is_copy_broken_off_ = owed_count() == 1;
    copy_ = Copy::ending;
  }
  if (entry.may_change_transaction) ++unsettled_count_;
  has_unsynced_ = !ends_with_ready(entry.kind);
  entries_.push_back(std::move(entry));
  return Noted::yes;
}

void ReplyTracker::note_copy_bytes() {
  if (copy_ == Copy::reading) {
    copy_has_bytes_ = true;
    return;
  }
  note_copy_mark(Kind::copy_bytes);
}

void ReplyTracker::note_copy_end() {
  if (copy_ == Copy::reading) {
    copy_has_bytes_ = true;
    copy_ = Copy::ending;
    return;
  }
  note_copy_mark(Kind::copy_end);
}

void ReplyTracker::note_copy_mark(Kind kind) {
  // Nobody who could take it: the backend ignores it.
  if (skipping_ || !is_owing()) return;
  if (kind == Kind::copy_bytes && entries_.back().kind == Kind::copy_bytes) return;
  entries_.push_back(ExpectedReply{kind, Disposition::forward, false, nullptr, nullptr});
}

bool ReplyTracker::is_batch_open() const {
  // Not to be read off the entries: after Flush they may all be answered and the batch still be open.
  return skipping_ || has_unsynced_;
}

/// Source: PostgreSQL 15 manual 55.2.3: the server gives out what it has to say at Sync and Flush.
bool ReplyTracker::is_awaiting_client() const {
  if (is_copy_in() || copy_both_) return true;
  return is_batch_open() && !is_any_owed([](const ExpectedReply& owed) { return ends_with_ready(owed.kind); });
}

Disposition ReplyTracker::front_disposition() const {
  return is_owing() ? entries_[front_].disposition : Disposition::forward;
}

ReplyTracker::Judgement ReplyTracker::pass() {
  has_begun_ = true;
  Judgement judgement;
  const Disposition disposition = entries_[front_].disposition;
  const bool is_forwarded = disposition == Disposition::forward || disposition == Disposition::refuse;
  judgement.verdict = is_forwarded ? Verdict::forward : Verdict::swallow;
  if (disposition == Disposition::synthesise) judgement.verdict = Verdict::synthesise;
  return judgement;
}

ReplyTracker::Judgement ReplyTracker::finish_front() {
  Judgement judgement = pass();
  judgement.completed = pop_front();
  return judgement;
}

/// The entry at the front was answered, and nobody wants it.
void ReplyTracker::pass_front() {
  ++front_;
  has_begun_ = false;
  drop_copy_marks();
}

ExpectedReply ReplyTracker::pop_front() {
  ExpectedReply entry = std::move(entries_[front_]);
  ++front_;
  has_begun_ = false;
  if (entry.may_change_transaction) --unsettled_count_;
  drop_copy_marks();
  return entry;
}

void ReplyTracker::drop_copy_marks() {
  while (front_ < entries_.size() && is_copy_mark(entries_[front_].kind)) ++front_;
  if (front_ < entries_.size()) return;
  entries_.clear();
  front_ = 0;
  if (entries_.capacity() > retained_entries_max) entries_.shrink_to_fit();
}

void ReplyTracker::erase(std::size_t position) {
  if (entries_[position].may_change_transaction) --unsettled_count_;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(position));
}

bool ReplyTracker::pass_plain(BackendMessage tag) {
  if (!is_owing() || is_in_doubt() || copy_both_) return false;
  const ExpectedReply& front = entries_[front_];
  if (front.disposition != Disposition::forward || front.effects || front.may_change_transaction) return false;
  if (front.kind == Kind::describe_statement && front.statement) return false;
  const bool is_describe = front.kind == Kind::describe_statement || front.kind == Kind::describe_portal;
  bool is_complete = false;
  switch (tag) {
    case BackendMessage::data_row:
      if (!carries_rows(front.kind)) return false;
      break;
    case BackendMessage::row_description:
      if (front.kind != Kind::query && !is_describe) return false;
      is_complete = is_describe;
      break;
    case BackendMessage::no_data:
      if (!is_describe) return false;
      is_complete = true;
      break;
    case BackendMessage::bind_complete:
      if (front.kind != Kind::bind) return false;
      is_complete = true;
      break;
    case BackendMessage::command_complete:
      if (!carries_rows(front.kind) || copy_ != Copy::none) return false;
      is_complete = front.kind == Kind::execute;
      break;
    default: return false;
  }
  has_begun_ = true;
  if (is_complete) pass_front();
  return true;
}

ReplyTracker::Judgement ReplyTracker::judge(BackendMessage tag, ByteView payload) {
  discarded_.clear();
  switch (tag) {
    case BackendMessage::notice_response:
    case BackendMessage::notification_response:
    case BackendMessage::parameter_status: return Judgement{Verdict::asynchronous, {Kind::copy_end, {}, false, {}, {}}};
    case BackendMessage::error_response: return judge_error(payload);
    default: break;
  }
  if (copy_both_) return Judgement{Verdict::forward, {Kind::copy_end, {}, false, {}, {}}};
  if (!is_in_doubt()) return judge_owed(tag, payload);
  const bool is_ready = tag == BackendMessage::ready_for_query;
  // A query is never answered by ReadyForQuery alone, so that one is a Sync's.
  if (is_ready && is_owing() && entries_[front_].kind != Kind::sync && !has_begun_) return judge_doubtful(tag, payload);
  Judgement judgement = judge_owed(tag, payload);
  if (judgement.verdict == Verdict::unexpected) return judge_doubtful(tag, payload);
  if (!is_ready && !has_doubtful_others_) settle();
  return judgement;
}

/// A reply that may come because a Sync was read after its COPY had failed.
ReplyTracker::Judgement ReplyTracker::judge_doubtful(BackendMessage tag, ByteView payload) {
  Judgement judgement;
  if (tag == BackendMessage::ready_for_query) {
    if (!take_status(payload)) return judgement;
    if (doubtful_syncs_ > 0) --doubtful_syncs_;
    skipping_ = false;
    if (is_owing()) set_aside_.clear();
    if (!set_aside_.empty()) has_doubtful_others_ = doubtful_syncs_ > 0;
    for (ExpectedReply& entry : std::exchange(set_aside_, {})) {
      if (entry.may_change_transaction) ++unsettled_count_;
      has_unsynced_ = !ends_with_ready(entry.kind);
      entries_.push_back(std::move(entry));
    }
  } else if (!has_doubtful_others_) {
    return judgement;
  }
  judgement.verdict = Verdict::forward;
  return judgement;
}

ReplyTracker::Judgement ReplyTracker::judge_owed(BackendMessage tag, ByteView payload) {
  if (!is_owing()) return {};
  const Kind kind = entries_[front_].kind;
  const bool is_synthesised = entries_[front_].disposition == Disposition::synthesise;
  switch (tag) {
    case BackendMessage::ready_for_query: return judge_ready(payload);
    case BackendMessage::parse_complete: return kind == Kind::parse && !is_synthesised ? finish_front() : Judgement{};
    case BackendMessage::bind_complete: return kind == Kind::bind ? finish_front() : Judgement{};
    case BackendMessage::close_complete: return kind == Kind::close || is_synthesised ? finish_front() : Judgement{};
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
      end_copy_in();  // it has read the end of the data, so it has ignored every Sync before that
      [[fallthrough]];
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
  // What was sent behind the COPY is read by the backend as COPY data, up to CopyDone, CopyFail or the first
  // message that does not belong to COPY.
  end_copy_in();
  copy_ = Copy::reading;
  while (front_ + 1 < entries_.size() && copy_ == Copy::reading) {
    switch (entries_[front_ + 1].kind) {
      case Kind::sync: ++copy_syncs_; break;
      case Kind::copy_bytes: copy_has_bytes_ = true; break;
      case Kind::copy_end:
        copy_has_bytes_ = true;
        copy_ = Copy::ending;
        break;
      default:
        is_copy_broken_off_ = true;
        copy_ = Copy::ending;
        return;
    }
    erase(front_ + 1);
  }
  if (owed_count() == 1) has_unsynced_ = entries_[front_].kind == Kind::execute;
}

void ReplyTracker::set_aside(const ExpectedReply& entry) {
  if (!is_in_doubt() || is_copy_mark(entry.kind)) return;
  if (set_aside_.size() < set_aside_max) set_aside_.push_back(entry);
}

void ReplyTracker::settle() {
  doubtful_syncs_ = 0;
  has_doubtful_others_ = false;
  set_aside_.clear();
}

void ReplyTracker::end_copy_in() {
  copy_ = Copy::none;
  copy_has_bytes_ = false;
  is_copy_broken_off_ = false;
  copy_syncs_ = 0;
}

/// The COPY at the front has failed: what of that which was sent since is still to be answered?
void ReplyTracker::fail_copy_in(ByteView error_payload) {
  if (is_copy_broken_off_ && has_code(error_payload, protocol_violation) && owed_count() > 1) {
    // The message that broke it off is used up by this error (servers from 14 on end the session besides).
    discarded_.push_back(std::move(entries_[front_ + 1]));
    erase(front_ + 1);
  }
  if (copy_has_bytes_) {
    doubtful_syncs_ += copy_syncs_;
  } else {
    // It failed before it read anything (a view, a trigger before the statement): every Sync is still unread.
    const ExpectedReply sync{Kind::sync, Disposition::forward, false, nullptr, nullptr};
    if (copy_syncs_ != 0 && owed_count() == 1) has_unsynced_ = false;
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(front_) + 1, copy_syncs_, sync);
  }
  end_copy_in();
}

bool ReplyTracker::take_status(ByteView payload) {
  if (payload.size() != 1) return false;
  const auto status = static_cast<char>(payload[0]);
  if (status != 'I' && status != 'T' && status != 'E') return false;
  status_ = static_cast<TransactionStatus>(status);
  return true;
}

ReplyTracker::Judgement ReplyTracker::judge_ready(ByteView payload) {
  if (!ends_with_ready(entries_[front_].kind) || !take_status(payload)) return {};
  end_copy_in();
  return finish_front();
}

ReplyTracker::Judgement ReplyTracker::judge_error(ByteView payload) {
  if (!is_owing()) return Judgement{Verdict::unsolicited, {Kind::copy_end, {}, false, {}, {}}};
  if (is_in_doubt() && !has_doubtful_others_) settle();
  const bool was_copy_in = copy_ != Copy::none;
  if (was_copy_in) fail_copy_in(payload);
  ExpectedReply& front = entries_[front_];
  Judgement judgement;
  const bool is_told = is_clients(front.disposition) || front.disposition == Disposition::forward_error;
  judgement.verdict = is_told ? Verdict::forward : Verdict::swallow;
  has_begun_ = true;
  if (ends_with_ready(front.kind)) return judgement;  // ReadyForQuery follows and completes it
  // Extended query: everything up to Sync is skipped, simple queries too.
  discarded_.push_back(pop_front());
  const std::size_t discarded_so_far = discarded_.size();
  while (is_owing() && entries_[front_].kind != Kind::sync) discarded_.push_back(pop_front());
  skipping_ = !is_owing();
  has_unsynced_ = has_unsynced_ && !skipping_;
  // Behind a Sync that was answered after all, these are answered too.
  if (!was_copy_in || !is_in_doubt()) return judgement;
  if (discarded_.size() > discarded_so_far) has_doubtful_others_ = true;
  if (!skipping_) return judgement;  // a Sync is owed anyhow, and its ReadyForQuery looks the same
  for (std::size_t i = discarded_so_far; i < discarded_.size(); ++i) set_aside(discarded_[i]);
  return judgement;
}

}  // namespace protocol::postgres
