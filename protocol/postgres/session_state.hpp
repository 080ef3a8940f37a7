#pragma once

#include "protocol/pin.hpp"
#include "protocol/postgres/prepared_statement.hpp"
#include "protocol/statement.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {

/// Name of a setting → the SQL text that sets it. Ordered, so that replaying is deterministic.
using Settings = std::map<std::string, std::string>;
using SettingsPointer = std::shared_ptr<const Settings>;
/// Name → prepared statement, by whatever means it was prepared; the unnamed one has the empty name.
using StatementMap = std::map<std::string, PreparedStatementPointer, std::less<>>;
/// Reported parameter → value.
using ParameterMap = std::map<std::string, std::string>;
using ParameterPointer = std::shared_ptr<const ParameterMap>;

[[nodiscard]] const SettingsPointer& no_settings();

/// A change of prepared statements: it stays when its transaction is rolled back.
[[nodiscard]] bool is_lasting(SessionChange::Kind kind);

/// Larger than every one before it on this thread.
[[nodiscard]] std::uint64_t fresh_number();

/// What a change means for one setting. Names as the dialect folds them.
enum class SettingChange : std::uint8_t { none, set, reset };
[[nodiscard]] SettingChange effect_on(std::string_view name, const SessionChange& change);

/// What of a text had been done when it failed, in its order.
struct DoneCounts {
  std::uint32_t statement_changes = 0;  ///< PREPARE, DEALLOCATE and DISCARD ALL
  std::uint32_t sets = 0;               ///< SET, also LOCAL and TRANSACTION
};

/// The state of a session that is not tied to one backend: what must be re-created on another one.
///
/// Changes are proposed when a statement succeeds and become part of the state when its transaction commits;
/// a rollback, also to a savepoint, takes them back, as the server does with its own variables.
/// Source: PostgreSQL 15 manual, SET ("the effects … disappear when the transaction is rolled back"),
/// SAVEPOINT, DISCARD, DEALLOCATE.
struct Answer;
struct Question;

class SessionState {
 public:
  /// Where something happened: on the connection that holds what pins the session, if any does, or on another one, which can
  /// end nothing of it.
  enum class Where : std::uint8_t { home, elsewhere };
  /// A statement with these facts succeeded.
  void on_success(const StatementFacts& facts, Where where = Where::home);
  /// A text with these facts failed after so much of it had been done.
  void on_failure(const StatementFacts& facts, DoneCounts done);
  /// The backend is outside a transaction again.
  enum class Outcome : std::uint8_t { committed, rolled_back };
  void on_transaction_end(Outcome outcome);

  /// Prepared statements do not follow transactions: they stay after a rollback.
  void on_prepared(PreparedStatementPointer statement);
  void on_closed(const std::string& name);
  /// Null when there is none of that name.
  [[nodiscard]] PreparedStatementPointer find_statement(std::string_view name) const;
  [[nodiscard]] const StatementMap& statements() const { return statements_; }
  /// A simple query drops the unnamed statement.
  void drop_unnamed() {
    if (has_unnamed_) on_closed({});
  }
  /// Bytes of the texts that are remembered for prepared statements.
  [[nodiscard]] std::size_t statement_bytes() const { return statement_bytes_; }
  /// Changes with every statement of a name of its own that is prepared or freed; 0: there never was one.
  [[nodiscard]] std::uint64_t statements_version() const { return statements_version_; }

  /// Committed settings; a new object after each change, so that equality of pointers is equality of state.
  [[nodiscard]] const SettingsPointer& settings() const { return settings_; }
  /// `name` is back at its start-up value, or will be if the transaction under way commits.
  [[nodiscard]] bool is_reset(std::string_view name) const;
  [[nodiscard]] const Pins& pins() const { return pins_; }
  /// `fingerprint`: of the statement that is the cause; 0 without one.
  void pin_for(PinReason reason, std::uint64_t fingerprint = 0) { pins_.add(reason, fingerprint); }

  /// What the server should be asked about; empty when all is known. Untracked state: settings, role, PREPARE.
  [[nodiscard]] PinReasonSet doubts() const;
  /// Something may have changed anything, and was caused by the statement with this fingerprint.
  void doubt_everything(std::uint64_t fingerprint);
  /// This setting may have any value; an empty name: nobody knows which one it is.
  void note_unseen(const std::string& name);
  /// Settings that a question about untracked state must name, since a server does not list them.
  [[nodiscard]] const std::vector<std::string>& names_to_ask() const { return names_to_ask_; }
  /// The doubts as a question; they are settled by its answer, or raised again by what comes later.
  [[nodiscard]] Question take_doubts();
  void forget_doubts();
  /// What came of a question, told by a server that the session has no transaction on.
  enum class Learned : std::uint8_t { nothing_new, something, unclear };
  Learned on_answer(const Question& question, Where where = Where::home);

 private:
  struct Pending {
    SessionChange change;       ///< kind set … unlock_all
    Pin pin = {};  ///< to add instead, where its reason is not none
    Where where = Where::home;
  };
  void propose(const SessionChange& change, Where where);
  void note_statement_change(const PreparedStatement& statement);
  void note_custom(const SessionChange& change);
  void settle_customs(Settings& settings);
  void apply(const Pending& pending, Settings& settings);
  void settle_transaction(Outcome outcome);
  void roll_back_to(const std::string& savepoint);
  void doubt(const StatementFacts& facts, Where where);
  void settle(const Question& question, PinReason reason, bool is_there, Where where);
  [[nodiscard]] bool is_prepared(const Answer& answer) const;

  SettingsPointer settings_ = no_settings();
  std::vector<Pending> pending_;
  std::vector<std::string> customs_;  ///< names of extensions' settings that were set in this transaction
  StatementMap statements_;
  Pins pins_;
  PinReasonSet may_have_begun_;  ///< to be asked about in any case
  PinReasonSet may_have_ended_;  ///< to be asked about as far as there are such pins
  std::uint64_t doubted_fingerprint_ = 0;
  std::vector<std::string> names_to_ask_;
  bool is_beyond_asking_ = false;  ///< a setting was made whose name nobody knows
  bool has_unnamed_ = false;
  std::uint64_t statements_version_ = 0;
  std::size_t statement_bytes_ = 0;
};

}  // namespace protocol::postgres
