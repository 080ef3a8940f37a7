#pragma once

#include "protocol/capture.hpp"
#include "protocol/dialogue.hpp"
#include "protocol/postgres/capture_rows.hpp"
#include "protocol/postgres/capture_table.hpp"
#include "protocol/postgres/capture_text.hpp"
#include "protocol/postgres/capture_unit.hpp"
#include "protocol/postgres/message.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace protocol::postgres {

/// What the captures of one database on one worker share.
struct CaptureShelf {
  explicit CaptureShelf(Analyser& analyser) : reader(analyser) {}
  CaptureReader reader;
  CaptureTableCache tables;
};

/// PostgreSQL's capture: see protocol::Capture.
///
/// It is a small middleman of its own. Every message that goes on has its entry in `owed_`, in the order of the replies, as a
/// server gives them; what is put in by the capture itself is hidden from the client. Writes are taken one batch at a time:
///
///     client                      capture                                   half
///     Query(UPDATE …)        →    Query(BEGIN), Query(UPDATE … RETURNING)   →
///                            ←    rows are kept, CommandComplete is held    ←
///                                 the unit is recorded, admit()
///                                 Query(COMMIT)                             →
///     CommandComplete, Z(I)  ←    it has committed, acknowledge()           ←
///
/// A transaction of the client's own has no BEGIN and COMMIT put in; its COMMIT waits for the replies before it and for admit().
/// Source: PostgreSQL 15 manual, 55.2 "Message Flow", with 55.2.2.1 "Multiple Statements in a Simple Query" and 55.2.4
/// "Pipelining".
class PostgresCapture final : public Capture {
 public:
  /// `shelf` and `schema_version` outlive it.
  PostgresCapture(CaptureOptions options, const Login& login, CaptureShelf& shelf,
                  const std::atomic<std::uint64_t>& schema_version);

  void take_requests(ByteView bytes) override;
  void take_replies(ByteView bytes) override;
  [[nodiscard]] Bytes& requests() override { return requests_; }
  [[nodiscard]] Bytes& replies() override { return replies_; }
  [[nodiscard]] bool is_waiting() const override { return is_stuck_; }
  [[nodiscard]] std::size_t held_bytes() const override { return inbox_.size(); }
  [[nodiscard]] std::optional<MirrorUnit> take_unit() override;
  void admit(Admission admission, std::string_view phase_name) override;
  [[nodiscard]] bool take_prepared() override { return std::exchange(is_prepared_news_, false); }
  void decide(PhaseDecision decision, std::string_view cause) override;
  [[nodiscard]] bool is_between_phases() const override {
    return commit_.is_in_phases() && commit_.stage != CommitStage::none && commit_.stage != CommitStage::telling && commit_.stage != CommitStage::recording;
  }
  [[nodiscard]] std::optional<End> take_end() override;
  void acknowledge() override;
  [[nodiscard]] bool is_commit_under_way() const override {
    return commit_.is_recorded && (commit_.stage == CommitStage::sent || is_between_phases());
  }
  [[nodiscard]] std::vector<UnmirroredWrite> take_unmirrored() override { return std::exchange(unmirrored_, {}); }

 private:
  /// Why a message was put in that no client sent.
  enum class Purpose : std::uint8_t {
    none,           ///< it is the client's
    begin,          ///< around an autocommit write
    commit,
    rollback,
    prepare,        ///< the first phase of a commit in two
    commit_prepared,
    rollback_prepared,
    frame,          ///< around a question outside of transactions
    look_up,        ///< for a table
    surroundings,   ///< for search_path, role and the transaction's number
    form,           ///< for settings of how values are written that the server does not report
    prepare_again,  ///< the unnamed statement
    fail,           ///< so that the client's transaction fails
  };
  /// In characters: before this place of the client's text stand so many of ours.
  struct Insertion {
    std::size_t place = 0;
    std::size_t length = 0;
  };
  struct Owed {
    FrontendMessage message;
    Purpose purpose = Purpose::none;
    std::string name = {};                      ///< of the statement or portal, for parse, bind and close
    std::vector<std::shared_ptr<Tap>> taps = {};  ///< of what it runs; query: one for each statement
    std::size_t tap = 0;                   ///< the statement of a query that is answered now
    char closed_kind = 0;                  ///< close: 'S' or 'P'
    std::vector<Insertion> insertions = {};  ///< query: what its text has more than the client's
    bool is_clients_commit = false;        ///< the message of the client's that waited for its unit
    [[nodiscard]] bool is_hidden() const { return purpose != Purpose::none; }
  };
  enum class Step : std::uint8_t {
    done,   ///< the message is used
    stuck,  ///< something must come first: judge it again then
  };

  // What the client sends: capture_requests.cpp.
  void work();
  [[nodiscard]] Step take_message(char tag, ByteView frame);
  [[nodiscard]] Step take_query(ByteView frame);
  [[nodiscard]] Step take_writing_query(const CaptureReader::Reading& reading, std::string_view text);
  [[nodiscard]] Step take_control(const CaptureStatement& statement, ByteView frame);
  [[nodiscard]] Step take_mixed_query(const CaptureReader::Reading& reading, std::string_view text, ByteView frame);
  [[nodiscard]] Step take_copy_bytes(char tag, ByteView frame);
  void forward(ByteView frame, Owed owed);
  void send_query(std::string_view text, Owed owed);
  void send_hidden(std::string_view text, Purpose purpose);
  [[nodiscard]] CaptureReader::Reading read(std::string_view text);
  [[nodiscard]] Step await_quiet();
  [[nodiscard]] bool is_quiet() const { return owed_.empty(); }

  // The extended protocol: capture_extended.cpp.
  [[nodiscard]] Step take_parse(ByteView frame);
  [[nodiscard]] Step take_bind(ByteView frame);
  [[nodiscard]] Step take_describe(ByteView frame);
  [[nodiscard]] Step take_execute(ByteView frame);
  [[nodiscard]] Step take_close(ByteView frame);
  [[nodiscard]] Step take_sync(ByteView frame);
  [[nodiscard]] std::shared_ptr<Tap> statement_named(std::string_view name) const;
  [[nodiscard]] std::shared_ptr<Tap> portal_named(std::string_view name) const;
  void bring_back_unnamed();
  [[nodiscard]] Step make_ready(const std::shared_ptr<Tap>& tap);

  // Making ready for a write: capture_ready.cpp.
  /// One for each statement of the text; stuck while a table must be asked for.
  [[nodiscard]] Step make_taps(const CaptureReader::Reading& reading, std::string_view text, std::vector<std::shared_ptr<Tap>>& taps);
  [[nodiscard]] std::shared_ptr<Tap> make_tap(const CaptureStatement& statement, const std::shared_ptr<const CaptureText>& text,
                                              std::string_view source, const CaptureTable* table);
  [[nodiscard]] Step renew(const std::shared_ptr<Tap>& tap);
  void judge_rows(Tap& tap) const;
  void judge_copy(Tap& tap) const;
  void judge_text(Tap& tap, std::string_view source) const;
  [[nodiscard]] const CaptureTable* find_table(const CaptureStatement& statement);
  void look_up(const CaptureStatement& statement);
  void note_table();
  [[nodiscard]] bool is_refused(const Tap& tap) const;
  void refuse(FrontendMessage message);
  void give_refusal(FrontendMessage message);
  [[nodiscard]] static std::string with_clauses(const CaptureReader::Reading& reading, std::string_view text,
                                                const std::vector<std::shared_ptr<Tap>>& taps);
  [[nodiscard]] static std::vector<Insertion> insertions_of(const CaptureReader::Reading& reading, std::string_view text,
                                                            const std::vector<std::shared_ptr<Tap>>& taps);
  void ask(std::string_view question, Purpose purpose);
  void ask_surroundings();
  void ask_form();
  [[nodiscard]] Step wrap();
  [[nodiscard]] bool is_open() const { return expects_open_.value_or(status_ != 'I'); }
  void note_names(std::string_view text);

  // What comes back: capture_replies.cpp.
  [[nodiscard]] std::size_t take_reply(ByteView bytes);
  void take_ready(char status, ByteView frame);
  void take_error(ByteView frame);
  void take_complete(ByteView frame);
  void take_row_description(ByteView frame);
  void take_data_row(ByteView frame);
  void take_parameter(ByteView frame);
  void take_extended_reply(FrontendMessage message, ByteView frame);
  void take_copy_in_response(ByteView frame);
  void give(ByteView frame);
  [[nodiscard]] Bytes without_insertions(ByteView frame) const;
  void note_done(Tap& tap, std::string_view tag);
  void note_control(const Tap& tap, std::string_view tag);
  void note_written(Tap& tap);
  void note_unmirrored(const Tap& tap);
  [[nodiscard]] Tap* current_tap();
  [[nodiscard]] Tap* copying_tap();
  void drop_owed_to_sync();
  void take_surroundings(ByteView payload);
  void take_form(ByteView payload);

  // Ends of transactions: capture_commit.cpp.
  enum class CommitStage : std::uint8_t {
    none,
    recording,
    preparing,  ///< the first phase of two is under way
    prepared,   ///< it is done; decide() comes
    sent,
    telling,
  };
  struct Commit {
    CommitStage stage = CommitStage::none;
    bool is_own = false;       ///< put in by us: the client knows nothing of it
    bool is_recorded = false;  ///< a unit was recorded for it
    bool is_refused = false;   ///< the unit could not be recorded
    Bytes frame;               ///< the client's message that ends its transaction
    FrontendMessage message = FrontendMessage::query;
    Bytes ending;              ///< what the client is told once the unit is acknowledged
    std::string phase_name;    ///< of a commit in two phases
    bool is_prepared = false;  ///< the first of them succeeded
    bool has_failed = false;   ///< the last try of the second
    unsigned tries = 0;        ///< of the second
    std::string cause;         ///< of a refusal, for the client
    [[nodiscard]] bool is_in_phases() const { return !phase_name.empty(); }
    /// The client's Execute of a COMMIT is not forwarded then: it is answered here.
    [[nodiscard]] bool is_of_batch() const { return !is_own && message == FrontendMessage::execute; }
  };
  void begin_commit(bool is_own, FrontendMessage message, ByteView frame, bool may_be_phased = true);
  void refuse_commit(std::string_view cause);
  void send_commit();
  void end_rollback(ByteView ready);
  void finish_wrapped(char status, ByteView ready);
  void note_commit_ended(End end);
  // In two phases: capture_phases.cpp.
  void send_prepare();
  void end_prepare(ByteView ready);
  void send_decision(Purpose purpose);
  /// False: it is none of the two phases' messages.
  [[nodiscard]] bool take_phase_complete(const Owed& owed, std::string_view tag);
  [[nodiscard]] bool take_phase_error(const Owed& owed, std::string_view sqlstate, ByteView frame);
  void end_decision(Purpose purpose, ByteView ready);
  void give_commit_complete(std::string_view tag);

  void note_unit_lost(std::string_view reason);
  [[nodiscard]] UnitBuilder::Settings form_of_values(const Tap& tap) const;
  void flush_notes();
  void reset_unit();

  const CaptureOptions options_;
  CaptureShelf& shelf_;
  const std::atomic<std::uint64_t>& schema_version_;
  const std::string user_;
  const std::string database_;

  Bytes inbox_;         ///< what the client has sent and could not be used yet
  Bytes requests_;
  Bytes reply_rest_;    ///< a reply that is not whole
  Bytes replies_;
  std::size_t passing_request_bytes_ = 0;  ///< of a message that passes as it comes
  std::size_t passing_reply_bytes_ = 0;

  std::deque<Owed> owed_;
  bool is_stuck_ = false;
  bool has_asked_flush_ = false;
  bool skips_to_sync_ = false;      ///< the server does, since an error
  bool drops_to_sync_ = false;      ///< we do, since a COMMIT was refused
  char status_ = 'I';               ///< of the transaction, by the last ReadyForQuery
  std::optional<bool> expects_open_;  ///< what the messages since then will make of it
  bool is_wrapped_ = false;         ///< its BEGIN was ours
  Bytes commit_behind_;             ///< a COMMIT that stood at the end of the text that is answered now
  Bytes held_complete_;             ///< the CommandComplete that must wait for our COMMIT
  std::string copy_data_;           ///< of the COPY under way
  std::size_t change_bytes_ = 0;    ///< of the rows of the statement that is answered now, and of copy_data_

  std::map<std::string, std::shared_ptr<Tap>, std::less<>> statements_;  ///< of the protocol; null: plain
  std::map<std::string, std::shared_ptr<Tap>, std::less<>> portals_;
  std::map<std::string, std::shared_ptr<Tap>, std::less<>> prepared_;    ///< by PREPARE
  Bytes unnamed_parse_;             ///< the Parse of the unnamed statement as it was sent
  bool is_unnamed_lost_ = false;    ///< a query of ours has destroyed it

  bool has_changed_schema_ = false; ///< in the transaction that is open: others do not see it yet
  std::uint64_t own_version_ = 0;   ///< of the schema, when own_tables_ were asked for
  bool has_own_names_ = false;      ///< a name may mean something else to this session than to others of its user
  std::map<std::pair<std::string, std::string>, CaptureTable> own_tables_;
  std::optional<std::pair<std::string, std::string>> asked_table_;     ///< a question for it is under way
  std::optional<CaptureTable> answer_;                                  ///< what has come of it so far
  std::optional<std::pair<std::pair<std::string, std::string>, CaptureTable>> last_answer_;  ///< for the message that waits
  Bytes hidden_error_;              ///< the failure of a message of ours, for the statement that fails in its wake
  std::optional<FrontendMessage> refused_message_;                      ///< while the transaction is made to fail for it
  std::shared_ptr<Tap> suspended_tap_;                                  ///< its rows were not all fetched
  std::vector<std::pair<std::string, std::string>> surroundings_;  ///< search_path and role, for texts
  bool has_surroundings_ = false;
  bool has_asked_form_ = false;     ///< and nothing has changed it since
  bool has_changed_form_ = false;   ///< in the transaction that is open
  std::string money_form_;          ///< lc_monetary; empty: not asked yet
  bool may_defer_ = false;          ///< it may have said SET CONSTRAINTS
  bool is_form_lossy_ = false;      ///< floating-point numbers are not told with all their digits

  UnitBuilder unit_;
  std::optional<MirrorUnit> unit_to_record_;
  Commit commit_;
  std::optional<End> end_;
  bool is_prepared_news_ = false;
  std::vector<UnmirroredWrite> unmirrored_;
  std::map<std::string, std::string, std::less<>> parameters_;
};

}  // namespace protocol::postgres
