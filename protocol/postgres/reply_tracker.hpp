#pragma once

#include "protocol/postgres/message.hpp"
#include "protocol/postgres/prepared_statement.hpp"
#include "protocol/statement.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace protocol::postgres {

/// What happens to a reply.
enum class Disposition : std::uint8_t {
  forward,        ///< it is the client's
  swallow,        ///< it answers something that Crossfade asked by itself
  forward_error,  ///< swallow success; an error is the answer to the client's message that follows
  question,       ///< swallow; its rows are an answer to read, see client_half_questions.cpp
  synthesise,     ///< success is told as ParseComplete: a Close that means nothing was sent in the Parse's place
  restore,        ///< swallow; the end of what brings the connection in line with the session
  keep_error,     ///< swallow; an error is told in place of the error of the client's query that follows
  refuse,         ///< an error for certain, for a message of the client's that is not run: told in words of ours
};

/// The client waits for a reply.
[[nodiscard]] constexpr bool is_clients(Disposition disposition) {
  return disposition == Disposition::forward || disposition == Disposition::synthesise || disposition == Disposition::refuse;
}

/// One message that a backend still owes a reply for.
struct ExpectedReply {
  enum class Kind : std::uint8_t {
    query,               ///< … ReadyForQuery
    function_call,       ///< FunctionCallResponse or ErrorResponse, then ReadyForQuery
    parse,               ///< ParseComplete
    bind,                ///< BindComplete
    describe_statement,  ///< ParameterDescription, then RowDescription or NoData
    describe_portal,     ///< RowDescription or NoData
    execute,             ///< rows or COPY, then CommandComplete, EmptyQueryResponse or PortalSuspended
    close,               ///< CloseComplete
    sync,                ///< ReadyForQuery
    copy_bytes,          ///< CopyData sent before it was known whether COPY runs; owes nothing itself
    copy_end,            ///< CopyDone or CopyFail, likewise
  };
  Kind kind = Kind::sync;
  Disposition disposition = Disposition::forward;
  bool may_change_transaction = false;                   ///< its success may open or end a transaction, or change a prepared name
  /// parse: what success prepares; close, query, execute: whose name it frees; bind, describe: what it uses, if it is shared.
  std::shared_ptr<const PreparedStatement> statement;
  std::shared_ptr<const StatementFacts> effects;       ///< query, execute: facts with session changes or a pin; else null
};

/// Transaction status as ReadyForQuery says it.
enum class TransactionStatus : char { idle = 'I', open = 'T', failed = 'E' };

/// The first-in-first-out ledger of the replies that one backend connection owes.
///
/// It alone knows when a request is complete, when the connection is at a boundary, and what an error skips up
/// to Sync. The states that COPY brings with it:
///
///     (query|execute at the front) --CopyInResponse--> reading --CopyDone/CopyFail sent--> ending --reply--> none
///                                  --CopyOutResponse--> none (rows pass) ; --CopyBothResponse--> copy both, for life
///
/// A backend that reads COPY data ignores Sync. If the COPY fails, nothing tells whether a Sync that was sent
/// among the data was read before the failure, and ignored, or after it, and answered. As long as that is open
/// the tracker is in doubt: it lets ReadyForQuery pass where it expected none. The next other reply settles it.
///
/// Source: PostgreSQL 15 manual 55.2.2 to 55.2.6 (Simple Query, Extended Query, Pipelining, Function Call, COPY).
class ReplyTracker {
  using Kind = ExpectedReply::Kind;

 public:
  enum class Verdict : std::uint8_t {
    forward,
    swallow,
    synthesise,    ///< ParseComplete is told in its place
    asynchronous,  ///< NoticeResponse, NotificationResponse, ParameterStatus: nobody's reply
    unsolicited,   ///< an ErrorResponse while nothing is owed
    unexpected,    ///< the protocol does not allow this message here
  };

  struct Judgement {
    Verdict verdict = Verdict::unexpected;
    /// The entry that this message completed, moved out; kind copy_end if none.
    ExpectedReply completed{ExpectedReply::Kind::copy_end, Disposition::forward, false, nullptr, nullptr};
    [[nodiscard]] bool completes() const { return completed.kind != ExpectedReply::Kind::copy_end; }
  };

  enum class Noted : std::uint8_t { yes, skipped };
  /// Notes a message that is on its way to the backend. What the backend will skip (after an error, up to
  /// Sync) or take as part of a COPY is not noted.
  Noted expect(ExpectedReply entry);
  /// CopyData is on its way.
  void note_copy_bytes();
  /// CopyDone or CopyFail is on its way.
  void note_copy_end();

  /// CopyInResponse was seen, the end of the data not sent.
  [[nodiscard]] bool is_copy_in() const { return copy_ == Copy::reading; }
  /// More ReadyForQuery may come than are owed: the session must not leave this backend.
  [[nodiscard]] bool is_in_doubt() const { return doubtful_syncs_ != 0 || has_doubtful_others_; }
  [[nodiscard]] bool is_copy_both() const { return copy_both_; }
  /// Nothing owed need come before the client has sent more: the end of its COPY, or the Sync of its batch.
  [[nodiscard]] bool is_awaiting_client() const;
  /// An extended-query batch has begun whose Sync was not sent yet (or was taken by COPY).
  [[nodiscard]] bool is_batch_open() const;
  [[nodiscard]] bool is_owing() const { return owed_count() != 0; }
  /// Whether any reply is owed of which `is_it` is true.
  template <typename Predicate>
  [[nodiscard]] bool is_any_owed(const Predicate& is_it) const {
    return std::any_of(entries_.begin() + static_cast<std::ptrdiff_t>(front_), entries_.end(), is_it);
  }
  [[nodiscard]] std::size_t owed_count() const { return entries_.size() - front_; }
  /// Something beside the reply that is being given.
  [[nodiscard]] bool is_owing_more() const { return owed_count() > 1; }
  [[nodiscard]] bool is_at_boundary() const {
    return owed_count() == 0 && !skipping_ && !copy_both_ && !has_unsynced_ && status_ == TransactionStatus::idle;
  }
  /// Replies are owed that may open or end a transaction.
  [[nodiscard]] bool is_transaction_unsettled() const { return unsettled_count_ != 0; }
  [[nodiscard]] TransactionStatus status() const { return status_; }
  void set_status(TransactionStatus status) { status_ = status; }

  /// What is to be done with one backend message. For ErrorResponse, entries that the backend skips are
  /// appended to discarded(). `payload` may be a prefix of the message except for ReadyForQuery.
  [[nodiscard]] Judgement judge(BackendMessage tag, ByteView payload);
  /// Takes note of a whole message that goes to the client as it is and of which nobody else must hear: a row, or what
  /// completes a request whose success changes nothing. These come most. False: judge() must be asked, nothing was noted.
  [[nodiscard]] bool pass_plain(BackendMessage tag);
  /// The disposition of the entry that is being answered; forward if nothing is owed.
  [[nodiscard]] Disposition front_disposition() const;
  /// The entry that is being answered, or null.
  [[nodiscard]] const ExpectedReply* front() const { return front_ < entries_.size() ? &entries_[front_] : nullptr; }
  /// Entries that an error made the backend skip in the last judge(); valid until the next one.
  [[nodiscard]] const std::vector<ExpectedReply>& discarded() const { return discarded_; }

 private:
  [[nodiscard]] Judgement judge_owed(BackendMessage tag, ByteView payload);
  [[nodiscard]] Judgement judge_doubtful(BackendMessage tag, ByteView payload);
  [[nodiscard]] Judgement judge_error(ByteView payload);
  [[nodiscard]] Judgement judge_ready(ByteView payload);
  [[nodiscard]] Judgement finish_front();
  [[nodiscard]] Judgement pass();
  [[nodiscard]] bool take_status(ByteView payload);
  void begin_copy_in();
  void end_copy_in();
  void set_aside(const ExpectedReply& entry);
  void settle();
  void fail_copy_in(ByteView error_payload);
  void note_copy_mark(Kind kind);
  ExpectedReply pop_front();
  void pass_front();
  void drop_copy_marks();
  void erase(std::size_t position);

  std::vector<ExpectedReply> entries_;  ///< a queue: what lies before front_ is done with
  std::size_t front_ = 0;
  std::vector<ExpectedReply> discarded_;
  std::uint32_t unsettled_count_ = 0;
  TransactionStatus status_ = TransactionStatus::idle;
  bool skipping_ = false;   ///< an error was answered and no Sync sent yet
  bool copy_both_ = false;
  bool has_unsynced_ = false;  ///< the last message noted was one of an extended-query batch, and not its Sync
  bool has_begun_ = false;  ///< the entry at the front was answered in part

  enum class Copy : std::uint8_t { none, reading, ending };
  Copy copy_ = Copy::none;
  bool copy_has_bytes_ = false;       ///< of the COPY under way: some of its data was sent
  bool is_copy_broken_off_ = false;   ///< of the COPY under way: a message that is not of COPY was sent instead of its end
  std::uint32_t copy_syncs_ = 0;      ///< of the COPY under way: Syncs sent since it began
  std::uint32_t doubtful_syncs_ = 0;
  /// Other messages than Sync may be answered unexpectedly, too. With a Sync owed behind them that is never settled:
  /// replies pass as they come, and the session stays where it is.
  bool has_doubtful_others_ = false;
  /// Sent behind the doubtful Syncs and skipped, unless one of those was answered: then it is owed after all.
  std::vector<ExpectedReply> set_aside_;
};

}  // namespace protocol::postgres
