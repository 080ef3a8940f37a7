#include "protocol/postgres/tree_walk.hpp"

#include <algorithm>
#include <array>

/// set_config(name, value, is_local), the form of SET that is a function.
/// Source: PostgreSQL 15 manual, 9.27.1 "Configuration Settings Functions".
namespace protocol::postgres {
namespace {

bool is_same_setting(std::string_view name, std::string_view folded) {
  return std::equal(name.begin(), name.end(), folded.begin(), folded.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b;
  });
}

struct Arguments {
  const PgQuery__Node* name = nullptr;
  const PgQuery__Node* value = nullptr;
  const PgQuery__Node* is_local = nullptr;
};

/// By position or by name; what is missing or misnamed stays null.
Arguments sort_arguments(const PgQuery__FuncCall& call) {
  Arguments arguments;
  std::array<const PgQuery__Node**, 3> by_position{&arguments.name, &arguments.value, &arguments.is_local};
  for (std::size_t i = 0; i < call.n_args && i < by_position.size(); ++i) {
    const PgQuery__Node* argument = call.args[i];
    if (argument->node_case != PG_QUERY__NODE__NODE_NAMED_ARG_EXPR) {
      *by_position[i] = argument;
      continue;
    }
    const std::string_view name = argument->named_arg_expr->name;
    if (name == "setting_name") arguments.name = argument->named_arg_expr->arg;
    if (name == "new_value") arguments.value = argument->named_arg_expr->arg;
    if (name == "is_local") arguments.is_local = argument->named_arg_expr->arg;
  }
  return arguments;
}

bool is_string_constant(const PgQuery__Node* node) {
  return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
         node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
}

}  // namespace

bool is_read_only_setting(std::string_view name) {
  return is_same_setting(name, "transaction_read_only") ||
         is_same_setting(name, "default_transaction_read_only");
}

bool is_set_config(const PgQuery__FuncCall& call) {
  const QualifiedName name = read_name(call.funcname, call.n_funcname);
  return name.name == "set_config" && (name.schema.empty() || name.schema == "pg_catalog");
}

SetConfigCall read_set_config(const PgQuery__FuncCall& call) {
  SetConfigCall change;
  const Arguments arguments = sort_arguments(call);
  if (is_string_constant(arguments.name)) change.name = read_string(arguments.name);
  change.value = read_string(arguments.value);
  change.is_constant = is_string_constant(arguments.name) && is_string_constant(arguments.value);
  const PgQuery__Node* is_local = arguments.is_local;
  if (is_local != nullptr && is_local->node_case == PG_QUERY__NODE__NODE_A_CONST &&
      is_local->a_const->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL) {
    change.reach = is_local->a_const->boolval->boolval != 0 ? SetConfigCall::Reach::transaction
                                                            : SetConfigCall::Reach::session;
  }
  return change;
}

}  // namespace protocol::postgres
