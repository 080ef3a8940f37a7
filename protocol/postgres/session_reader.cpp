#include "protocol/postgres/statement_reader.hpp"

#include "protocol/postgres/lexer.hpp"

#include <algorithm>
#include <cctype>
#include <string>

/// Statements that change the transaction or the session's settings.
/// Source: PostgreSQL 15 manual, reference pages of BEGIN, SET, RESET and SET TRANSACTION.
namespace protocol::postgres {
namespace {

std::string fold(std::string_view name) {
  std::string folded(name);
  std::transform(folded.begin(), folded.end(), folded.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return folded;
}

/// READ ONLY among the modes, and no READ WRITE.
bool is_declared_read_only(PgQuery__Node* const* modes, std::size_t count) {
  bool is_read_only = false;
  for (std::size_t i = 0; i < count; ++i) {
    const PgQuery__DefElem& mode = *modes[i]->def_elem;
    if (std::string_view(mode.defname) != "transaction_read_only") continue;
    const bool is_on = mode.arg->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                       mode.arg->a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL &&
                       mode.arg->a_const->ival->ival != 0;
    if (!is_on) return false;
    is_read_only = true;
  }
  return is_read_only;
}

/// Settings of the transaction under way: SET without LOCAL ends with it too.
bool is_transaction_setting(std::string_view name) {
  return name == "transaction_isolation" || name == "transaction_read_only" ||
         name == "transaction_deferrable";
}

/// The value of a transaction mode as SET takes it; empty if it is not a constant.
std::string spell_mode(const PgQuery__DefElem& mode) {
  const std::string_view level = read_string(mode.arg);
  if (!level.empty()) return "'" + std::string(level) + "'";
  if (mode.arg == nullptr || mode.arg->node_case != PG_QUERY__NODE__NODE_A_CONST) return {};
  if (mode.arg->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL) return {};
  return mode.arg->a_const->ival->ival != 0 ? "on" : "off";
}

}  // namespace

void StatementReader::read_transaction(const PgQuery__TransactionStmt& transaction) {
  set_class(StatementClass::transaction_control, "transaction control");
  switch (transaction.kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
      facts_.transaction_effect = is_declared_read_only(transaction.options, transaction.n_options)
                                      ? TransactionEffect::begin_read_only
                                      : TransactionEffect::begin_read_write;
      return;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
      // AND CHAIN ends one and begins another with the same modes.
      facts_.transaction_effect =
          transaction.chain != 0 ? TransactionEffect::unclear : TransactionEffect::end;
      return;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
      facts_.transaction_effect = TransactionEffect::end;
      return;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
      facts_.transaction_effect = TransactionEffect::inside;
      return note_change(SessionChange::Kind::savepoint, transaction.savepoint_name);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
      facts_.transaction_effect = TransactionEffect::inside;
      return note_change(SessionChange::Kind::release, transaction.savepoint_name);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
      facts_.transaction_effect = TransactionEffect::inside;
      return note_change(SessionChange::Kind::rollback_to, transaction.savepoint_name);
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED:
      // Not this session's transaction: it waits where writes go.
      return set_class(StatementClass::write, "ends a prepared transaction");
    default:
      facts_.transaction_effect = TransactionEffect::unclear;
      return set_class(StatementClass::unknown, "transaction control of an unknown kind");
  }
}

void StatementReader::read_set(const PgQuery__VariableSetStmt& set) {
  set_class(StatementClass::session, "changes a setting");
  const std::string name = fold(set.name);
  if (is_read_only_setting(name)) facts_.may_leave_read_only = true;
  switch (set.kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL:
      facts_.may_leave_read_only = true;
      return note_change(SessionChange::Kind::reset_all);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI:
      return read_set_several(set);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
      break;
    default:
      note_pin(facts_, PinReason::untracked_state);
      return;
  }
  if (set.is_local != 0 || is_transaction_setting(name)) {
    facts_.transaction_effect = TransactionEffect::inside;
    return note_change(SessionChange::Kind::set_local, name);
  }
  if (set.kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE)
    return note_change(SessionChange::Kind::reset, name);
  note_change(SessionChange::Kind::set, name, trim_statement(source_));
  if (name == "seed") note_pin(facts_, PinReason::random_seed);
  // What is created from now on without a schema is temporary.
  if (name == "search_path" && set.n_args > 0 && read_string(set.args[0]).starts_with("pg_temp")) {
    note_pin(facts_, PinReason::temporary_object);
  }
}

void StatementReader::read_set_several(const PgQuery__VariableSetStmt& set) {
  const std::string_view name = set.name;
  if (name == "TRANSACTION SNAPSHOT") {
    facts_.transaction_effect = TransactionEffect::inside;
    return;
  }
  for (std::size_t i = 0; i < set.n_args; ++i) {
    const PgQuery__DefElem& mode = *set.args[i]->def_elem;
    if (is_read_only_setting(mode.defname)) facts_.may_leave_read_only = true;
    if (name == "TRANSACTION") continue;
    // SET SESSION CHARACTERISTICS sets these settings, and RESET of them undoes it.
    const std::string setting = "default_" + std::string(mode.defname);
    const std::string value = spell_mode(mode);
    if (value.empty()) {
      note_pin(facts_, PinReason::untracked_state);
    } else {
      note_change(SessionChange::Kind::set, setting, "SET " + setting + " TO " + value);
    }
  }
  if (name == "TRANSACTION") {
    facts_.transaction_effect = TransactionEffect::inside;
    note_change(SessionChange::Kind::set_local, "transaction");
  }
}

}  // namespace protocol::postgres
