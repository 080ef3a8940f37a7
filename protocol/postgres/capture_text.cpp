#include "protocol/postgres/capture_text.hpp"

#include "protocol/postgres/capture_definition.hpp"
#include "protocol/postgres/capture_long_text.hpp"
#include "protocol/postgres/lexer.hpp"
#include "protocol/postgres/quoting.hpp"
#include "protocol/postgres/syntax_tree.hpp"
#include "protocol/postgres/tree_walk.hpp"

#include <algorithm>
#include <optional>
#include <utility>

/// Source: PostgreSQL 15 manual, part VI "SQL Commands": INSERT, UPDATE, DELETE, COPY, TRUNCATE, and "Notes" of those that cannot
/// run inside a transaction block.
namespace protocol::postgres {
namespace {

using Kind = CaptureStatement::Kind;

/// Forms that are remembered; then all are forgotten.
constexpr std::size_t forms_max = 4096;

CaptureStatement unsafe(std::string_view reason) {
  CaptureStatement statement;
  statement.kind = Kind::unsafe;
  statement.reason = reason;
  return statement;
}

/// It may end transactions by itself, so none may be put around it.
CaptureStatement unsafe_alone(std::string_view reason) {
  CaptureStatement statement = unsafe(reason);
  statement.is_transactional = false;
  return statement;
}

CaptureStatement of_kind(Kind kind) {
  CaptureStatement statement;
  statement.kind = kind;
  return statement;
}

/// The first function that may write by itself; empty if there is none.
std::string_view harmful_call(const Catalogue& catalogue, const StatementFacts& facts) {
  for (const std::string& function : facts.functions) {
    if (!is_harmless(catalogue, function)) return function;
  }
  return {};
}

bool is_change(const PgQuery__Node* node) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT: return true;
    default: return false;
  }
}

bool changes_in_with(const PgQuery__WithClause* with) {
  if (with == nullptr) return false;
  for (std::size_t i = 0; i < with->n_ctes; ++i) {
    const PgQuery__Node* node = with->ctes[i];
    if (node->node_case == PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR && is_change(node->common_table_expr->ctequery)) return true;
  }
  return false;
}

void set_target(const PgQuery__RangeVar& relation, CaptureStatement& statement) {
  statement.schema = relation.schemaname;
  statement.table = relation.relname;
  const bool has_alias = relation.alias != nullptr && !std::string_view(relation.alias->aliasname).empty();
  statement.reference = quote_name(has_alias ? relation.alias->aliasname : relation.relname);
}

void add_columns(PgQuery__Node* const* targets, std::size_t count, std::vector<std::string>& columns) {
  for (std::size_t i = 0; i < count; ++i) {
    if (targets[i]->node_case == PG_QUERY__NODE__NODE_RES_TARGET) columns.emplace_back(targets[i]->res_target->name);
    if (targets[i]->node_case == PG_QUERY__NODE__NODE_STRING) columns.emplace_back(read_string(targets[i]));
  }
}

/// Another relation in the statement goes by the same name: RETURNING could not tell which one is meant.
bool hides_target(PgQuery__Node* const* from, std::size_t count, std::string_view name) {
  for (std::size_t i = 0; i < count; ++i) {
    if (from[i]->node_case != PG_QUERY__NODE__NODE_RANGE_VAR) continue;
    const PgQuery__RangeVar& range = *from[i]->range_var;
    const bool has_alias = range.alias != nullptr && !std::string_view(range.alias->aliasname).empty();
    if (!has_alias && name == range.relname) return true;
  }
  return false;
}

CaptureStatement read_insert(const PgQuery__InsertStmt& insert) {
  if (changes_in_with(insert.with_clause)) return unsafe("changes data in a WITH query");
  CaptureStatement statement = of_kind(Kind::rows);
  set_target(*insert.relation, statement);
  statement.is_insert = true;
  statement.has_returning = insert.n_returning_list != 0;
  if (insert.on_conflict_clause != nullptr) {
    add_columns(insert.on_conflict_clause->target_list, insert.on_conflict_clause->n_target_list, statement.columns);
  }
  return statement;
}

CaptureStatement read_update(const PgQuery__UpdateStmt& update) {
  if (changes_in_with(update.with_clause)) return unsafe("changes data in a WITH query");
  CaptureStatement statement = of_kind(Kind::rows);
  set_target(*update.relation, statement);
  if (hides_target(update.from_clause, update.n_from_clause, statement.table)) return unsafe("two relations of one name");
  statement.has_returning = update.n_returning_list != 0;
  add_columns(update.target_list, update.n_target_list, statement.columns);
  return statement;
}

CaptureStatement read_delete(const PgQuery__DeleteStmt& removal) {
  if (changes_in_with(removal.with_clause)) return unsafe("changes data in a WITH query");
  CaptureStatement statement = of_kind(Kind::rows);
  statement.change = RowChange::Kind::remove;
  set_target(*removal.relation, statement);
  if (hides_target(removal.using_clause, removal.n_using_clause, statement.table)) return unsafe("two relations of one name");
  statement.has_returning = removal.n_returning_list != 0;
  return statement;
}

CaptureStatement read_select(const PgQuery__SelectStmt& select, const StatementFacts& facts, const Catalogue& catalogue) {
  if (changes_in_with(select.with_clause)) return unsafe("changes data in a WITH query");
  if (select.into_clause != nullptr) {
    const bool is_temporary = facts.pin == PinReason::temporary_object;
    return is_temporary ? CaptureStatement{} : unsafe("makes a table of a query's result");
  }
  const std::string_view call = harmful_call(catalogue, facts);
  return call.empty() ? CaptureStatement{} : unsafe("calls a function that may write: " + std::string(call));
}

CaptureStatement read_copy(const PgQuery__CopyStmt& copy) {
  if (copy.is_from == 0) return {};
  if (copy.is_program != 0 || !std::string_view(copy.filename).empty()) return unsafe("COPY from a file of the server");
  if (copy.where_clause != nullptr) return unsafe("COPY with WHERE");
  CaptureStatement statement = of_kind(Kind::copy_in);
  set_target(*copy.relation, statement);
  add_columns(copy.attlist, copy.n_attlist, statement.columns);
  return statement;
}

CaptureStatement read_transaction(const PgQuery__TransactionStmt& transaction) {
  CaptureStatement statement;
  statement.chains = transaction.chain != 0;
  statement.name = transaction.savepoint_name;
  switch (transaction.kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START: statement.kind = Kind::begin; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT: statement.kind = Kind::commit; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK: statement.kind = Kind::rollback; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT: statement.kind = Kind::savepoint; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE: statement.kind = Kind::release; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO: statement.kind = Kind::rollback_to; break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE: statement.kind = Kind::prepare_transaction; break;
    default: break;  // COMMIT PREPARED and ROLLBACK PREPARED: what was prepared is in the ledger since then
  }
  return statement;
}

CaptureStatement read_statement(const PgQuery__Node& node, const StatementFacts& facts, const Catalogue& catalogue) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT: return read_select(*node.select_stmt, facts, catalogue);
    case PG_QUERY__NODE__NODE_INSERT_STMT: return read_insert(*node.insert_stmt);
    case PG_QUERY__NODE__NODE_UPDATE_STMT: return read_update(*node.update_stmt);
    case PG_QUERY__NODE__NODE_DELETE_STMT: return read_delete(*node.delete_stmt);
    case PG_QUERY__NODE__NODE_MERGE_STMT: return unsafe("MERGE");
    case PG_QUERY__NODE__NODE_COPY_STMT: return read_copy(*node.copy_stmt);
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT: return read_transaction(*node.transaction_stmt);
    case PG_QUERY__NODE__NODE_CALL_STMT: return unsafe_alone("CALL");
    case PG_QUERY__NODE__NODE_DO_STMT: return unsafe_alone("DO");
    case PG_QUERY__NODE__NODE_EXECUTE_STMT: {
      CaptureStatement statement = of_kind(Kind::execute);
      statement.name = node.execute_stmt->name;
      return statement;
    }
    case PG_QUERY__NODE__NODE_PREPARE_STMT: {
      CaptureStatement statement = read_statement(*node.prepare_stmt->query, facts, catalogue);
      statement.name = node.prepare_stmt->name;
      statement.is_prepare = true;
      return statement;
    }
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      return facts.statement_class < StatementClass::write ? CaptureStatement{} : unsafe("EXPLAIN ANALYZE of a write");
    default: break;
  }
  if (facts.statement_class != StatementClass::schema_change) return {};
  return read_definition(node, facts);
}

/// Behind the last token that is neither a comment nor a semicolon.
std::size_t last_token_end(std::string_view text) {
  std::size_t end = 0;
  Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::end && token.kind != TokenKind::broken; token = lexer.next()) {
    const bool is_semicolon = token.kind == TokenKind::punctuation && text.substr(token.begin, token.end - token.begin) == ";";
    if (token.kind != TokenKind::comment && !is_semicolon) end = token.end;
  }
  return end;
}

/// What follows the name, qualified or not, that begins at `location`.
std::string tail_behind_name(std::string_view text, std::int32_t location) {
  if (location < 0 || static_cast<std::size_t>(location) >= text.size()) return {};
  const std::string_view rest = text.substr(static_cast<std::size_t>(location));
  Lexer lexer(rest);
  std::size_t end = 0;
  bool is_name_next = true;
  for (Token token = lexer.next(); token.kind != TokenKind::end && token.kind != TokenKind::broken; token = lexer.next()) {
    if (token.kind == TokenKind::comment) continue;
    const bool is_point = rest.substr(token.begin, token.end - token.begin) == ".";
    if (!is_name_next && !is_point) break;
    end = token.end;
    is_name_next = is_point;
  }
  return " " + std::string(rest.substr(end));
}

std::shared_ptr<const CaptureText> parse(const std::string& text, const StatementFacts& facts, const Catalogue& catalogue) {
  auto result = std::make_shared<CaptureText>();
  result->tables = facts.tables;
  result->fingerprint = facts.fingerprint;
  const SyntaxTree tree(text);
  if (tree.root() == nullptr) {
    result->statements.push_back(unsafe_alone("cannot be read"));
    result->is_plain = false;
    return result;
  }
  for (std::size_t i = 0; i < tree.root()->n_stmts; ++i) {
    const PgQuery__RawStmt& raw = *tree.root()->stmts[i];
    CaptureStatement statement = read_statement(*raw.stmt, facts, catalogue);
    statement.begin = static_cast<std::size_t>(std::max(raw.stmt_location, 0));
    const std::size_t length = raw.stmt_len > 0 ? static_cast<std::size_t>(raw.stmt_len) : text.size() - statement.begin;
    statement.end = statement.begin + last_token_end(std::string_view(text).substr(statement.begin, length));
    if (statement.kind == Kind::copy_in) {
      const PgQuery__CopyStmt& copy = *(statement.is_prepare ? raw.stmt->prepare_stmt->query : raw.stmt)->copy_stmt;
      statement.copy_tail = tail_behind_name(std::string_view(text).substr(0, statement.end), copy.relation->location);
    }
    const std::string_view call = harmful_call(catalogue, facts);
    if (statement.kind == Kind::rows && !call.empty()) {
      statement.reason = "calls a function that may write: " + std::string(call);
    }
    result->is_plain = result->is_plain && statement.kind == Kind::plain && !statement.makes_temporary;
    result->statements.push_back(std::move(statement));
  }
  return result;
}

const std::shared_ptr<const CaptureText>& plain_text() {
  static const std::shared_ptr<const CaptureText> plain = std::make_shared<const CaptureText>();
  return plain;
}

bool is_prepare(const StatementFacts& facts) {
  return std::ranges::any_of(facts.changes, [](const SessionChange& change) { return change.kind == SessionChange::Kind::prepare; });
}

}  // namespace

/// The analyser has refused it, for its length or its depth, or its grammar is not known here.
CaptureReader::Reading CaptureReader::unreadable(std::string_view text, std::string_view because) {
  auto unread = std::make_shared<CaptureText>();
  unread->is_plain = false;
  unread->statements.push_back(unsafe_alone(because.empty() ? "cannot be read" : because));
  return {std::move(unread), text.size()};
}

std::shared_ptr<const CaptureText> CaptureReader::of_form(const Analysis& analysis, std::string_view text) {
  const auto known = by_facts_.find(analysis.facts);
  if (known != by_facts_.end()) return known->second;
  if (by_facts_.size() >= forms_max) by_facts_.clear();
  return by_facts_.emplace(analysis.facts, parse(std::string(text), *analysis.facts, analyser_.catalogue())).first->second;
}

CaptureReader::Reading CaptureReader::read(std::string_view text) {
  const Analysis analysis = analyser_.analyse(text);
  const StatementFacts& facts = *analysis.facts;
  const bool is_quiet = facts.statement_class == StatementClass::read ||
                        (facts.statement_class == StatementClass::session && !is_prepare(facts));
  if (is_quiet && facts.transaction_effect == TransactionEffect::none) {
    return {plain_text(), 0, facts.statement_class == StatementClass::read && facts.changes.empty()};
  }
  if (facts.statement_count == 0) {
    const std::optional<std::string> shorter = with_first_row(text, analyser_.catalogue());
    const Analysis of_shorter = shorter ? analyser_.analyse(*shorter) : analysis;
    if (of_shorter.facts->statement_count == 1) return {of_form(of_shorter, *shorter), last_token_end(text)};
    return unreadable(text, facts.because);
  }
  if (facts.statement_count != 1) return {parse(std::string(text), facts, analyser_.catalogue()), 0};
  return {of_form(analysis, text), last_token_end(text)};
}

}  // namespace protocol::postgres
