#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/postgres/reply_look.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace protocol::postgres {

namespace {

using Verdict = ReplyTracker::Verdict;

constexpr std::string_view application_name_setting = "application_name";

/// Above this a message that would be looked at whole passes by its header alone.
constexpr std::size_t inspected_frame_bytes_max = std::size_t{64} << 10;
constexpr std::uint32_t backend_length_max = 0x7FFFFFFE;

constexpr std::array<std::byte, frame_header_bytes> parse_complete{std::byte{'1'}, std::byte{0}, std::byte{0}, std::byte{0},
                                                                   std::byte{4}};

/// Counts a command that leaves something behind even when its transaction is rolled back.
/// Source: PostgreSQL 15 manual 55.7, CommandComplete: the tag is usually the command's name.
void note_tag(PostgresBackendHalf& source, ByteView payload) {
  std::string_view tag = as_text(payload);
  if (!tag.empty()) tag.remove_suffix(1);  // the terminator
  if (tag == "SET") {
    ++source.done.sets;
  } else if (tag == "PREPARE" || tag == "DEALLOCATE" || tag == "DEALLOCATE ALL" || tag == "DISCARD ALL") {
    ++source.done.statement_changes;
  }
}

/// Somebody has asked what a shared statement returns.
bool is_shape_wanted_of(const PostgresBackendHalf& source) {
  const ExpectedReply* front = source.tracker.front();
  return front != nullptr && front->kind == ExpectedReply::Kind::describe_statement && front->statement != nullptr;
}

bool is_whole_frame(ByteView frame) {
  const std::optional<FrameHeader> header = scan_frame_header(frame);
  return header && header->frame_bytes() == frame.size();
}

Error misbehaved(std::string_view what) {
  return failure(ErrorCode::backend_misbehaved, Blame::backend, std::string(what));
}

}  // namespace

Result<ReplyProgress> PostgresClientHalf::relay(BackendHalf& backend, ByteView unread, Gather& to_client,
                                                std::vector<Completion>& completed) {
  auto& source = static_cast<PostgresBackendHalf&>(backend);
  ReplyProgress progress;
  source.answer_start = source.has_answered ? PostgresBackendHalf::in_part : to_client.total_bytes();
  while (progress.consumed < unread.size()) {
    const ByteView rest = unread.subspan(progress.consumed);
    if (source.frame_remaining > 0) {
      const std::size_t bytes = std::min(source.frame_remaining, rest.size());
      if (source.frame_verdict == Verdict::forward) to_client.borrow(rest.first(bytes));
      source.frame_remaining -= bytes;
      progress.consumed += bytes;
      continue;
    }
    if (const std::size_t bytes = relay_plain(source, rest, to_client); bytes > 0) {
      progress.consumed += bytes;
      continue;
    }
    note_where_pins_live(source);
    Result<FrameStep> step = relay_frame(source, rest, to_client, completed, progress);
    if (!step) return step.error();
    if (step->consumed == 0) break;
    progress.consumed += step->consumed;
    if (progress.is_session_over || progress.is_link_lost || progress.retry_bytes != 0) break;
  }
  note_where_pins_live(source);
  return progress;
}

/// Forwards the whole messages at the front of `rest` of which nobody but the client must hear: most of all that passes.
/// Returns their bytes.
std::size_t PostgresClientHalf::relay_plain(PostgresBackendHalf& source, ByteView rest, Gather& to_client) {
  if (!source.held_back.empty()) return 0;
  std::size_t bytes = 0;
  while (bytes < rest.size()) {
    const std::optional<FrameHeader> header = scan_frame_header(rest.subspan(bytes));
    if (!header || header->length < frame_length_min || header->length > backend_length_max) break;
    if (header->frame_bytes() > rest.size() - bytes) break;
    const auto tag = static_cast<BackendMessage>(header->tag);
    if (!source.tracker.pass_plain(tag)) break;
    if (tag == BackendMessage::command_complete) source.tag_was_rollback = false;  // it would have been of interest
    bytes += header->frame_bytes();
  }
  if (bytes == 0) return 0;
  to_client.borrow(rest.first(bytes));
  source.has_answered = true;
  return bytes;
}

Result<PostgresClientHalf::FrameStep> PostgresClientHalf::relay_frame(PostgresBackendHalf& source, ByteView rest,
                                                                      Gather& to_client,
                                                                      std::vector<Completion>& completed,
                                                                      ReplyProgress& progress) {
  const std::optional<FrameHeader> header = scan_frame_header(rest);
  if (!header) return FrameStep{};
  const auto tag = static_cast<BackendMessage>(header->tag);
  const Look look = look_for(tag);
  if (look == Look::never) return misbehaved("a message of unknown type");
  if (header->length < frame_length_min || header->length > backend_length_max) return misbehaved("a wrong length");
  const std::size_t available = std::min(rest.size(), header->frame_bytes());
  const bool is_whole = available == header->frame_bytes();
  const bool is_shape_wanted = tag == BackendMessage::row_description && is_shape_wanted_of(source);
  if ((look == Look::whole || is_shape_wanted) && !is_whole && header->frame_bytes() <= inspected_frame_bytes_max) return FrameStep{};
  const ByteView frame = rest.first(available);
  if (source.question && hear_answer(source, tag, frame, header->frame_bytes()) == Hearing::needs_more) return FrameStep{};
  const ByteView payload = frame.subspan(frame_header_bytes);

  Verdict verdict = Verdict::forward;
  if (tag == BackendMessage::error_response) {
    verdict = judge_error_message(source, frame, progress);
    const bool is_retold = verdict == Verdict::forward && !progress.is_session_over &&
                           (tell_refusal(source, to_client) || (is_whole && tell_renamed_error(source, frame, to_client)));
    if (is_retold) verdict = Verdict::swallow;
    source.is_worth_another_try = source.is_worth_another_try && verdict == Verdict::forward && is_whole &&
                                  source.answer_start != PostgresBackendHalf::in_part && !progress.is_session_over;
    if (source.is_worth_another_try) {
      hold_back_reply(source, frame, to_client);
      verdict = Verdict::swallow;
    }
    if (verdict == Verdict::forward && !source.kept_error.empty()) {
      to_client.own(std::exchange(source.kept_error, {}));
      source.has_answered = true;
      verdict = Verdict::swallow;
    }
  } else {
    ReplyTracker::Judgement judgement = source.tracker.judge(tag, payload);
    verdict = judgement.verdict;
    if (verdict == Verdict::unexpected) return misbehaved("a reply that nothing asked for");
    if (verdict == Verdict::asynchronous) {
      if (is_whole) {
        relay_asynchronous(source, tag, frame, to_client);
        return FrameStep{available};
      }
      verdict = &source == current_ && !source.is_restoring() ? Verdict::forward : Verdict::swallow;
    }
    if (tag == BackendMessage::command_complete) {
      source.tag_was_rollback = as_text(payload).starts_with("ROLLBACK") && payload.size() == sizeof "ROLLBACK";
      if (!judgement.completes()) note_tag(source, payload);  // of a query, which may hold several commands
    }
    if (judgement.completes()) {
      if (is_whole) note_shape(source, judgement.completed, tag, payload);
      conclude(source, judgement.completed, tag, to_client, completed);
    }
  }
  if (source.restore == RestorePhase::overtaken) {
    return failure(ErrorCode::restore_failed, Blame::backend, "the session's state, with requests sent behind it");
  }
  if (&source == current_) is_in_doubt_ = source.tracker.is_in_doubt();
  if (verdict == Verdict::forward) pass_on(source, tag, frame, to_client, progress);
  if (verdict == Verdict::synthesise) {
    if (!source.held_back.empty()) to_client.own(std::exchange(source.held_back, {}));
    to_client.own(parse_complete);
    source.has_answered = true;
  }
  source.frame_verdict = verdict;
  source.frame_remaining = header->frame_bytes() - available;
  return FrameStep{available};
}

/// What was asked is answered.
void PostgresClientHalf::conclude(PostgresBackendHalf& source, ExpectedReply& entry, BackendMessage tag, Gather& to_client,
                                  std::vector<Completion>& completed) {
  on_completed(source, entry);
  if (tag == BackendMessage::ready_for_query) on_ready(source, entry, completed);
  if (entry.disposition != Disposition::restore) return;
  const std::size_t bytes_before = to_client.total_bytes();
  finish_restore(source, to_client);
  if (to_client.total_bytes() != bytes_before) note_told_between(source, to_client);
}

ReplyTracker::Verdict PostgresClientHalf::judge_error_message(PostgresBackendHalf& source, ByteView frame,
                                                              ReplyProgress& progress) {
  const ByteView payload = frame.subspan(frame_header_bytes);
  const ErrorSummary summary = summarise_error(payload);
  const bool was_at_boundary = source.tracker.is_at_boundary();
  const bool is_answer = source.tracker.front_disposition() == Disposition::question;
  const ReplyTracker::Judgement judgement = source.tracker.judge(BackendMessage::error_response, payload);
  take_back_discarded(source, std::string_view(summary.code.data(), summary.code.size()));
  if (is_answer && summary.is_fatal && !is_held(source) && !source.tracker.is_owing_more()) {
    progress.is_link_lost = true;  // nobody but us had anything under way
    return Verdict::swallow;
  }
  if (source.restore == RestorePhase::under_way && !is_answer) {
    source.restore = RestorePhase::failed;
    progress.is_link_lost = summary.is_fatal;
    return Verdict::swallow;
  }
  if (source.is_restoring() && !summary.is_fatal) {
    source.restore = RestorePhase::overtaken;
    return Verdict::swallow;
  }
  if (judgement.verdict == Verdict::unsolicited) {
    // A backend that ends an idle connection (57P01, 57P05 …) ends nothing for a client whose session can be
    // re-created on a new one.
    const bool is_silent =
        !is_held(source) && (&source != current_ || (was_at_boundary && pin() == PinReason::none));
    progress.is_link_lost = is_silent && summary.is_fatal;
    progress.is_session_over = !is_silent && summary.is_fatal;
    return is_silent ? Verdict::swallow : Verdict::forward;
  }
  progress.is_session_over = summary.is_fatal;
  if (summary.is_fatal && summary.is_of_its_own && is_whole_frame(frame)) progress.farewell_bytes = frame.size();
  if (judgement.verdict == Verdict::swallow && !summary.is_fatal) {
    const std::vector<ExpectedReply>& discarded = source.tracker.discarded();
    if (!discarded.empty() && discarded.front().disposition == Disposition::keep_error) {
      source.kept_error.assign(frame.begin(), frame.end());
      source.error_code = summary.code;
    }
    return Verdict::swallow;
  }
  if (!source.has_error && source.kept_error.empty()) source.error_code = summary.code;
  source.has_error = true;
  return Verdict::forward;
}

void PostgresClientHalf::relay_asynchronous(PostgresBackendHalf& source, BackendMessage tag, ByteView frame,
                                            Gather& to_client) {
  if (tag == BackendMessage::parameter_status) {
    const std::size_t bytes_before = to_client.total_bytes();
    on_parameter_status(source, frame, to_client);
    if (to_client.total_bytes() != bytes_before) note_told_between(source, to_client);
    return;
  }
  const Disposition front = source.tracker.front_disposition();
  const bool is_clients = &source == current_ && !source.is_restoring() && front != Disposition::swallow &&
                          front != Disposition::question;
  const bool is_notification = tag == BackendMessage::notification_response;
  if (is_clients && tag == BackendMessage::notice_response && holds_back(source, frame, to_client)) return;
  if (is_notification && (&source == current_ || is_held(source))) return tell_notification(source, frame, to_client);
  if (is_clients) to_client.borrow(frame);
}

/// A client tells its own notifications from those of others by the process that it was told at the start.
/// Source: PostgreSQL 15 manual, NOTIFY ("The client … may ignore notifications … the same as the session's own PID").
void PostgresClientHalf::tell_notification(const PostgresBackendHalf& source, ByteView frame, Gather& to_client) const {
  const CancelKey* key = source.cancel_key();
  ByteReader reader(frame.subspan(frame_header_bytes));
  if (key == nullptr || key->process_id == process_id_ || reader.read_u32_be() != key->process_id) {
    to_client.borrow(frame);
    return;
  }
  Bytes message;
  FrameWriter writer(message, BackendMessage::notification_response);
  writer.fields().write_u32_be(process_id_);
  writer.fields().write_bytes(frame.subspan(frame_header_bytes + sizeof process_id_));
  writer.finish();
  to_client.own(message);
}

void PostgresClientHalf::on_parameter_status(PostgresBackendHalf& source, ByteView frame, Gather& to_client) {
  const ByteView payload = frame.subspan(frame_header_bytes);
  ParameterPointer parameters = with_status(*source.parameters, payload);
  if (parameters == nullptr) return;
  const bool client_knows_this_backend = client_parameters_ == source.parameters;
  source.parameters = std::move(parameters);
  if (&source == current_ && !source.is_restoring() && is_anothers_name(source, payload)) {
    tell_own_name(to_client);
    return;
  }
  // While state is restored the differences are told at its end.
  if (&source != current_ || source.is_restoring()) return;
  if (*source.parameters == *client_parameters_) {  // news to this connection only, not to the client
    source.parameters = client_parameters_;
    return;
  }
  to_client.borrow(frame);
  if (client_knows_this_backend) {
    note_told(source.parameters);
    return;
  }
  note_told(with_status(*client_parameters_, payload));
}

/// Whether a reset has brought out the application's name of the session that the connection was opened for.
bool PostgresClientHalf::is_anothers_name(const PostgresBackendHalf& source, ByteView payload) const {
  ByteReader reader(payload);
  const bool is_name = reader.read_text_z() == application_name_setting;
  const std::string_view value = reader.read_text_z();
  if (!is_name || value == application_name_) return false;
  const auto first = source.startup_parameters->find(std::string(application_name_setting));
  if (first == source.startup_parameters->end() || first->second != value) return false;
  SettingChange change = state_.is_reset(application_name_setting) ? SettingChange::reset : SettingChange::set;
  const ExpectedReply* front = source.tracker.front();
  if (front != nullptr && front->effects) {  // a query's changes are not part of the state before it is complete
    for (const SessionChange& each : front->effects->changes) {
      const SettingChange latest = effect_on(application_name_setting, each);
      if (latest != SettingChange::none) change = latest;
    }
  }
  return change == SettingChange::reset;
}

/// The client's own name is what a reset means to it. The connection gets it back with the next restoration.
void PostgresClientHalf::tell_own_name(Gather& to_client) {
  Bytes message;
  FrameWriter frame(message, BackendMessage::parameter_status);
  frame.fields().write_text_z(application_name_setting);
  frame.fields().write_text_z(application_name_);
  frame.finish();
  const auto told = client_parameters_->find(std::string(application_name_setting));
  if (told != client_parameters_->end() && told->second == application_name_) return;
  to_client.own(message);
  note_told(with_status(*client_parameters_, ByteView(message).subspan(frame_header_bytes)));
}

/// One message was answered with success.
void PostgresClientHalf::on_completed(PostgresBackendHalf& source, ExpectedReply& entry) {
  if (entry.kind == Kind::parse) {
    on_parsed(source, entry);
    return;
  }
  if (entry.kind == Kind::close) {
    if (!entry.statement) return;
    if (entry.disposition != Disposition::forward) {
      withdraw(source.provisions, entry.statement);
      return;
    }
    withdraw(proposed_, entry.statement);
    source.has_freed_name = true;
    source.statements.erase(entry.statement->name);
    state_.on_closed(entry.statement->name);
    return;
  }
  const bool is_whole_request = entry.kind == Kind::query || entry.kind == Kind::function_call;
  const bool is_execution = entry.kind == Kind::execute;
  if ((is_whole_request || is_execution) && entry.statement) withdraw(proposed_, entry.statement);
  const bool has_succeeded = is_execution || (is_whole_request && !source.has_error);
  if (!entry.effects) return;
  const bool is_mixed = entry.effects->statement_count > 1 && !entry.effects->changes.empty() &&
                        entry.effects->transaction_effect == TransactionEffect::unclear;
  // Which of the changes a COMMIT or ROLLBACK among them kept is not known, whether all of them were made or not.
  if (is_mixed) {
    state_.pin_for(PinReason::untracked_state, entry.effects->fingerprint);
    state_.doubt_everything(entry.effects->fingerprint);
    for (const SessionChange& change : entry.effects->changes) {
      if (change.kind == SessionChange::Kind::set) state_.note_unseen(change.name);
    }
  }
  doubted_ = &source;
  if (!has_succeeded) {
    note_lasting_changes(source, *entry.effects, source.done);
    return;
  }
  state_.on_success(*entry.effects, place_of(source));
  if (entry.effects->may_change_settings) note_unseen_change(source, *entry.effects);
  for (const SessionChange& change : entry.effects->changes) note_statement_change(source, change);
}

void PostgresClientHalf::on_ready(PostgresBackendHalf& source, const ExpectedReply& entry,
                                  std::vector<Completion>& completed) {
  if (entry.disposition == Disposition::question) return settle_question(source);
  if (entry.disposition == Disposition::swallow || entry.disposition == Disposition::restore) return;
  if (entry.kind == Kind::query) {
    // A simple query frees the unnamed statement. Source: manual 55.2.3.
    forget_unnamed(source);
  }
  if (source.tracker.status() == TransactionStatus::idle) {
    const bool is_rolled_back = source.has_error || source.tag_was_rollback;
    state_.on_transaction_end(is_rolled_back ? SessionState::Outcome::rolled_back : SessionState::Outcome::committed);
    if (source.settings != state_.settings()) {
      source.settings = state_.settings();
      note_proven(source);
    }
    source.is_transaction_read_only = false;
    if (source.has_changed_schema && library_ != nullptr) library_->note_schema_change();
    if (!source.tracker.is_owing()) {
      portals_.clear();
      has_touched_state_ = false;
      source.has_changed_schema = false;
    }
  }
  if (source.tracker.is_owing()) source.is_worth_another_try = false;  // what is behind it was to come later
  if (!source.is_worth_another_try) source.prepared_names.clear();
  source.has_freed_name = false;
  source.statements_version = state_.statements_version();
  completed.push_back(Completion{source.has_error, source.error_code});
  source.has_error = false;
  source.kept_error.clear();
  source.done = {};
  source.error_code = {};
  source.tag_was_rollback = false;
}

}  // namespace protocol::postgres
