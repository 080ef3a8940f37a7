#include "protocol/postgres/tree_walk.hpp"

#include "protocol/postgres/known_functions.hpp"

#include <algorithm>
#include <set>

namespace protocol::postgres {
namespace {

template <class Node>
const Node& as(const ProtobufCMessage& message) {
  return reinterpret_cast<const Node&>(message);
}

bool is(const ProtobufCMessage& message, const ProtobufCMessageDescriptor& descriptor) {
  return message.descriptor == &descriptor;
}

/// Names that a call by name of the system catalogue may have.
bool is_system(QualifiedName name) {
  return name.schema.empty() || name.schema == "pg_catalog";
}

std::string spell(QualifiedName name) {
  std::string spelt;
  if (!name.schema.empty()) spelt.append(name.schema).push_back('.');
  return spelt.append(name.name);
}

bool is_session_lock(std::string_view name) {
  return name == "pg_advisory_lock" || name == "pg_advisory_lock_shared" || name == "pg_try_advisory_lock" ||
         name == "pg_try_advisory_lock_shared";
}

/// Locks that it gives back, or may have asked for in vain, the server knows.
bool is_doubtful_lock_call(std::string_view name) {
  return name == "pg_advisory_unlock" || name == "pg_advisory_unlock_shared" || name == "pg_try_advisory_lock" ||
         name == "pg_try_advisory_lock_shared";
}

bool is_quiet(std::string_view name) {
  static const std::set<std::string_view> names = [] {
    std::set<std::string_view> all;
    known::for_each_word(known::quiet_functions, [&](std::string_view word) { all.insert(word); });
    return all;
  }();
  return names.count(name) != 0;
}

/// Functions of the extension dblink that leave something open in the session.
bool is_lasting_link(std::string_view name) {
  return name == "dblink_connect" || name == "dblink_connect_u" || name == "dblink_open" ||
         name == "dblink_send_query";
}

/// Beyond it a text counts as one that gives out rows.
constexpr std::size_t lone_columns_max = 1000;

template <class Value>
const Value& value_at(const ProtobufCMessage& message, unsigned offset) {
  return *reinterpret_cast<const Value*>(reinterpret_cast<const char*>(&message) + offset);
}

const PgQuery__WithClause* find_with(const ProtobufCMessage& message) {
  if (is(message, pg_query__select_stmt__descriptor)) return as<PgQuery__SelectStmt>(message).with_clause;
  if (is(message, pg_query__insert_stmt__descriptor)) return as<PgQuery__InsertStmt>(message).with_clause;
  if (is(message, pg_query__update_stmt__descriptor)) return as<PgQuery__UpdateStmt>(message).with_clause;
  if (is(message, pg_query__delete_stmt__descriptor)) return as<PgQuery__DeleteStmt>(message).with_clause;
  if (is(message, pg_query__merge_stmt__descriptor)) return as<PgQuery__MergeStmt>(message).with_clause;
  return nullptr;
}

}  // namespace

std::string_view read_string(const PgQuery__Node* node) {
  if (node == nullptr) return {};
  if (node->node_case == PG_QUERY__NODE__NODE_STRING) return node->string->sval;
  if (node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
      node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL) {
    return node->a_const->sval->sval;
  }
  return {};
}

QualifiedName read_name(PgQuery__Node* const* parts, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (parts[i]->node_case != PG_QUERY__NODE__NODE_STRING) return {};
  }
  if (count == 0) return {};
  // With three parts the first is the database, which can only be the current one.
  return {count > 1 ? parts[count - 2]->string->sval : "", parts[count - 1]->string->sval};
}

void raise_class(StatementFacts& facts, StatementClass statement_class, std::string_view because) {
  if (statement_class <= facts.statement_class) return;
  facts.statement_class = statement_class;
  facts.because = because;
}

void note_pin(StatementFacts& facts, PinReason reason) {
  if (facts.pin != PinReason::none && facts.pin != reason) facts.may_begin.add(facts.pin);
  facts.pin = reason;
}

void TreeWalk::walk(const ProtobufCMessage* message) {
  if (message == nullptr) return;
  if (is(*message, pg_query__node__descriptor)) {
    // A node is a union of pointers to messages: whichever it is, it lies where they all lie.
    const auto& node = as<PgQuery__Node>(*message);
    if (node.node_case != PG_QUERY__NODE__NODE__NOT_SET) walk(&node.alias->base);
    return;
  }
  if (const PgQuery__WithClause* with = find_with(*message); with != nullptr)
    return walk_with_scope(*message, with);
  visit(*message);
  if (is(*message, pg_query__locking_clause__descriptor)) return;  // names aliases, not tables
  walk_children(*message, {});
}

void TreeWalk::walk_with_scope(const ProtobufCMessage& message, const PgQuery__WithClause* with) {
  const std::size_t outer = scope_.size();
  enter_with(*with);
  visit(message);
  walk_children(message, "with_clause");
  scope_.resize(outer);
}

/// Source: PostgreSQL 15 manual, 7.8 "WITH Queries": without RECURSIVE a query sees those before it only.
void TreeWalk::enter_with(const PgQuery__WithClause& with) {
  if (with.recursive != 0) {
    for (std::size_t i = 0; i < with.n_ctes; ++i) scope_.push_back(with.ctes[i]->common_table_expr->ctename);
  }
  for (std::size_t i = 0; i < with.n_ctes; ++i) {
    walk(with.ctes[i]);
    if (with.recursive == 0) scope_.push_back(with.ctes[i]->common_table_expr->ctename);
  }
}

void TreeWalk::walk_children(const ProtobufCMessage& message, std::string_view skipped_field) {
  const ProtobufCMessageDescriptor& descriptor = *message.descriptor;
  for (unsigned i = 0; i < descriptor.n_fields; ++i) {
    const ProtobufCFieldDescriptor& field = descriptor.fields[i];
    if (field.type != PROTOBUF_C_TYPE_MESSAGE || field.name == skipped_field) continue;
    if (field.label == PROTOBUF_C_LABEL_REPEATED) {
      const std::size_t count = value_at<std::size_t>(message, field.quantifier_offset);
      auto* const* children = value_at<ProtobufCMessage* const*>(message, field.offset);
      for (std::size_t k = 0; k < count; ++k) walk(children[k]);
      continue;
    }
    const bool is_choice = (field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (is_choice && value_at<std::uint32_t>(message, field.quantifier_offset) != field.id) continue;
    walk(value_at<const ProtobufCMessage*>(message, field.offset));
  }
}

void TreeWalk::visit(const ProtobufCMessage& message) {
  if (is(message, pg_query__range_var__descriptor)) return visit_range(as<PgQuery__RangeVar>(message));
  if (is(message, pg_query__func_call__descriptor)) return visit_call(as<PgQuery__FuncCall>(message));
  if (is(message, pg_query__a__expr__descriptor)) return visit_expression(as<PgQuery__AExpr>(message));
  if (is(message, pg_query__locking_clause__descriptor))
    return visit_lock(as<PgQuery__LockingClause>(message));
  if (is(message, pg_query__into_clause__descriptor)) return visit_into(as<PgQuery__IntoClause>(message));
  if (is(message, pg_query__insert_stmt__descriptor)) {
    return visit_write_target(as<PgQuery__InsertStmt>(message).relation, "INSERT");
  }
  if (is(message, pg_query__update_stmt__descriptor)) {
    return visit_write_target(as<PgQuery__UpdateStmt>(message).relation, "UPDATE");
  }
  if (is(message, pg_query__delete_stmt__descriptor)) {
    return visit_write_target(as<PgQuery__DeleteStmt>(message).relation, "DELETE");
  }
  if (is(message, pg_query__merge_stmt__descriptor)) {
    return visit_write_target(as<PgQuery__MergeStmt>(message).relation, "MERGE");
  }
  if (is(message, pg_query__sub_link__descriptor)) {
    const auto& link = as<PgQuery__SubLink>(message);
    return visit_operator(link.oper_name, link.n_oper_name);
  }
  if (is(message, pg_query__sort_by__descriptor)) {
    const auto& sort = as<PgQuery__SortBy>(message);
    return visit_operator(sort.use_op, sort.n_use_op);
  }
  if (is(message, pg_query__range_table_sample__descriptor)) {
    const auto& sample = as<PgQuery__RangeTableSample>(message);
    return judge_call(read_name(sample.method, sample.n_method));
  }
  if (is(message, pg_query__column_ref__descriptor)) {
    return visit_column(as<PgQuery__ColumnRef>(message));
  }
  if (is(message, pg_query__type_name__descriptor)) return visit_type(as<PgQuery__TypeName>(message));
  if (is(message, pg_query__a__indirection__descriptor)) {
    const auto& indirection = as<PgQuery__AIndirection>(message);
    for (std::size_t i = 0; i < indirection.n_indirection; ++i) visit_attribute(indirection.indirection[i]);
  }
}

void TreeWalk::visit_range(const PgQuery__RangeVar& range) {
  const QualifiedName name{range.schemaname, range.relname};
  if (std::string_view(range.relpersistence) == "t") note_pin(facts_, PinReason::temporary_object);
  if (name.schema.empty() && std::find(scope_.begin(), scope_.end(), name.name) != scope_.end()) return;
  facts_.tables.push_back(spell(name));
  note_row_source(range.alias != nullptr ? std::string_view(range.alias->aliasname) : name.name);
  const std::string_view hidden = catalogue_.find_hidden_call(name.schema, name.name);
  if (hidden.empty()) return;
  std::string because = "reads " + spell(name);
  if (hidden != name.name) because.append(", which calls ").append(hidden);
  raise_class(facts_, StatementClass::write, because);
}

void TreeWalk::visit_write_target(const PgQuery__RangeVar* target, std::string_view verb) {
  raise_class(facts_, StatementClass::write, verb);
  if (target == nullptr) return;
  // A target is never a WITH query, even under the same name.
  const QualifiedName name{target->schemaname, target->relname};
  facts_.tables.push_back(spell(name));
  if (is_system(name) && name.name == "pg_settings") {
    // A rule turns this into set_config.
    note_pin(facts_, PinReason::untracked_state);
    facts_.may_leave_read_only = true;
  }
}

void TreeWalk::visit_lock(const PgQuery__LockingClause& lock) {
  const bool is_exclusive = lock.strength == PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORUPDATE ||
                            lock.strength == PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORNOKEYUPDATE;
  raise_class(facts_, StatementClass::write,
              is_exclusive ? "locks rows (FOR UPDATE)" : "locks rows (FOR SHARE)");
}

void TreeWalk::visit_into(const PgQuery__IntoClause& into) {
  raise_class(facts_, StatementClass::schema_change, "creates a table");
  const bool is_dropped_soon = into.on_commit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP;
  if (into.rel != nullptr && std::string_view(into.rel->schemaname).starts_with("pg_temp") &&
      !is_dropped_soon) {
    note_pin(facts_, PinReason::temporary_object);
  }
}

void TreeWalk::visit_call(const PgQuery__FuncCall& call) {
  const QualifiedName called = read_name(call.funcname, call.n_funcname);
  if (is_set_config(call)) visit_set_config(call);
  if (is_system(called)) {
    pass_rows_to(call);
    if (is_session_lock(called.name)) note_pin(facts_, PinReason::advisory_lock);
    if (is_doubtful_lock_call(called.name)) facts_.may_end.add(PinReason::advisory_lock);
    if (called.name == "currval" || called.name == "lastval") note_pin(facts_, PinReason::sequence_value);
    if (called.name == "setseed") note_pin(facts_, PinReason::random_seed);
    if (called.name == "pg_advisory_unlock_all") {
      facts_.changes.push_back({SessionChange::Kind::unlock_all, {}, {}, {}});
    }
  }
  if (is_lasting_link(called.name)) note_pin(facts_, PinReason::external_link);
  judge_call(called);
}

void TreeWalk::judge_call(QualifiedName called) {
  // The grammar spells many a call with the system's schema; the reader of facts need not know which.
  facts_.functions.push_back(called.schema == "pg_catalog" ? std::string(called.name) : spell(called));
  const Catalogue::Verdict verdict = catalogue_.judge_function(called.schema, called.name);
  // What the system's own functions set is seen in their arguments. A name without a schema that the system has, too,
  // is taken for the system's.
  const bool is_systems_own =
      is_system(called) && (is_quiet(called.name) ||
                            catalogue_.judge_function("pg_catalog", called.name) != Catalogue::Verdict::unknown);
  if (verdict != Catalogue::Verdict::stable && !is_systems_own) facts_.may_change_settings = true;
  switch (verdict) {
    case Catalogue::Verdict::stable:
      return;
    case Catalogue::Verdict::unstable:
      return raise_class(facts_, StatementClass::write,
                         "calls " + spell(called) + ", which may change something");
    case Catalogue::Verdict::unknown:
      return raise_class(facts_, StatementClass::write,
                         "calls " + spell(called) + ", which is not known to be stable");
  }
}

void TreeWalk::visit_operator(const PgQuery__Node* const* parts, std::size_t count) {
  if (count == 0) return;
  const QualifiedName name = read_name(const_cast<PgQuery__Node* const*>(parts), count);
  if (catalogue_.judge_operator(name.schema, name.name) == Catalogue::Verdict::stable) return;
  raise_class(facts_, StatementClass::write,
              "uses operator " + spell(name) + ", which is not known to be stable");
}

void TreeWalk::visit_expression(const PgQuery__AExpr& expression) {
  switch (expression.kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
      // Its name is words; it stands for these two and their opposites.
      for (const std::string_view name : {"<", "<=", ">", ">="}) {
        if (catalogue_.judge_operator({}, name) == Catalogue::Verdict::unstable) {
          raise_class(facts_, StatementClass::write,
                      "uses BETWEEN over an operator that may change something");
        }
      }
      return;
    default:
      return visit_operator(expression.name, expression.n_name);
  }
}

/// Source: PostgreSQL 15 manual, 8.16.5 "Using Composite Types in Queries": a table's name or alias as a value is its row.
void TreeWalk::visit_column(const PgQuery__ColumnRef& column) {
  if (column.n_fields > 1) return visit_attribute(column.fields[column.n_fields - 1]);
  if (std::find(passed_rows_.begin(), passed_rows_.end(), &column) != passed_rows_.end()) return;
  const std::string_view name = column.n_fields == 1 ? read_string(column.fields[0]) : std::string_view();
  if (name.empty() || facts_.has_whole_row) return;
  facts_.has_whole_row = std::find(row_sources_.begin(), row_sources_.end(), name) != row_sources_.end();
  if (lone_columns_.size() < lone_columns_max) lone_columns_.push_back(name);
  if (lone_columns_.size() == lone_columns_max) facts_.has_whole_row = true;
}

void TreeWalk::note_row_source(std::string_view name) {
  row_sources_.push_back(name);
  if (std::find(lone_columns_.begin(), lone_columns_.end(), name) != lone_columns_.end()) facts_.has_whole_row = true;
}

/// What these functions make of a row does not tell its type.
void TreeWalk::pass_rows_to(const PgQuery__FuncCall& call) {
  static constexpr std::string_view consumers =
      "count row_to_json to_json to_jsonb json_agg jsonb_agg json_build_object jsonb_build_object json_build_array jsonb_build_array "
      "json_object_agg jsonb_object_agg num_nulls num_nonnulls";
  const QualifiedName called = read_name(call.funcname, call.n_funcname);
  if (!known::has_word(consumers, called.name)) return;
  for (std::size_t i = 0; i < call.n_args; ++i) {
    if (call.args[i]->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) passed_rows_.push_back(call.args[i]->column_ref);
  }
}

/// The system's own types are numbered alike everywhere; the values of some are numbers of other things.
void TreeWalk::visit_type(const PgQuery__TypeName& type) {
  const QualifiedName name = read_name(type.names, type.n_names);
  const bool is_systems_own = name.schema == "pg_catalog" && !name.name.starts_with("reg");
  if (!name.name.empty() && !is_systems_own) facts_.types.push_back(name.schema == "pg_catalog" ? std::string(name.name) : spell(name));
}

void TreeWalk::visit_attribute(const PgQuery__Node* field) {
  // `value.name` calls name(value) if value has no such column.
  const std::string_view name = read_string(field);
  if (name.empty() || !catalogue_.is_attribute_call(name)) return;
  raise_class(facts_, StatementClass::write,
              "may call " + std::string(name) + ", which may change something");
}

void TreeWalk::visit_set_config(const PgQuery__FuncCall& call) {
  const SetConfigCall change = read_set_config(call);
  if (change.name.empty() || is_read_only_setting(change.name)) facts_.may_leave_read_only = true;
  if (change.reach != SetConfigCall::Reach::transaction) lasting_set_configs_.emplace_back(change.name);
}

}  // namespace protocol::postgres
