#pragma once

#include "protocol/postgres/catalogue.hpp"
#include "protocol/statement.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {

struct Classified {
  StatementFacts facts;
  /// The facts follow from the normal form of the text alone and hold for every text of that form.
  bool is_shareable = false;
};

/// Parses `text` with PostgreSQL's own grammar and judges every statement in it. Text that cannot be parsed
/// is of class unknown. Precondition: no NUL in `text`, its depth is bounded.
[[nodiscard]] Classified classify(const std::string& text, const Catalogue& catalogue);

/// The facts of a text that was not parsed: class unknown, and its effect on the session is not known either.
[[nodiscard]] StatementFacts unknown_facts(std::string_view because);

/// Makes `facts` at least as strict as `statement_class`; `because` is kept from the first that was
/// strictest.
void raise_class(StatementFacts& facts, StatementClass statement_class, std::string_view because);

/// Adds a pin; one that is there already stays as something that the statement may have made, too.
void note_pin(StatementFacts& facts, PinReason reason);

void sort_unique(std::vector<std::string>& names);

}  // namespace protocol::postgres
