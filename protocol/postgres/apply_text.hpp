#pragma once

#include "protocol/apply_text.hpp"

#include <cstddef>

namespace protocol::postgres {

/// Rows in PostgreSQL's words: an upsert by primary key, which can be repeated; an INSERT where there is no key; a DELETE by key.
/// Values are parameters in text form, whose types the server takes from the columns.
/// Source: PostgreSQL 15, INSERT ("OVERRIDING SYSTEM VALUE", "ON CONFLICT Clause"), 10.5 "UNION, CASE, and Related Constructs".
class PostgresApplyText final : public ApplyText {
 public:
  /// Rows in one statement.
  static constexpr std::size_t rows_max = 200;
  /// The protocol counts parameters in 16 bits.
  /// Source: PostgreSQL 15, 55.7 "Message Formats", Bind.
  static constexpr std::size_t parameters_max = 65'535;
  /// Of values in one statement, if it has more than one row.
  static constexpr std::size_t bytes_max = std::size_t{4} << 20;

  /// Rows that are looked for as traces of a transaction.
  static constexpr std::size_t traces_max = 16;

  [[nodiscard]] std::vector<ApplyStep> steps_of(const MirrorUnit& unit) const override;
  [[nodiscard]] std::vector<ApplyStep> traces_of(const MirrorUnit& unit) const override;
};

}  // namespace protocol::postgres
