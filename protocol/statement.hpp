#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace protocol {

/// What a statement is to a router. Ordered: of several statements in one text the strictest (largest) counts.
enum class StatementClass : std::uint8_t {
  read,                 ///< provably changes nothing and takes no lasting lock
  session,              ///< changes or shows only the session's own state: SET, PREPARE, LISTEN, DISCARD …
  transaction_control,  ///< BEGIN, COMMIT, ROLLBACK, SAVEPOINT …
  write,                ///< changes rows, takes row locks, or cannot be proven not to
  schema_change,        ///< DDL
  unknown,              ///< not understood; routed as a write
};

[[nodiscard]] std::string_view name_of(StatementClass statement_class);

/// What a statement does to the transaction around it.
enum class TransactionEffect : std::uint8_t {
  none,
  begin_read_only,    ///< BEGIN or START TRANSACTION declared READ ONLY
  begin_read_write,   ///< BEGIN without READ ONLY
  end,                ///< COMMIT, END, ROLLBACK, ABORT, PREPARE TRANSACTION
  inside,             ///< SAVEPOINT, RELEASE, ROLLBACK TO, SET TRANSACTION, SET LOCAL
  unclear,            ///< CALL, DO, several statements with transaction control among them
};

/// Why a session cannot leave the side it is on, once the statement has succeeded.
enum class PinReason : std::uint8_t {
  none,
  temporary_object,    ///< CREATE TEMP …, SELECT INTO TEMP
  advisory_lock,       ///< pg_advisory_lock and its session-level relatives
  listen,              ///< LISTEN
  hold_cursor,         ///< DECLARE … WITH HOLD
  replication,         ///< replication connection
  loaded_library,      ///< LOAD
  sequence_value,      ///< currval, lastval
  random_seed,         ///< setseed
  external_link,       ///< dblink_connect and the like: the server's own connection to somewhere else
  untracked_state,     ///< state that could not be understood or was too large to carry
  restore_failed,      ///< the other side refused this session's state
  login_refused,       ///< the other side does not let this session's user in
};

[[nodiscard]] std::string_view name_of(PinReason reason);

/// Whether such a pin ties all reads to its side. Others hold the connection they are on, and whatever is not a plain
/// read, but let reads be answered elsewhere.
[[nodiscard]] bool binds_reads(PinReason reason);

class PinReasonSet {
 public:
  constexpr PinReasonSet() = default;
  constexpr PinReasonSet(std::initializer_list<PinReason> reasons) {
    for (const PinReason reason : reasons) add(reason);
  }
  constexpr void add(PinReason reason) { bits_ |= bit_of(reason); }
  constexpr void add(PinReasonSet others) { bits_ |= others.bits_; }
  constexpr void remove(PinReason reason) { bits_ &= ~bit_of(reason); }
  [[nodiscard]] constexpr bool has(PinReason reason) const { return (bits_ & bit_of(reason)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  bool operator==(const PinReasonSet&) const = default;

 private:
  static constexpr std::uint32_t bit_of(PinReason reason) { return 1U << static_cast<unsigned>(reason); }
  std::uint32_t bits_ = 0;
};

struct StatementFacts;

/// A change of session state that a statement asks for; committed only when the statement (and its
/// transaction) has succeeded.
struct SessionChange {
  enum class Kind : std::uint8_t {
    set,              ///< name, text = the complete SQL that sets it again
    set_local,        ///< ends with the transaction; nothing to carry
    reset,            ///< name returns to its start-up value
    reset_all,
    prepare,          ///< name, text = the complete PREPARE
    deallocate,       ///< name
    deallocate_all,
    discard_all,
    unlisten_all,
    close_all_cursors,
    discard_temporary,
    savepoint,        ///< name
    release,          ///< name
    rollback_to,      ///< name
    unlock_all,       ///< pg_advisory_unlock_all
    discard_sequences,
    set_unseen,       ///< name, to a value that the text does not tell; empty: nor does it tell the name
  };
  Kind kind;
  std::string name;  ///< as the dialect folds it
  std::string text = {};
  std::shared_ptr<const StatementFacts> prepared = {};  ///< for prepare: the facts of the statement inside
};

/// What a session is given at its login has been changed, or its right to one, for this role and database; an empty name
/// stands for every one, or one that the text does not tell.
struct LoginChange {
  std::string role;
  std::string database;
  bool operator==(const LoginChange&) const = default;
};

/// What the analyser found out about one text (which may hold several statements). Immutable, shared by
/// every request with the same text or the same fingerprint.
struct StatementFacts {
  StatementClass statement_class = StatementClass::unknown;
  TransactionEffect transaction_effect = TransactionEffect::none;
  PinReason pin = PinReason::none;
  PinReasonSet may_begin;               ///< pins that it may have made, too
  PinReasonSet may_end;                 ///< pins that it may have undone, without its text telling
  std::uint64_t fingerprint = 0;        ///< equal for texts that differ in literals, spacing and comments only
  std::uint32_t statement_count = 0;    ///< 0 for an empty text
  std::vector<std::string> tables;      ///< as written, folded; "schema.table" where qualified; sorted, unique
  std::vector<std::string> functions;   ///< likewise
  std::vector<std::string> types;       ///< likewise: what is cast to; the system's own only where its values name other things
  bool has_whole_row = false;           ///< gives out rows of tables as values
  std::vector<SessionChange> changes;   ///< in the order of the text
  /// EXECUTE name. With class unknown: class and tables are those of the prepared statement; with any other
  /// class: the stricter of the two.
  std::string executes;
  /// Touches the switch between read-only and read-write of a transaction or of the session's defaults: a
  /// transaction begun READ ONLY may write after it.
  bool may_leave_read_only = false;
  /// Runs code that may change settings unseen: functions that are not the system's own, CALL, DO.
  bool may_change_settings = false;
  /// Refused while others are connected to the database that it names: it is dropped, copied, renamed or moved.
  bool wants_empty_database = false;
  /// Whose connections are not what new ones would be, once it is committed.
  std::vector<LoginChange> login_changes;
  /// Why it is not a read, in words for `explain`; empty for a read. Holds no literal of the text.
  std::string because;
};

/// Tags of comments: `key='value'` pairs of the sqlcommenter form and `crossfade:key=value` hints.
using CommentTags = std::vector<std::pair<std::string, std::string>>;

/// What a router is told about a batch (everything up to the point where the protocol settles it).
/// Lifetime: a loan until the next call into the conversation that made it.
struct BatchFacts {
  StatementClass statement_class = StatementClass::read;
  TransactionEffect transaction_effect = TransactionEffect::none;
  const std::vector<std::string>* tables = nullptr;  ///< union over the batch; never null when handed out
  const CommentTags* tags = nullptr;                  ///< of the first text that has any; never null when handed out
  std::uint64_t fingerprint = 0;                      ///< of the first text
  bool wants_empty_database = false;                  ///< any of its texts
  const std::vector<LoginChange>* login_changes = nullptr;  ///< null: none of its texts has any
  /// Names or gives out what the sides have under different numbers, types say: an answer of the one means nothing to the other.
  bool has_differing_types = false;
};

/// What a router is told of one text: a statement that would pin the session counts as a write, so that no
/// session is ever pinned where writes do not go. `facts` and `tags` must outlive the result.
[[nodiscard]] BatchFacts batch_facts_of(const StatementFacts& facts, const CommentTags& tags);

/// Takes a further text of the same batch into account.
void merge_into(BatchFacts& batch, const StatementFacts& facts, std::vector<std::string>& table_storage);

}  // namespace protocol
