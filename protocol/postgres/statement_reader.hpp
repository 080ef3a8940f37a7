#pragma once

#include "protocol/postgres/catalogue.hpp"
#include "protocol/postgres/tree_walk.hpp"
#include "protocol/statement.hpp"

#include <pg_query/pg_query.pb-c.h>

#include <string_view>

namespace protocol::postgres {

/// Turns the syntax tree of one statement into facts. For one statement; then thrown away.
class StatementReader {
 public:
  /// `source` is the statement's own text, for what has to be said again word for word.
  StatementReader(const Catalogue& catalogue, std::string_view source)
      : catalogue_(catalogue), source_(source) {}

  [[nodiscard]] StatementFacts read(const PgQuery__Node& statement);
  /// Valid after read: no literal of the text has any part in the facts.
  [[nodiscard]] bool is_shareable() const { return is_shareable_; }

 private:
  void read_statement(const PgQuery__Node& statement);
  void read_select(const PgQuery__Node& statement);
  void read_explain(const PgQuery__ExplainStmt& explain);
  void read_copy(const PgQuery__CopyStmt& copy, const PgQuery__Node& statement);
  void read_prepare(const PgQuery__PrepareStmt& prepare);
  void read_execute(const PgQuery__ExecuteStmt& execute);
  void read_declare(const PgQuery__DeclareCursorStmt& declare);
  void read_do(const PgQuery__DoStmt& block);
  void read_transaction(const PgQuery__TransactionStmt& transaction);
  void read_set(const PgQuery__VariableSetStmt& set);
  void read_set_several(const PgQuery__VariableSetStmt& set);
  void read_discard(const PgQuery__DiscardStmt& discard);
  void read_definition(const PgQuery__Node& statement);
  /// Whatever it is made of is walked.
  void read_any(const PgQuery__Node& statement, StatementClass statement_class, std::string_view because);
  void note_set_config(const PgQuery__SelectStmt& select, const TreeWalk& walk);
  void note_unseen_settings(const TreeWalk& walk);
  void note_names_in(std::string_view body);
  void note_change(SessionChange::Kind kind, std::string_view name = {}, std::string_view text = {});
  void set_class(StatementClass statement_class, std::string_view because) {
    raise_class(facts_, statement_class, because);
  }

  const Catalogue& catalogue_;
  std::string_view source_;
  StatementFacts facts_;
  bool is_shareable_ = false;
};

}  // namespace protocol::postgres
