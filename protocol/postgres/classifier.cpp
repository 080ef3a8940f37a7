#include "protocol/postgres/classifier.hpp"

#include "protocol/postgres/statement_reader.hpp"
#include "protocol/postgres/syntax_tree.hpp"

#include <algorithm>

namespace protocol::postgres {
namespace {

std::string_view slice(const std::string& text, const PgQuery__RawStmt& raw) {
  const std::string_view whole = text;
  const std::size_t begin = std::min(static_cast<std::size_t>(std::max(raw.stmt_location, 0)), whole.size());
  return raw.stmt_len > 0 ? whole.substr(begin, static_cast<std::size_t>(raw.stmt_len)) : whole.substr(begin);
}

bool controls_transaction(const StatementFacts& facts) {
  return facts.transaction_effect != TransactionEffect::none &&
         facts.transaction_effect != TransactionEffect::inside;
}

template <class Value>
void move_all(std::vector<Value>& source, std::vector<Value>& target) {
  target.insert(target.end(), std::make_move_iterator(source.begin()), std::make_move_iterator(source.end()));
}

/// Adds the facts of one statement to those of the statements before it.
void merge(StatementFacts&& one, StatementFacts& all) {
  raise_class(all, one.statement_class, one.because);
  if (one.transaction_effect != TransactionEffect::none) all.transaction_effect = one.transaction_effect;
  if (one.pin != PinReason::none) note_pin(all, one.pin);
  all.may_begin.add(one.may_begin);
  all.may_end.add(one.may_end);
  if (!one.executes.empty()) all.executes = std::move(one.executes);
  all.may_leave_read_only = all.may_leave_read_only || one.may_leave_read_only;
  all.may_change_settings = all.may_change_settings || one.may_change_settings;
  all.wants_empty_database = all.wants_empty_database || one.wants_empty_database;
  move_all(one.login_changes, all.login_changes);
  move_all(one.tables, all.tables);
  move_all(one.functions, all.functions);
  move_all(one.types, all.types);
  all.has_whole_row = all.has_whole_row || one.has_whole_row;
  move_all(one.changes, all.changes);
}

}  // namespace

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

StatementFacts unknown_facts(std::string_view because) {
  StatementFacts facts;
  facts.statement_class = StatementClass::unknown;
  facts.pin = PinReason::untracked_state;
  facts.may_leave_read_only = true;
  facts.may_change_settings = true;
  facts.because = because;
  return facts;
}

Classified classify(const std::string& text, const Catalogue& catalogue) {
  const SyntaxTree tree(text);
  if (tree.root() == nullptr) return {unknown_facts("the parser cannot read it"), false};
  Classified result;
  result.is_shareable = true;
  StatementFacts& all = result.facts;
  all.statement_class = StatementClass::read;
  bool has_control = false;
  for (std::size_t i = 0; i < tree.root()->n_stmts; ++i) {
    const PgQuery__RawStmt& raw = *tree.root()->stmts[i];
    StatementReader reader(catalogue, slice(text, raw));
    StatementFacts one = reader.read(*raw.stmt);
    result.is_shareable = result.is_shareable && reader.is_shareable();
    has_control = has_control || controls_transaction(one);
    merge(std::move(one), all);
  }
  all.statement_count = static_cast<std::uint32_t>(tree.root()->n_stmts);
  if (has_control && all.statement_count > 1) {
    raise_class(all, StatementClass::write, "several statements with transaction control among them");
    all.transaction_effect = TransactionEffect::unclear;
  }
  sort_unique(all.tables);
  sort_unique(all.functions);
  sort_unique(all.types);
  return result;
}

}  // namespace protocol::postgres
