#include "protocol/postgres/statement_reader.hpp"

#include "protocol/postgres/lexer.hpp"
#include "protocol/postgres/login_change_reader.hpp"
#include "protocol/postgres/quoting.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <string>

namespace protocol::postgres {
namespace {

/// Source: nodes/parsenodes.h of PostgreSQL 15, CURSOR_OPT_HOLD.
constexpr std::int32_t cursor_option_hold = 0x0020;

/// More names in a block of code are not looked at.
constexpr std::size_t names_in_code_max = 16;

/// An option of EXPLAIN that is on, or may be. Source: PostgreSQL 15 manual, "EXPLAIN".
bool may_be_on(const PgQuery__DefElem& option) {
  if (option.arg == nullptr) return true;
  if (option.arg->node_case == PG_QUERY__NODE__NODE_INTEGER) return option.arg->integer->ival != 0;
  std::string value(read_string(option.arg));
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::tolower(c); });
  return value != "false" && value != "off";
}

/// A SELECT that runs each of its expressions exactly once.
bool is_bare(const PgQuery__SelectStmt& select) {
  return select.n_from_clause == 0 && select.where_clause == nullptr && select.n_group_clause == 0 &&
         select.having_clause == nullptr && select.n_values_lists == 0 && select.limit_offset == nullptr &&
         select.limit_count == nullptr && select.with_clause == nullptr && select.larg == nullptr &&
         select.n_distinct_clause == 0 && select.n_sort_clause == 0;
}

std::string folded_text(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(), [](unsigned char c) { return std::tolower(c); });
  return folded;
}

/// Words of a DO block that may leave something behind in the session. A block is not parsed: it is in
/// another language.
bool may_change_session(std::string_view body) {
  const std::string folded = folded_text(body);
  for (const std::string_view word : {"temp", "listen", "set_config", "advisory", "execute", "load ",
                                      "prepare ", "discard", "set ", "reset "}) {
    if (folded.find(word) != std::string::npos) return true;
  }
  return false;
}

/// A library that a block loads, nobody can ask for.
bool may_load(std::string_view body) { return folded_text(body).find("load ") != std::string::npos; }

bool is_temporary_schema(std::string_view schema) {
  return schema == "pg_temp" || schema.starts_with("pg_temp_");
}

/// Some name of the statement is qualified with the schema of temporary objects.
bool names_temporary_schema(std::string_view source) {
  Lexer lexer(source);
  bool is_temporary = false;  // the name before this token
  for (Token token = lexer.next(); token.kind != TokenKind::end && token.kind != TokenKind::broken;
       token = lexer.next()) {
    if (token.kind == TokenKind::comment) continue;
    std::string name(source.substr(token.begin, token.end - token.begin));
    if (is_temporary && name == ".") return true;
    if (token.kind == TokenKind::quoted_name) name = name.substr(1, name.size() - 2);
    if (token.kind == TokenKind::word) {
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    }
    is_temporary = is_temporary_schema(name);
  }
  return false;
}

}  // namespace

StatementFacts StatementReader::read(const PgQuery__Node& statement) {
  facts_ = StatementFacts{};
  facts_.statement_class = StatementClass::read;
  facts_.statement_count = 1;
  is_shareable_ = false;
  read_statement(statement);
  sort_unique(facts_.tables);
  sort_unique(facts_.functions);
  return std::move(facts_);
}

void StatementReader::note_change(SessionChange::Kind kind, std::string_view name, std::string_view text) {
  facts_.changes.push_back({kind, std::string(name), std::string(text), {}});
}

void StatementReader::read_any(const PgQuery__Node& statement, StatementClass statement_class,
                               std::string_view because) {
  set_class(statement_class, because);
  TreeWalk walk(catalogue_, facts_);
  walk.walk(&statement);
  note_unseen_settings(walk);
}

void StatementReader::read_statement(const PgQuery__Node& statement) {
  switch (statement.node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
      return read_select(statement);
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      return read_explain(*statement.explain_stmt);
    case PG_QUERY__NODE__NODE_COPY_STMT:
      return read_copy(*statement.copy_stmt, statement);
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
      return read_prepare(*statement.prepare_stmt);
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
      return read_execute(*statement.execute_stmt);
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
      return read_declare(*statement.declare_cursor_stmt);
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
      return read_transaction(*statement.transaction_stmt);
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
      return read_set(*statement.variable_set_stmt);
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
      return read_discard(*statement.discard_stmt);
    case PG_QUERY__NODE__NODE_DO_STMT:
      return read_do(*statement.do_stmt);
    case PG_QUERY__NODE__NODE_CALL_STMT:
      facts_.transaction_effect = TransactionEffect::unclear;
      facts_.may_change_settings = true;
      return read_any(statement, StatementClass::write, "CALL");
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
      return set_class(StatementClass::session, "SHOW");
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT: {
      const std::string_view name = statement.deallocate_stmt->name;
      note_change(name.empty() ? SessionChange::Kind::deallocate_all : SessionChange::Kind::deallocate, name);
      return set_class(StatementClass::session, "DEALLOCATE");
    }
    case PG_QUERY__NODE__NODE_LISTEN_STMT:
      note_pin(facts_, PinReason::listen);
      return set_class(StatementClass::session, "LISTEN");
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
      if (std::string_view(statement.unlisten_stmt->conditionname).empty())
        note_change(SessionChange::Kind::unlisten_all);
      facts_.may_end.add(PinReason::listen);
      return set_class(StatementClass::session, "UNLISTEN");
    case PG_QUERY__NODE__NODE_LOAD_STMT:
      note_pin(facts_, PinReason::loaded_library);
      return set_class(StatementClass::session, "LOAD");
    case PG_QUERY__NODE__NODE_FETCH_STMT:
      return set_class(StatementClass::session, statement.fetch_stmt->ismove != 0 ? "MOVE" : "FETCH");
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
      if (std::string_view(statement.close_portal_stmt->portalname).empty())
        note_change(SessionChange::Kind::close_all_cursors);
      facts_.may_end.add(PinReason::hold_cursor);
      return set_class(StatementClass::session, "CLOSE");
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
      facts_.transaction_effect = TransactionEffect::inside;
      return set_class(StatementClass::session, "SET CONSTRAINTS");
    case PG_QUERY__NODE__NODE_NOTIFY_STMT:
      return set_class(StatementClass::write, "NOTIFY");
    case PG_QUERY__NODE__NODE_LOCK_STMT:
      return read_any(statement, StatementClass::write, "LOCK");
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
      return set_class(StatementClass::write, "CHECKPOINT");
    default:
      return read_definition(statement);
  }
}

void StatementReader::read_select(const PgQuery__Node& statement) {
  TreeWalk walk(catalogue_, facts_);
  walk.walk(&statement);
  is_shareable_ = true;
  const bool calls_set_config =
      std::find(facts_.functions.begin(), facts_.functions.end(), "set_config") != facts_.functions.end();
  if (!calls_set_config) return;
  // Which setting is changed to what is a matter of literals.
  is_shareable_ = false;
  if (statement.node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
    note_set_config(*statement.select_stmt, walk);
  } else {
    note_unseen_settings(walk);
  }
}

/// Calls of set_config were met whose outcome the text does not tell, or not for certain.
void StatementReader::note_unseen_settings(const TreeWalk& walk) {
  if (walk.lasting_set_config_count() == 0) return;
  note_pin(facts_, PinReason::untracked_state);
  for (const std::string& name : walk.lasting_set_configs()) note_change(SessionChange::Kind::set_unseen, folded_text(name));
}

void StatementReader::note_set_config(const PgQuery__SelectStmt& select, const TreeWalk& walk) {
  std::size_t understood = 0;
  for (std::size_t i = 0; i < select.n_target_list && is_bare(select); ++i) {
    const PgQuery__Node* value = select.target_list[i]->res_target->val;
    if (value == nullptr || value->node_case != PG_QUERY__NODE__NODE_FUNC_CALL ||
        !is_set_config(*value->func_call))
      continue;
    const SetConfigCall change = read_set_config(*value->func_call);
    std::string name(change.name);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (change.reach == SetConfigCall::Reach::transaction) note_change(SessionChange::Kind::set_local, name);
    if (change.reach != SetConfigCall::Reach::session || !change.is_constant) continue;
    ++understood;
    // Not as SET: that reads a list where the function reads one string.
    note_change(SessionChange::Kind::set, name,
                "SELECT pg_catalog.set_config(" + quote_literal(name) + ", " + quote_literal(change.value) +
                    ", false)");
    if (name == "search_path" && change.value.starts_with("pg_temp"))
      note_pin(facts_, PinReason::temporary_object);
  }
  if (understood < walk.lasting_set_config_count()) note_unseen_settings(walk);
}

void StatementReader::read_explain(const PgQuery__ExplainStmt& explain) {
  bool runs = false;
  for (std::size_t i = 0; i < explain.n_options; ++i) {
    const PgQuery__DefElem& option = *explain.options[i]->def_elem;
    if (std::string_view(option.defname) == "analyze") runs = may_be_on(option);
  }
  StatementReader inner(catalogue_, source_);
  StatementFacts facts = inner.read(*explain.query);
  if (runs) {
    facts_ = std::move(facts);
    if (!facts_.because.empty()) facts_.because.insert(0, "EXPLAIN ANALYZE of: ");
    return;
  }
  facts_.tables = std::move(facts.tables);
  facts_.functions = std::move(facts.functions);
  facts_.types = std::move(facts.types);
  if (facts.executes.empty()) return;
  // The plan is asked of the backend that has the statement.
  facts_.executes = std::move(facts.executes);
  set_class(StatementClass::unknown, "EXPLAIN EXECUTE");
}

void StatementReader::read_copy(const PgQuery__CopyStmt& copy, const PgQuery__Node& statement) {
  const bool is_to_client = std::string_view(copy.filename).empty() && copy.is_program == 0;
  if (copy.is_from != 0) return read_any(statement, StatementClass::write, "COPY FROM");
  if (!is_to_client)
    return read_any(statement, StatementClass::write, "COPY to a file or program of the server");
  read_any(statement, StatementClass::read, {});
}

void StatementReader::read_prepare(const PgQuery__PrepareStmt& prepare) {
  StatementReader inner(catalogue_, source_);
  auto facts = std::make_shared<const StatementFacts>(inner.read(*prepare.query));
  facts_.changes.push_back(
      {SessionChange::Kind::prepare, prepare.name, std::string(trim_statement(source_)), std::move(facts)});
  set_class(StatementClass::session, "PREPARE");
}

void StatementReader::read_execute(const PgQuery__ExecuteStmt& execute) {
  facts_.executes = execute.name;
  TreeWalk walk(catalogue_, facts_);
  for (std::size_t i = 0; i < execute.n_params; ++i) walk.walk(execute.params[i]);
  note_unseen_settings(walk);
  // Arguments that write make it a write whatever was prepared.
  if (facts_.statement_class == StatementClass::read) set_class(StatementClass::unknown, "EXECUTE");
}

void StatementReader::read_declare(const PgQuery__DeclareCursorStmt& declare) {
  StatementReader inner(catalogue_, source_);
  facts_ = inner.read(*declare.query);
  if (!facts_.changes.empty()) {
    // They come true when rows are fetched, if ever.
    facts_.changes.clear();
    note_pin(facts_, PinReason::untracked_state);
  }
  if ((declare.options & cursor_option_hold) != 0) note_pin(facts_, PinReason::hold_cursor);
}

/// Whatever in a block of code looks like the name of a setting with a point in it: the server is asked about it by name.
void StatementReader::note_names_in(std::string_view body) {
  const auto is_part_of_name = [](char c) { return (std::isalnum(static_cast<unsigned char>(c)) != 0) || c == '_' || c == '.'; };
  std::vector<std::string> names;
  for (std::size_t i = 0; i < body.size() && names.size() < names_in_code_max;) {
    std::size_t end = i;
    while (end < body.size() && is_part_of_name(body[end])) ++end;
    const std::string_view name = body.substr(i, end - i);
    const std::size_t point = name.find('.');
    const bool is_name = point != std::string_view::npos && point > 0 && point + 1 < name.size() &&
                         std::isdigit(static_cast<unsigned char>(name.front())) == 0;
    if (is_name) names.push_back(folded_text(name));
    i = end + 1;
  }
  sort_unique(names);
  for (const std::string& name : names) note_change(SessionChange::Kind::set_unseen, name);
}

void StatementReader::read_do(const PgQuery__DoStmt& block) {
  set_class(StatementClass::write, "DO");
  facts_.transaction_effect = TransactionEffect::unclear;
  facts_.may_leave_read_only = true;
  facts_.may_change_settings = true;
  for (std::size_t i = 0; i < block.n_args; ++i) {
    const PgQuery__DefElem& part = *block.args[i]->def_elem;
    if (std::string_view(part.defname) != "as") continue;
    if (may_change_session(read_string(part.arg))) {
      note_pin(facts_, PinReason::untracked_state);
      note_names_in(read_string(part.arg));
    }
    if (may_load(read_string(part.arg))) note_pin(facts_, PinReason::loaded_library);
  }
}

void StatementReader::read_discard(const PgQuery__DiscardStmt& discard) {
  set_class(StatementClass::session, "DISCARD");
  if (discard.target == PG_QUERY__DISCARD_MODE__DISCARD_ALL) note_change(SessionChange::Kind::discard_all);
  if (discard.target == PG_QUERY__DISCARD_MODE__DISCARD_TEMP)
    note_change(SessionChange::Kind::discard_temporary);
  if (discard.target == PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES)
    note_change(SessionChange::Kind::discard_sequences);
}

namespace {

/// Source: PostgreSQL 15 manual, CREATE DATABASE ("no other sessions can be connected to the template database"), DROP
/// DATABASE, ALTER DATABASE (RENAME TO and SET TABLESPACE).
bool wants_empty_database(const PgQuery__Node& statement) {
  switch (statement.node_case) {
    case PG_QUERY__NODE__NODE_CREATEDB_STMT:
    case PG_QUERY__NODE__NODE_DROPDB_STMT:
    case PG_QUERY__NODE__NODE_ALTER_DATABASE_STMT: return true;
    case PG_QUERY__NODE__NODE_RENAME_STMT:
      return statement.rename_stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE;
    default: return false;
  }
}

}  // namespace

void StatementReader::read_definition(const PgQuery__Node& statement) {
  read_any(statement, StatementClass::schema_change, "changes the schema or maintains it");
  facts_.wants_empty_database = wants_empty_database(statement);
  facts_.login_changes = read_login_changes(statement);
  const bool is_dropping = statement.node_case == PG_QUERY__NODE__NODE_DROP_STMT ||
                           statement.node_case == PG_QUERY__NODE__NODE_DROP_OWNED_STMT;
  if (is_dropping) facts_.may_end.add(PinReason::temporary_object);
  if (names_temporary_schema(source_) && !is_dropping) note_pin(facts_, PinReason::temporary_object);
  // Gone with the transaction that makes it.
  const auto forget_temporary = [&] {
    if (facts_.pin == PinReason::temporary_object) facts_.pin = PinReason::none;
    facts_.may_begin.remove(PinReason::temporary_object);
  };
  if (statement.node_case == PG_QUERY__NODE__NODE_CREATE_STMT &&
      statement.create_stmt->oncommit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP) {
    forget_temporary();
  }
  if (statement.node_case == PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT) {
    const PgQuery__CreateTableAsStmt& create = *statement.create_table_as_stmt;
    if (create.into != nullptr && create.into->on_commit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP) forget_temporary();
    if (create.query != nullptr && create.query->node_case == PG_QUERY__NODE__NODE_EXECUTE_STMT) {
      facts_.executes = create.query->execute_stmt->name;
    }
  }
  if (statement.node_case == PG_QUERY__NODE__NODE_DROP_STMT) {
    const PgQuery__DropStmt& drop = *statement.drop_stmt;
    for (std::size_t i = 0; i < drop.n_objects; ++i) {
      if (drop.objects[i]->node_case != PG_QUERY__NODE__NODE_LIST) continue;
      const PgQuery__List& parts = *drop.objects[i]->list;
      const QualifiedName name = read_name(parts.items, parts.n_items);
      if (name.name.empty()) continue;
      facts_.tables.push_back(name.schema.empty() ? std::string(name.name)
                                                  : std::string(name.schema) + "." + std::string(name.name));
    }
  }
}

}  // namespace protocol::postgres
