#include "protocol/postgres/client_half.hpp"

#include "protocol/postgres/frame_writer.hpp"
#include "protocol/wire/byte_reader.hpp"

#include <algorithm>
#include <memory>
#include <utility>

/// What pins the session, where that lives, and what only the server knows of it.
namespace protocol::postgres {

namespace {

/// A row of an answer that is longer makes the answer unusable.
constexpr std::size_t answer_row_bytes_max = std::size_t{64} << 10;

/// Tied to the session as a whole, not to what is on one connection.
bool lives_on_a_connection(PinReason reason) {
  return reason != PinReason::restore_failed && reason != PinReason::login_refused;
}

Bytes query_message(std::string_view text) {
  Bytes message;
  FrameWriter frame(message, FrontendMessage::query);
  frame.fields().write_text_z(text);
  frame.finish();
  return message;
}

/// A query of our own frees the unnamed statement as any other does. Source: PostgreSQL 15 manual 55.2.3.
void forget_unnamed_of(PostgresBackendHalf& target) {
  const auto unnamed = target.statements.find(std::string_view{});
  if (unnamed != target.statements.end()) target.statements.erase(unnamed);
}

/// The batch draws values, or begins a transaction that may.
bool may_draw(const BatchFacts& batch) {
  return batch.statement_class >= StatementClass::write || batch.transaction_effect == TransactionEffect::begin_read_write ||
         batch.transaction_effect == TransactionEffect::unclear;
}

}  // namespace

PinReason PostgresClientHalf::pin() const {
  if (is_in_doubt_) return PinReason::untracked_state;
  for (const Pin& pin : pins()) {
    if (binds_reads(pin.reason)) return pin.reason;
  }
  return PinReason::none;
}

bool PostgresClientHalf::is_held(const BackendHalf& target) const { return !pins().empty() && &target == home_; }

void PostgresClientHalf::note_where_pins_live(PostgresBackendHalf& source) {
  if (pins_seen_ == pins().version()) return;
  pins_seen_ = pins().version();
  const bool is_on_connection =
      std::any_of(pins().begin(), pins().end(), [](const Pin& pin) { return lives_on_a_connection(pin.reason); });
  if (!is_on_connection) {
    home_ = nullptr;
  } else if (home_ == nullptr) {
    home_ = &source;
  }
}

bool PostgresClientHalf::has_question(const BackendHalf& backend) const {
  const auto& target = static_cast<const PostgresBackendHalf&>(backend);
  // Its connection is its own for life, and one for physical replication has no SQL. Source: PostgreSQL 15 manual 55.4.
  if (is_replicating()) return false;
  // While more replies may come than are owed, one of them would be taken for the answer's.
  return &target == doubted_ && is_doubtful() && !target.question && target.is_at_boundary() && !target.tracker.is_in_doubt();
}

bool PostgresClientHalf::is_asking(const BackendHalf& target) const {
  return static_cast<const PostgresBackendHalf&>(target).question.has_value();
}

void PostgresClientHalf::ask(BackendHalf& backend, Gather& to_backend) {
  auto& target = static_cast<PostgresBackendHalf&>(backend);
  target.question = state_.take_doubts();
  std::vector<std::string> names = state_.names_to_ask();
  const std::vector<std::string>& set_by_functions = analyser_.catalogue().custom_settings();
  names.insert(names.end(), set_by_functions.begin(), set_by_functions.end());
  to_backend.own(query_message(question_text(target.question->asked, unlisted_names(*state_.settings(), names))));
  forget_unnamed_of(target);
  target.tracker.expect(ExpectedReply{Kind::query, Disposition::question, false, nullptr, nullptr});
}

/// Looks at what a backend says while its answer is the next thing it owes.
PostgresClientHalf::Hearing PostgresClientHalf::hear_answer(PostgresBackendHalf& source, BackendMessage tag, ByteView frame,
                                                            std::size_t frame_bytes) {
  if (source.tracker.front_disposition() != Disposition::question) return Hearing::done;
  Answer& answer = source.question->answer;
  if (tag == BackendMessage::error_response) answer.is_usable = false;
  if (tag != BackendMessage::data_row) return Hearing::done;
  if (frame_bytes > answer_row_bytes_max) {
    answer.is_usable = false;
    return Hearing::done;
  }
  if (frame.size() < frame_bytes) return Hearing::needs_more;
  read_answer_row(frame.subspan(frame_header_bytes), answer);
  return Hearing::done;
}

/// The answer is complete.
void PostgresClientHalf::settle_question(PostgresBackendHalf& source) {
  const Question question = std::move(*source.question);
  source.question.reset();
  switch (state_.on_answer(question, place_of(source))) {
    case SessionState::Learned::nothing_new: analyser_.questions().note_clean(question.fingerprint); break;
    case SessionState::Learned::something: analyser_.questions().note_dirty(question.fingerprint); break;
    case SessionState::Learned::unclear: break;
  }
  source.settings = state_.settings();
}

/// A statement has run code that may have changed anything. Settings with a point in their name the server does not
/// list, and not all of them can be asked for by name, so whatever it answers, the next session that uses the connection begins anew.
void PostgresClientHalf::note_unseen_change(PostgresBackendHalf& source, const StatementFacts& facts) {
  source.has_unseen_settings = true;
  // What a block of code does is a matter of its text, which the fingerprint leaves out.
  const bool is_known_by_name = !facts.functions.empty();
  if (!is_known_by_name || analyser_.questions().is_due(facts.fingerprint)) state_.doubt_everything(facts.fingerprint);
}

/// On a connection where others may have drawn values, those are thrown away before the session asks for its own: it gets
/// PostgreSQL's own error rather than another's value. Once anybody has asked, they go before a session draws beside them, so
/// that a later question finds its own. Within a transaction, too; in one that has failed, the question fails by itself.
/// Source: PostgreSQL 15 manual, DISCARD SEQUENCES; 9.17 currval.
void PostgresClientHalf::drop_sequence_values(const BatchFacts& batch, PostgresBackendHalf& target, Gather& to_backend) {
  if (wants_sequence_value_) analyser_.questions().note_sequences_wanted();
  if (!holds_anothers_values(target)) return;
  const bool is_first_draw = analyser_.questions().are_sequences_wanted() && may_draw(batch);
  if (!wants_sequence_value_ && !is_first_draw) return;
  // Behind what brings the connection in line, which cannot fail, but not behind what is the client's.
  const auto may_fail = [](const ExpectedReply& owed) {
    return owed.disposition != Disposition::restore && owed.disposition != Disposition::swallow;
  };
  const ReplyTracker& tracker = target.tracker;
  const bool is_clear = !tracker.is_batch_open() && !tracker.is_any_owed(may_fail) && tracker.status() != TransactionStatus::failed;
  if (!is_clear) return;
  to_backend.own(query_message("DISCARD SEQUENCES"));
  forget_unnamed_of(target);
  target.tracker.expect(ExpectedReply{Kind::query, Disposition::swallow, false, nullptr, nullptr});
  target.drawn_by = 0;
}

/// What only reads draws nothing. Null: nobody knows what it is.
void PostgresClientHalf::note_draw(const StatementFacts* facts, PostgresBackendHalf& target) const {
  const bool is_draw_possible = facts == nullptr || facts->statement_class >= StatementClass::write || facts->may_change_settings;
  if (is_draw_possible) target.drawn_by = id_;
}

}  // namespace protocol::postgres
