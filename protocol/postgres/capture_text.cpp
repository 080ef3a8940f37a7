#include "protocol/postgres/capture_text.hpp"

#include "protocol/postgres/known_functions.hpp"
#include "protocol/postgres/lexer.hpp"
#include "protocol/postgres/syntax_tree.hpp"
#include "protocol/postgres/tree_walk.hpp"

#include <algorithm>
#include <cctype>
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

bool has_word(std::string_view words, std::string_view wanted) {
  bool is_found = false;
  known::for_each_word(words, [&](std::string_view word) { is_found = is_found || word == wanted; });
  return is_found;
}

/// Whether calling it leaves nothing in the database that the follower must have. Sequences are brought over by the switchover.
bool is_harmless(const Catalogue& catalogue, std::string_view function) {
  constexpr std::string_view system_prefix = "pg_catalog.";
  const bool is_systems = function.starts_with(system_prefix);
  if (is_systems) function.remove_prefix(system_prefix.size());
  const std::size_t point = function.find('.');
  if (point == std::string_view::npos && has_word(known::quiet_functions, function)) return !function.starts_with("lo");
  const std::string_view schema = is_systems ? "pg_catalog"
                                  : point == std::string_view::npos ? std::string_view() : function.substr(0, point);
  const std::string_view name = point == std::string_view::npos ? function : function.substr(point + 1);
  return catalogue.judge_function(schema, name) == Catalogue::Verdict::stable;
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

/// Source: the same, "cannot be executed inside a transaction block".
bool is_outside_transactions(const PgQuery__Node& node) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_CREATEDB_STMT:
    case PG_QUERY__NODE__NODE_DROPDB_STMT:
    case PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT:
    case PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT:
    case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT: return true;
    case PG_QUERY__NODE__NODE_INDEX_STMT: return node.index_stmt->concurrent != 0;
    case PG_QUERY__NODE__NODE_DROP_STMT: return node.drop_stmt->concurrent != 0;
    default: return false;
  }
}

CaptureStatement read_definition(const PgQuery__Node& node, const StatementFacts& facts) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
    case PG_QUERY__NODE__NODE_CLUSTER_STMT:
    case PG_QUERY__NODE__NODE_REINDEX_STMT: return {};
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      if (facts.pin == PinReason::temporary_object || facts.may_begin.has(PinReason::temporary_object)) return {};
      return unsafe("makes a table of a query's result");
    case PG_QUERY__NODE__NODE_CREATE_STMT: {
      const PgQuery__RangeVar& relation = *node.create_stmt->relation;
      if (std::string_view(relation.relpersistence) != "t" && !std::string_view(relation.schemaname).starts_with("pg_temp")) break;
      CaptureStatement statement;
      statement.makes_temporary = true;
      statement.table = relation.relname;
      return statement;
    }
    default: break;
  }
  CaptureStatement statement = of_kind(Kind::text);
  statement.is_transactional = !is_outside_transactions(node);
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

/// The analyser has refused it, for its length or its depth, or its grammar is not known here.
std::shared_ptr<const CaptureText> unreadable(const StatementFacts& facts) {
  auto text = std::make_shared<CaptureText>();
  text->is_plain = false;
  text->statements.push_back(unsafe_alone(facts.because.empty() ? "cannot be read" : facts.because));
  return text;
}

bool is_prepare(const StatementFacts& facts) {
  return std::ranges::any_of(facts.changes, [](const SessionChange& change) { return change.kind == SessionChange::Kind::prepare; });
}

}  // namespace

std::string quote_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted.push_back(c);
    quoted.push_back(c);
  }
  return quoted + "\"";
}

namespace {

/// Up to this size a long INSERT is looked through, which takes about 5 ns per byte.
constexpr std::size_t shortened_bytes_max = std::size_t{4} << 20;

std::string folded(std::string_view word) {
  std::string name(word);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

/// INSERT … VALUES with many rows, as if it had the first one only: to the mirror all rows are alike, but for functions that
/// they call. Nothing: it is something else, or calls what may write.
std::optional<std::string> with_first_row(std::string_view text, const Catalogue& catalogue) {
  Lexer lexer(text);
  std::size_t depth = 0;
  std::size_t head_end = 0;  // behind the first row
  std::size_t rest_begin = text.size();
  bool is_in_rows = false;
  std::string before;        // the word in front of this token
  bool is_first = true;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.kind == TokenKind::broken || token.is_ambiguous) return std::nullopt;
    if (token.kind == TokenKind::comment) continue;
    const std::string_view written = text.substr(token.begin, token.end - token.begin);
    const bool is_word = token.kind == TokenKind::word || token.kind == TokenKind::quoted_name;
    if (std::exchange(is_first, false) && folded(written) != "insert") return std::nullopt;
    const bool is_part_of_row = written == "(" || written == ",";
    if (is_in_rows && depth == 0 && head_end != 0 && !is_part_of_row) {
      rest_begin = token.begin;
      break;
    }
    if (written == "(") {
      if (is_in_rows && depth > 0 && !before.empty() && before != "row" && before != "cast" && !is_harmless(catalogue, before)) return std::nullopt;
      ++depth;
    } else if (written == ")") {
      if (depth == 0) return std::nullopt;
      if (--depth == 0 && is_in_rows && head_end == 0) head_end = token.end;
    }
    before = is_word ? folded(written) : std::string();
    if (depth == 0 && before == "values") is_in_rows = true;
    if (depth == 0 && before == "select") return std::nullopt;
  }
  if (head_end == 0 || depth != 0) return std::nullopt;
  return std::string(text.substr(0, head_end)) + " " + std::string(text.substr(rest_begin));
}

}  // namespace

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
  if (is_quiet && facts.transaction_effect == TransactionEffect::none) return {plain_text(), 0};
  if (facts.statement_count == 0) {
    const std::optional<std::string> shorter =
        text.size() <= shortened_bytes_max ? with_first_row(text, analyser_.catalogue()) : std::nullopt;
    const Analysis of_shorter = shorter ? analyser_.analyse(*shorter) : analysis;
    if (of_shorter.facts->statement_count == 1) return {of_form(of_shorter, *shorter), last_token_end(text)};
    return {unreadable(facts), text.size()};
  }
  if (facts.statement_count != 1) return {parse(std::string(text), facts, analyser_.catalogue()), 0};
  return {of_form(analysis, text), last_token_end(text)};
}

}  // namespace protocol::postgres
