#pragma once

#include "protocol/conversation.hpp"
#include "protocol/postgres/held_statements.hpp"
#include "protocol/postgres/question.hpp"
#include "protocol/postgres/reply_tracker.hpp"
#include "protocol/postgres/restoration_text.hpp"
#include "protocol/postgres/session_state.hpp"

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace protocol::postgres {

/// Restoring a session's state on a backend.
///
///     idle --begin_restore, what may fail--> under_way --ReadyForQuery--> done | failed
///     idle --begin_restore, what cannot fail--> ahead (requests follow) --ReadyForQuery--> done | overtaken
///
/// overtaken: it failed all the same, and requests have run in a state that was not the session's.
enum class RestorePhase : std::uint8_t { idle, under_way, ahead, done, failed, overtaken };

/// `parameters` with one of them changed, as a ParameterStatus says it; null when that makes no sense.
[[nodiscard]] ParameterPointer with_status(const ParameterMap& parameters, ByteView payload);

/// What one backend connection owes and is known to hold. Filled by ClientHalf; read by it when it decides
/// what the connection lacks.
class PostgresBackendHalf final : public BackendHalf {
 public:
  /// `proven_texts` is shared by the connections of one login to one server; null: nothing is remembered.
  PostgresBackendHalf(ParameterPointer reported, std::optional<CancelKey> key,
                      std::shared_ptr<ProvenTexts> proven_texts = nullptr)
      : startup_parameters(reported), parameters(std::move(reported)), proven(std::move(proven_texts)), key_(std::move(key)) {}

  [[nodiscard]] bool is_at_boundary() const override {
    return tracker.is_at_boundary() && frame_remaining == 0 && request_remaining == 0;
  }
  [[nodiscard]] bool is_owing() const override { return tracker.is_owing(); }
  [[nodiscard]] bool is_awaiting_client() const override {
    return tracker.is_awaiting_client() || (request_remaining > 0 && !tracker.is_owing_more());
  }
  [[nodiscard]] bool is_cancellable() const override { return tracker.is_owing() || tracker.is_in_doubt(); }
  [[nodiscard]] bool is_transaction_open() const override { return tracker.status() != TransactionStatus::idle; }
  [[nodiscard]] bool is_open_for_reads_only() const override { return is_transaction_open() && is_transaction_read_only; }
  [[nodiscard]] bool is_mid_frame() const override {
    return frame_remaining > 0 && frame_verdict == ReplyTracker::Verdict::forward;
  }
  [[nodiscard]] bool is_answering() const override { return has_answered; }
  [[nodiscard]] ByteView last_words() const override { return held_back; }
  [[nodiscard]] Result<std::size_t> absorb_idle(ByteView unread) override;
  [[nodiscard]] const CancelKey* cancel_key() const override { return key_ ? &*key_ : nullptr; }
  [[nodiscard]] ServerTraits traits() const override;

  /// The reply that is being answered is that of a restoration.
  [[nodiscard]] bool is_restoring() const {
    return restore == RestorePhase::under_way || tracker.front_disposition() == Disposition::restore;
  }

  ReplyTracker tracker;
  const ParameterPointer startup_parameters;  ///< as reported at the login
  ParameterPointer parameters;            ///< as last reported
  SettingsPointer settings = no_settings();  ///< what was set on this connection beyond its start-up
  /// A function, or a block of code, may have changed settings that `settings` does not know of.
  bool has_unseen_settings = false;
  std::uint64_t last_session = 0;         ///< PostgresClientHalf's number of the one that was served last
  /// PostgresClientHalf's number of the one that may have drawn values of sequences here last; 0: nobody since they were
  /// thrown away.
  std::uint64_t drawn_by = 0;
  StatementMap statements;                ///< what is prepared here, or about to be, under clients' own names
  HeldStatements held;                    ///< likewise, under names of ours
  bool has_lent_names = false;            ///< among `statements` are some of shared ones, for a text that names them
  std::vector<UnderWay> provisions;       ///< of both, those sent by us and not answered yet; oldest first
  std::uint32_t segment = 0;              ///< Syncs sent so far; see UnderWay
  std::uint64_t statements_version = 0;   ///< of the session whose statements these are; see SessionState

  // Where the streams stand.
  std::size_t frame_remaining = 0;        ///< bytes of a backend frame that were not seen yet
  ReplyTracker::Verdict frame_verdict = ReplyTracker::Verdict::forward;
  std::size_t request_remaining = 0;      ///< bytes of a client frame that were not forwarded yet
  bool is_request_dropped = false;        ///< and are not to be

  // The batch that is being answered.
  std::array<char, 5> error_code{};
  Bytes refusal;                          ///< what is told of messages that are not run; see Disposition::refuse
  std::string_view refusal_code;          ///< of it
  Bytes kept_error;                       ///< the error of a message of ours that made the batch fail; see keep_error
  Bytes held_back;                        ///< a warning that the backend goes, and what of the reply came with it
  bool has_answered = false;              ///< see is_answering()
  /// Where the reply under way begins in what this relay() gives the client; see in_part.
  std::size_t answer_start = 0;
  static constexpr std::size_t in_part = SIZE_MAX;  ///< of answer_start: some of it was given earlier
  bool has_error = false;
  bool is_worth_another_try = false;      ///< it failed for a statement that is prepared anew by now
  bool has_freed_name = false;            ///< of a prepared statement: it could not be made again
  std::vector<std::string> prepared_names;  ///< by it, so far
  bool has_changed_schema = false;        ///< a text that may have changed tables was sent since the last transaction
  bool tag_was_rollback = false;          ///< the last CommandComplete said ROLLBACK
  DoneCounts done;                        ///< of the query under way

  std::optional<Question> question;       ///< asked and not answered yet

  RestorePhase restore = RestorePhase::idle;
  RestorationText restoration;            ///< the last one, and storage for the next
  std::shared_ptr<ProvenTexts> proven;    ///< by one worker's connections of this login to this server; see Dialect::adopt
  bool is_transaction_read_only = false;  ///< the open transaction was declared READ ONLY
  bool is_read_only_sealed = false;       ///< and has taken its snapshot, so it cannot become READ WRITE

 private:
  std::optional<CancelKey> key_;
};

}  // namespace protocol::postgres
