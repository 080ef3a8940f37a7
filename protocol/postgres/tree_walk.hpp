#pragma once

#include "protocol/postgres/catalogue.hpp"
#include "protocol/postgres/classifier.hpp"
#include "protocol/statement.hpp"

#include <pg_query/pg_query.pb-c.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {

/// A name with an optional schema. Views into a syntax tree.
struct QualifiedName {
  std::string_view schema;
  std::string_view name;
};

/// The name that a list of String nodes spells; both parts empty if it holds anything else.
[[nodiscard]] QualifiedName read_name(PgQuery__Node* const* parts, std::size_t count);
/// The value of a String node; empty for any other.
[[nodiscard]] std::string_view read_string(const PgQuery__Node* node);

/// Walks a syntax tree, whatever nodes it is made of, and notes in a StatementFacts what it reads, calls,
/// locks and writes. Generic by the descriptors of the nodes, so that none can be forgotten: only those that
/// mean something here are named.
class TreeWalk {
 public:
  TreeWalk(const Catalogue& catalogue, StatementFacts& facts) : catalogue_(catalogue), facts_(facts) {}

  /// May be null. The depth of the tree must have been bounded before: the walk recurses.
  void walk(const ProtobufCMessage* message);
  void walk(const PgQuery__Node* node) {
    if (node != nullptr) walk(&node->base);
  }

  /// Calls of set_config that were met and may last beyond the transaction.
  [[nodiscard]] std::size_t lasting_set_config_count() const { return lasting_set_configs_.size(); }
  /// The names in those calls; empty where they are not constant.
  [[nodiscard]] const std::vector<std::string>& lasting_set_configs() const { return lasting_set_configs_; }

 private:
  void walk_children(const ProtobufCMessage& message, std::string_view skipped_field);
  void walk_with_scope(const ProtobufCMessage& message, const PgQuery__WithClause* with);
  void enter_with(const PgQuery__WithClause& with);
  /// Looks at what the node itself says.
  void visit(const ProtobufCMessage& message);
  void visit_range(const PgQuery__RangeVar& range);
  void visit_call(const PgQuery__FuncCall& call);
  void visit_operator(const PgQuery__Node* const* parts, std::size_t count);
  void visit_expression(const PgQuery__AExpr& expression);
  void visit_set_config(const PgQuery__FuncCall& call);
  void visit_column(const PgQuery__ColumnRef& column);
  void visit_type(const PgQuery__TypeName& type);
  void pass_rows_to(const PgQuery__FuncCall& call);
  void note_row_source(std::string_view name);
  void visit_attribute(const PgQuery__Node* field);
  void visit_into(const PgQuery__IntoClause& into);
  void visit_lock(const PgQuery__LockingClause& lock);
  void visit_write_target(const PgQuery__RangeVar* target, std::string_view verb);
  void judge_call(QualifiedName called);

  const Catalogue& catalogue_;
  StatementFacts& facts_;
  std::vector<std::string_view> scope_;  ///< names of WITH queries that hide tables here
  std::vector<std::string> lasting_set_configs_;
  // A name alone that is a table's in FROM is the table's whole row.
  std::vector<std::string_view> row_sources_;
  std::vector<std::string_view> lone_columns_;
  std::vector<const PgQuery__ColumnRef*> passed_rows_;  ///< to a function that makes something else of them
};

/// What a call of set_config asks for, as far as its arguments are constants.
struct SetConfigCall {
  enum class Reach { session, transaction, unknown };
  Reach reach = Reach::unknown;
  bool is_constant = false;  ///< name and value are known
  std::string_view name;     ///< empty if not constant
  std::string_view value;
};

[[nodiscard]] bool is_set_config(const PgQuery__FuncCall& call);
[[nodiscard]] SetConfigCall read_set_config(const PgQuery__FuncCall& call);
/// A setting that decides whether transactions may write.
[[nodiscard]] bool is_read_only_setting(std::string_view folded_name);

}  // namespace protocol::postgres
