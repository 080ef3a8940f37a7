#include "protocol/postgres/capture_definition.hpp"

#include "protocol/postgres/tree_walk.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

/// Source: PostgreSQL 15 manual, part VI "SQL Commands".
namespace protocol::postgres {
namespace {

using Kind = CaptureStatement::Kind;

CaptureStatement statement_of(Kind kind, std::string_view reason) {
  CaptureStatement statement;
  statement.kind = kind;
  statement.reason = reason;
  return statement;
}

/// "cannot be executed inside a transaction block".
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

/// Source: PostgreSQL 15 manual, 8.5.1.4 "Special Values".
bool is_moment(std::string_view text) {
  std::string word;
  for (const char c : text) {
    if (c != ' ') word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  constexpr std::array<std::string_view, 4> moments{"now", "today", "tomorrow", "yesterday"};
  return std::ranges::find(moments, word) != moments.end();
}

/// The same whenever and wherever it is computed, as far as the text tells: a constant, perhaps cast.
bool is_constant(const PgQuery__Node* node) {
  if (node == nullptr) return true;
  if (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) return is_constant(node->type_cast->arg);
  if (node->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
    const PgQuery__AArrayExpr& array = *node->a_array_expr;
    return std::all_of(array.elements, array.elements + array.n_elements, is_constant);
  }
  if (node->node_case != PG_QUERY__NODE__NODE_A_CONST) return false;
  const bool is_text = node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
  return !is_text || !is_moment(node->a_const->sval->sval);
}

bool is_serial(const PgQuery__TypeName* type) {
  if (type == nullptr) return false;
  constexpr std::array<std::string_view, 6> serials{"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"};
  return std::ranges::find(serials, read_name(type->names, type->n_names).name) != serials.end();
}

bool computes_default(const PgQuery__ColumnDef& column) {
  if (is_serial(column.type_name) || !is_constant(column.raw_default)) return true;
  for (std::size_t i = 0; i < column.n_constraints; ++i) {
    const PgQuery__Constraint& constraint = *column.constraints[i]->constraint;
    if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY) return true;
    if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT && !is_constant(constraint.raw_expr)) return true;
  }
  return false;
}

/// It fills rows that are there, with what may be different on each side: a new column with a default that is no constant, or a
/// type changed by calling functions.
bool computes_values(const PgQuery__AlterTableStmt& alter, const StatementFacts& facts) {
  for (std::size_t i = 0; i < alter.n_cmds; ++i) {
    const PgQuery__AlterTableCmd& command = *alter.cmds[i]->alter_table_cmd;
    if (command.def == nullptr || command.def->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF) continue;
    const PgQuery__ColumnDef& column = *command.def->column_def;
    if (command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn && computes_default(column)) return true;
    const bool is_using = command.subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType && column.raw_default != nullptr;
    if (is_using && !facts.functions.empty()) return true;
  }
  return false;
}

}  // namespace

CaptureStatement read_definition(const PgQuery__Node& node, const StatementFacts& facts) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
    case PG_QUERY__NODE__NODE_CLUSTER_STMT:
    case PG_QUERY__NODE__NODE_REINDEX_STMT: return {};
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      if (facts.pin == PinReason::temporary_object || facts.may_begin.has(PinReason::temporary_object)) return {};
      return statement_of(Kind::unsafe, "makes a table of a query's result");
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
  CaptureStatement statement = statement_of(Kind::text, {});
  statement.is_transactional = !is_outside_transactions(node);
  if (node.node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_STMT && computes_values(*node.alter_table_stmt, facts)) {
    statement.reason = "gives rows that are there values which each side computes for itself";
  }
  return statement;
}

}  // namespace protocol::postgres
