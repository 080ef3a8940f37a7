#pragma once

#include "protocol/postgres/message.hpp"
#include "protocol/postgres/prepared_statement.hpp"
#include "protocol/statement.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace protocol::postgres {

/// What happens to a reply.
enum class Disposition : std::uint8_t {
  forward,        ///< it is the client's
  swallow,        ///< it answers something that Crossfade asked by itself
  forward_error,  ///< swallow success; an error is the answer to the client's message that follows
};

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
    copy_end,            ///< CopyDone or CopyFail sent before it was known whether COPY runs; owes nothing itself
  };
  Kind kind = Kind::sync;
  Disposition disposition = Disposition::forward;
  bool may_change_transaction = false;                   ///< its success may open or end a transaction
  std::shared_ptr<const PreparedStatement> statement;  ///< parse: what success prepares; close: whose name it frees
  std::shared_ptr<const StatementFacts> effects;       ///< query, execute: facts with session changes or a pin; else null
};

/// Transaction status as ReadyForQuery says it.
enum class TransactionStatus : char { idle = 'I', open = 'T', failed = 'E' };

/// The first-in-first-out ledger of the replies that one backend connection owes.
///
/// It alone knows when a request is complete, when the connection is at a boundary, and what an error skips up
/// to Sync. The states that COPY brings with it:
///
///     (query|execute at the front) --CopyInResponse--> copy in --CopyDone/CopyFail sent--> draining --reply--> none
///                                  --CopyOutResponse--> none (rows pass) ; --CopyBothResponse--> copy both, for life
///
/// Source: PostgreSQL 15 manual 55.2.2 to 55.2.6 (Simple Query, Extended Query, Pipelining, Function Call, COPY).
class ReplyTracker {
 public:
  enum class Verdict : std::uint8_t {
    forward,
    swallow,
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
  /// CopyDone or CopyFail is on its way.
  void note_copy_end();

  /// A Sync or Flush sent now would be ignored by the backend, which is reading COPY data.
  [[nodiscard]] bool is_copy_in() const { return copy_in_; }
  [[nodiscard]] bool is_copy_both() const { return copy_both_; }
  /// An extended-query batch has begun whose Sync was not sent yet (or was taken by COPY).
  [[nodiscard]] bool is_batch_open() const;
  [[nodiscard]] bool is_owing() const { return owed_count() != 0; }
  [[nodiscard]] std::size_t owed_count() const { return entries_.size() - front_; }
  [[nodiscard]] bool is_at_boundary() const {
    return owed_count() == 0 && !skipping_ && !copy_both_ && status_ == TransactionStatus::idle;
  }
  /// Replies are owed that may open or end a transaction.
  [[nodiscard]] bool is_transaction_unsettled() const { return unsettled_count_ != 0; }
  [[nodiscard]] TransactionStatus status() const { return status_; }
  void set_status(TransactionStatus status) { status_ = status; }

  /// What is to be done with one backend message. For ErrorResponse, entries that the backend skips are
  /// appended to discarded(). `payload` may be a prefix of the message except for ReadyForQuery.
  [[nodiscard]] Judgement judge(BackendMessage tag, ByteView payload);
  /// The disposition of the entry that is being answered; forward if nothing is owed.
  [[nodiscard]] Disposition front_disposition() const;
  /// The entry that is being answered, or null.
  [[nodiscard]] const ExpectedReply* front() const { return front_ < entries_.size() ? &entries_[front_] : nullptr; }
  /// Entries that an error made the backend skip in the last judge(); valid until the next one.
  [[nodiscard]] const std::vector<ExpectedReply>& discarded() const { return discarded_; }

 private:
  using Kind = ExpectedReply::Kind;
  [[nodiscard]] Judgement judge_error();
  [[nodiscard]] Judgement judge_ready(ByteView payload);
  [[nodiscard]] Judgement finish_front();
  [[nodiscard]] Judgement pass() const;
  void begin_copy_in();
  ExpectedReply pop_front();
  void drop_copy_ends();
  void erase(std::size_t position);

  std::vector<ExpectedReply> entries_;  ///< a queue: what lies before front_ is done with
  std::size_t front_ = 0;
  std::vector<ExpectedReply> discarded_;
  std::uint32_t unsettled_count_ = 0;
  TransactionStatus status_ = TransactionStatus::idle;
  bool skipping_ = false;   ///< an error was answered and no Sync sent yet
  bool copy_in_ = false;    ///< CopyInResponse was seen, the end of the data not sent
  bool copy_both_ = false;
};

}  // namespace protocol::postgres
