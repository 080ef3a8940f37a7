#pragma once

#include "protocol/conversation.hpp"
#include "protocol/dialect.hpp"
#include "protocol/postgres/analyser.hpp"
#include "protocol/postgres/backend_half.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/session_state.hpp"
#include "protocol/postgres/statement_library.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace protocol::postgres {

/// Bounds of what one session may make the proxy hold.
struct ClientHalfOptions {
  /// A Query or Parse above this is not analysed (class unknown) and streams through; a prepared statement above
  /// it cannot be carried to another side.
  std::size_t statement_bytes_max = std::size_t{1} << 20;
  /// A batch of reads is looked at as a whole up to this many bytes; beyond, it goes where writes go.
  std::size_t batch_bytes_max = std::size_t{32} << 10;
  /// Texts of prepared statements that one session may make us remember; more ends it.
  std::size_t session_state_bytes_max = std::size_t{16} << 20;
  /// Statements on one connection that sessions share, under names of ours; 0: none, servers know the clients' names.
  std::uint32_t prepared_statements_max = 0;
  /// Reads are moved even if they name or give out types that the sides number differently.
  bool moves_differing_types = false;
};

/// One frame, or the part of it that is there, at the front of the client's bytes.
struct ScannedRequest {
  FrontendMessage tag{};
  std::size_t offset = 0;       ///< in the unread bytes
  std::size_t available = 0;    ///< bytes of it that are there
  std::size_t frame_bytes = 0;  ///< bytes of it in all
  Analysis analysis;            ///< query and parse
  bool is_malformed = false;    ///< query and parse: the server refuses it unread
  [[nodiscard]] bool is_whole() const { return available == frame_bytes; }
};

/// Calls `use` for every name of a prepared statement in a text: EXECUTE and DEALLOCATE need it, PREPARE must find it
/// taken if it is.
template <typename Use>
void for_each_named_in(const StatementFacts& facts, const Use& use) {
  if (!facts.executes.empty()) use(facts.executes);
  for (const SessionChange& change : facts.changes) {
    const bool names_statement =
        change.kind == SessionChange::Kind::prepare || change.kind == SessionChange::Kind::deallocate;
    if (names_statement) use(change.name);
  }
}

/// PostgreSQL's client half: see protocol::ClientHalf. The request side is in client_half_requests.cpp, the
/// reply side in client_half_replies.cpp, the moving of state in client_half_restore.cpp, prepared statements in
/// client_half_provide.cpp and, those that sessions share, in client_half_shared.cpp.
class PostgresClientHalf final : public ClientHalf {
 public:
  /// All but `login` must outlive this. Without a library nothing is shared with other sessions.
  PostgresClientHalf(const Login& login, Analyser& analyser, const ClientHalfOptions& options,
                     StatementLibrary* library = nullptr, Tenure tenure = Tenure::shared);
  PostgresClientHalf(const PostgresClientHalf&) = delete;
  PostgresClientHalf& operator=(const PostgresClientHalf&) = delete;

  [[nodiscard]] NextRequest next_request(ByteView unread, const BackendHalf* current) override;
  [[nodiscard]] const Error& error() const override { return error_; }
  [[nodiscard]] PinReason pin() const override;
  [[nodiscard]] const Pins& pins() const override { return state_.pins(); }
  [[nodiscard]] bool is_held(const BackendHalf& target) const override;
  [[nodiscard]] bool is_doubtful() const override { return !state_.doubts().empty(); }
  [[nodiscard]] bool has_question(const BackendHalf& target) const override;
  void ask(BackendHalf& target, Gather& to_backend) override;
  [[nodiscard]] bool is_asking(const BackendHalf& target) const override;
  [[nodiscard]] RestoreState begin_restore(BackendHalf& target, Gather& to_backend, Gather& to_client) override;
  void let_go(BackendHalf& target) override;
  [[nodiscard]] bool is_in_line(const BackendHalf& target) const override;
  [[nodiscard]] RestoreState restore_state(const BackendHalf& target) const override;
  void pin_for(PinReason reason) override { state_.pin_for(reason); }
  [[nodiscard]] bool look_ahead(const NextRequest& request, ByteView unread, BackendHalf& target, Gather& to_backend) override;
  void forward(const NextRequest& request, ByteView unread, BackendHalf& target, Gather& to_backend) override;
  void abandon(BackendHalf& lost) override;
  void take_back(BackendHalf& source) override;
  void ignore(const NextRequest& request) override;
  [[nodiscard]] Result<ReplyProgress> relay(BackendHalf& source, ByteView unread, Gather& to_client,
                                            std::vector<Completion>& completed) override;
  void write_welcome(const BackendHalf& first, const CancelKey& key, Bytes& to_client) override;

  [[nodiscard]] const SessionState& state() const { return state_; }

 private:
  using Kind = ExpectedReply::Kind;

  // Requests.
  enum class ScanOutcome : std::uint8_t { scanned, incomplete, violation };
  [[nodiscard]] ScanOutcome scan_one(ByteView unread, std::size_t offset);
  [[nodiscard]] ScanOutcome refuse(ErrorCode code, std::string detail);
  [[nodiscard]] NextRequest follow_batch(ByteView unread, const PostgresBackendHalf& current);
  [[nodiscard]] NextRequest without_uncertain(NextRequest request, ByteView unread, const PostgresBackendHalf& current);
  [[nodiscard]] NextRequest next_batch(ByteView unread, TransactionState transaction);
  [[nodiscard]] NextRequest next_extended_batch(ByteView unread, TransactionState transaction);
  void take_into_account(const ScannedRequest& scanned, ByteView unread, BatchFacts& facts, bool& has_text);
  void take_into_account(Analysis analysis, BatchFacts& facts, bool& has_text);
  void take_bound_into_account(const ScannedRequest& bound, ByteView unread, BatchFacts& facts, bool& has_text);
  void take_described_into_account(const ScannedRequest& described, ByteView unread, BatchFacts& facts) const;
  [[nodiscard]] bool has_differing_types(const StatementFacts& facts) const;
  [[nodiscard]] bool has_differing_types(const PreparedStatement& statement) const;
  [[nodiscard]] bool is_any_type_differing(std::span<const std::uint32_t> assigned_types) const;
  [[nodiscard]] PreparedStatementPointer statement_known_as(std::string_view name) const;
  [[nodiscard]] Analysis resolve_execute(Analysis analysis) const;

  // Forwarding.
  void forward_one(ScannedRequest& scanned, ByteView unread, PostgresBackendHalf& target, Gather& to_backend);
  void expect_query(const ScannedRequest& scanned, PostgresBackendHalf& target, Gather& to_backend);
  /// Whether the client's message was written in another form; otherwise it goes as it came.
  enum class Rewritten : std::uint8_t { no, yes };
  Rewritten expect_parse(const ScannedRequest& scanned, ByteView frame, PostgresBackendHalf& target,
                         Gather& to_backend);
  Rewritten expect_bind(ByteView frame, PostgresBackendHalf& target, Gather& to_backend);
  Rewritten expect_describe(ByteView frame, PostgresBackendHalf& target, Gather& to_backend);
  void expect_execute(ByteView frame, PostgresBackendHalf& target);
  void expect_close(ByteView frame, PostgresBackendHalf& target);
  enum class Provision : std::uint8_t { not_needed, injected };
  Provision provide_statement(std::string_view name, PostgresBackendHalf& target, Gather& to_backend,
                              Disposition disposition = Disposition::forward_error);
  Provision provide_own_name(const PreparedStatement& statement, PostgresBackendHalf& target, Gather& to_backend,
                             Disposition disposition);
  Provision provide_stand_in(std::string_view name, PostgresBackendHalf& target, Gather& to_backend,
                             Disposition disposition);
  Provision inject(PreparedStatementPointer statement, PostgresBackendHalf& target, Gather& to_backend,
                   Disposition disposition);
  static void write_renamed(ByteView frame, std::size_t name_at, std::string_view name, const std::string& new_name,
                            Gather& to_backend);
  static void write_close(std::string_view name, Gather& to_backend);
  void close_held(std::string_view name, PostgresBackendHalf& target, Gather& to_backend);
  Provision provide_named_in(const StatementFacts& facts, PostgresBackendHalf& target, Gather& to_backend,
                             Disposition disposition = Disposition::forward_error);
  [[nodiscard]] std::size_t count_certain(ByteView unread, const PostgresBackendHalf& target) const;
  [[nodiscard]] bool is_holding_uncertain(const ScannedRequest& scanned, ByteView unread,
                                          const PostgresBackendHalf& target) const;
  [[nodiscard]] bool is_holding_uncertain(std::string_view name, const PostgresBackendHalf& target) const;
  void propose(PreparedStatementPointer statement, const PostgresBackendHalf& target);
  void note_sent(const StatementFacts& facts, PostgresBackendHalf& target);
  [[nodiscard]] bool is_replicating() const { return pins().has(PinReason::replication); }
  void seal_read_only(const StatementFacts& facts, PostgresBackendHalf& target, Gather& to_backend);

  // Refusals: client_half_refusals.cpp.
  [[nodiscard]] bool is_refused(const ScannedRequest& scanned, ByteView unread, const PostgresBackendHalf& target) const;
  void refuse_write(const ScannedRequest& scanned, PostgresBackendHalf& target, Gather& to_backend);
  static void send_failing(FrontendMessage in_place_of, std::string_view why, PostgresBackendHalf& target, Gather& to_backend);
  [[nodiscard]] Bytes write_refusal() const;
  [[nodiscard]] static bool tell_refusal(PostgresBackendHalf& source, Gather& to_client);

  // What sessions share.
  [[nodiscard]] bool is_sharing() const { return is_sharing_; }
  [[nodiscard]] SurroundingsNumber surroundings();
  [[nodiscard]] bool is_sharable(const ScannedRequest& scanned, std::string_view name,
                                 const PostgresBackendHalf& target) const;
  [[nodiscard]] bool is_outdated(const HeldStatement& held) const;
  [[nodiscard]] bool is_state_common(const PostgresBackendHalf& target) const;
  [[nodiscard]] static bool is_transaction_sound(const PostgresBackendHalf& target);
  [[nodiscard]] bool is_shared_uncertain(std::string_view name, const PostgresBackendHalf& target) const;
  void expect_shared_parse(PreparedStatementPointer statement, ByteView frame, PostgresBackendHalf& target,
                           Gather& to_backend);
  void expect_refused_parse(const PreparedStatement& used, ByteView frame, PostgresBackendHalf& target, Gather& to_backend);
  void provide_shared(const PreparedStatementPointer& shared, PostgresBackendHalf& target, Gather& to_backend);
  void make_way_for(const PreparedStatement& shared, PostgresBackendHalf& target, Gather& to_backend);
  void note_held(const PreparedStatementPointer& shared, PostgresBackendHalf& target);
  void on_shared_prepared(PostgresBackendHalf& source, const PreparedStatementPointer& shared) const;
  static void take_back_shared(PostgresBackendHalf& source, const ExpectedReply& entry, bool has_run);
  void on_shared_error(PostgresBackendHalf& source, const PreparedStatement& statement, std::string_view code);
  static void withdraw(std::vector<UnderWay>& ways, const PreparedStatementPointer& statement);
  void take_back_discarded(PostgresBackendHalf& source, std::string_view code);
  [[nodiscard]] static bool tell_renamed_error(PostgresBackendHalf& source, ByteView frame, Gather& to_client);

  // Results that changed their shape: client_half_shapes.cpp.
  /// What the client was told of a statement's result.
  struct ToldShape {
    PreparedStatementPointer statement;  ///< the client's; kept so that its address stays its own
    std::uint64_t shape = 0;
  };
  void note_shape(PostgresBackendHalf& source, const ExpectedReply& answered, BackendMessage tag, ByteView payload);
  [[nodiscard]] const ToldShape* told_shape_of(const PreparedStatement* statement) const;
  [[nodiscard]] std::uint64_t held_shape_of(const PreparedStatement& statement, const PostgresBackendHalf& target) const;
  [[nodiscard]] bool is_shape_as_told(const PreparedStatement& statement, const PostgresBackendHalf& target) const;
  [[nodiscard]] bool is_misshapen(const ScannedRequest& scanned, ByteView unread, const PostgresBackendHalf& target) const;
  void refuse_misshapen(PostgresBackendHalf& target, Gather& to_backend) const;
  void describe_shared(const PreparedStatementPointer& shared, PostgresBackendHalf& target, Gather& to_backend);

  // Replies.
  struct FrameStep {
    std::size_t consumed = 0;  ///< 0: the frame is not there yet
  };
  [[nodiscard]] static std::size_t relay_plain(PostgresBackendHalf& source, ByteView rest, Gather& to_client);
  [[nodiscard]] Result<FrameStep> relay_frame(PostgresBackendHalf& source, ByteView rest, Gather& to_client,
                                              std::vector<Completion>& completed, ReplyProgress& progress);
  void conclude(PostgresBackendHalf& source, ExpectedReply& entry, BackendMessage tag, Gather& to_client, std::vector<Completion>& completed);
  void relay_asynchronous(PostgresBackendHalf& source, BackendMessage tag, ByteView frame, Gather& to_client);
  [[nodiscard]] ReplyTracker::Verdict judge_error_message(PostgresBackendHalf& source, ByteView frame,
                                                          ReplyProgress& progress);
  void pass_on(PostgresBackendHalf& source, BackendMessage tag, ByteView frame, Gather& to_client, ReplyProgress& progress);
  [[nodiscard]] static bool holds_back(PostgresBackendHalf& source, ByteView notice, Gather& to_client);
  static void hold_back_reply(PostgresBackendHalf& source, ByteView last, Gather& to_client);
  static void note_told_between(PostgresBackendHalf& source, const Gather& to_client);
  void tell_notification(const PostgresBackendHalf& source, ByteView frame, Gather& to_client) const;
  void on_parameter_status(PostgresBackendHalf& source, ByteView frame, Gather& to_client);
  [[nodiscard]] bool is_anothers_name(const PostgresBackendHalf& source, ByteView payload) const;
  void tell_own_name(Gather& to_client);
  void on_completed(PostgresBackendHalf& source, ExpectedReply& entry);
  void on_parsed(PostgresBackendHalf& source, ExpectedReply& entry);
  void note_statement_change(PostgresBackendHalf& source, const SessionChange& change);
  void note_lasting_changes(PostgresBackendHalf& source, const StatementFacts& facts, DoneCounts done);
  void forget_unnamed(PostgresBackendHalf& source);
  void on_ready(PostgresBackendHalf& source, const ExpectedReply& entry, std::vector<Completion>& completed);

  // Questions: client_half_questions.cpp.
  enum class Hearing : std::uint8_t { done, needs_more };
  Hearing hear_answer(PostgresBackendHalf& source, BackendMessage tag, ByteView frame, std::size_t frame_bytes);
  void settle_question(PostgresBackendHalf& source);
  [[nodiscard]] SessionState::Where place_of(const PostgresBackendHalf& source) const {
    return home_ == nullptr || home_ == &source ? SessionState::Where::home : SessionState::Where::elsewhere;
  }
  void note_unseen_change(PostgresBackendHalf& source, const StatementFacts& facts);
  void note_where_pins_live(PostgresBackendHalf& source);
  void drop_sequence_values(const BatchFacts& batch, PostgresBackendHalf& target, Gather& to_backend);
  void note_draw(const StatementFacts* facts, PostgresBackendHalf& target) const;
  [[nodiscard]] bool holds_anothers_values(const PostgresBackendHalf& target) const {
    return target.drawn_by != 0 && target.drawn_by != id_;
  }

  // Restoring.
  void compose_restoration(PostgresBackendHalf& target) const;
  void append_setting_changes(const PostgresBackendHalf& target, const Settings& present, RestorationText& text) const;
  /// The last session may have left settings behind that nobody has seen.
  [[nodiscard]] bool is_strange(const PostgresBackendHalf& target) const {
    return target.has_unseen_settings && target.last_session != id_;
  }
  bool close_strange_names(PostgresBackendHalf& target, Gather& to_backend);
  void note_proven(PostgresBackendHalf& source) const;
  void tell_parameter_changes(PostgresBackendHalf& target, Gather& to_client);
  void finish_restore(PostgresBackendHalf& target, Gather& to_client);
  /// The client was told these parameters.
  void note_told(ParameterPointer parameters);

  Analyser& analyser_;
  const ClientHalfOptions& options_;
  StatementLibrary* const library_;
  const bool is_sharing_;
  SessionState state_;
  const std::uint64_t id_;               ///< no other session on this thread has the same
  const std::string database_;
  std::uint32_t process_id_ = 0;         ///< that the client was told
  std::string application_name_;         ///< as of the client's start-up
  ParameterPointer client_parameters_;   ///< what the client was last told
  /// False in encodings in which an ASCII byte may be half of a character: no text is understood then.
  bool is_encoding_readable_ = true;

  // The batch judged last; see forward().
  std::vector<ScannedRequest> scan_;
  WritePermission writes_ = WritePermission::granted;  ///< of the batch forwarded last
  bool wants_sequence_value_ = false;    ///< some statement of it asks for what the session has drawn
  bool has_backend_ = false;
  bool is_unsettled_ = false;            ///< replies are owed that may change what texts mean
  std::vector<std::string> tables_;      ///< union of a batch of several texts
  Analysis batch_analysis_;              ///< of the first text of an extended batch
  std::vector<UnderWay> proposed_;       ///< the client's Parse and Close messages on their way, oldest first
  /// Facts with an effect on the session, of portals bound and not yet executed.
  std::map<std::string, std::shared_ptr<const StatementFacts>, std::less<>> portals_;
  /// Something was sent in this transaction that may have changed what a text means to this session alone.
  bool has_touched_state_ = false;
  SurroundingsNumber surroundings_ = 0;    ///< of the settings and parameters below
  SettingsPointer surrounding_settings_;
  ParameterPointer surrounding_parameters_;
  /// Shared statements of which this session has been told that their result has changed, and when.
  std::vector<std::pair<PreparedStatementPointer, std::uint64_t>> outdated_;
  std::unordered_map<const PreparedStatement*, ToldShape> told_shapes_;
  std::size_t told_shapes_max_ = 256;    ///< beyond, those of statements that are gone are forgotten
  std::vector<const PreparedStatement*> looked_at_;  ///< shared ones, for the batch at hand
  std::size_t ignored_remaining_ = 0;    ///< bytes that are still to come of a frame whose beginning was ignored
  const PostgresBackendHalf* current_ = nullptr;    ///< the backend that was forwarded to last
  const PostgresBackendHalf* home_ = nullptr;      ///< where what pins the session lives
  const PostgresBackendHalf* doubted_ = nullptr;   ///< whom to ask
  std::uint32_t pins_seen_ = 0;                    ///< version of the pins that home_ goes by
  bool is_in_doubt_ = false;  ///< the current backend may send more replies than it owes; see ReplyTracker
  Error error_;
};

}  // namespace protocol::postgres
