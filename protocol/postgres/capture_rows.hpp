#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/mirror_unit.hpp"
#include "protocol/postgres/capture_table.hpp"
#include "protocol/postgres/capture_text.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {

/// What is done with the replies to one statement. Made when its text was seen; shared by everything that runs it.
struct Tap {
  CaptureStatement statement;
  std::vector<std::string> tables;
  std::uint64_t fingerprint = 0;
  CaptureTable table;               ///< for rows and COPY
  std::uint64_t schema_version = 0; ///< when the table was asked for
  bool has_columns = false;         ///< our columns were asked for: they are taken out of what the client gets
  std::string old_key;              ///< not empty: an expression for the key before an UPDATE, which is asked for with each row
  std::vector<std::string> old_key_columns;  ///< of the key that it was made for
  std::string text;                 ///< of a statement that is carried as text
  std::string unsafe_because;       ///< not empty: what it writes is not carried
  RowChange change;                 ///< rows of the execution under way
  std::string trouble;              ///< why what this execution writes is not carried

  /// What it writes is carried, so it must run in a transaction whose end is seen.
  [[nodiscard]] bool is_carried() const { return has_columns || needs_surroundings(); }
  /// It is carried as a text, or as the data of a COPY: nothing that comes back tells the transaction's number.
  [[nodiscard]] bool needs_surroundings() const {
    return !text.empty() || (statement.kind == CaptureStatement::Kind::copy_in && unsafe_because.empty());
  }
};

/// Our columns stand behind the client's: the transaction's number, with the row's old key where that was asked for, and the whole row, both as text, so that the form of a
/// result (text or binary) is the same for them, and that no change of the table changes their types.
inline constexpr std::size_t tap_columns = 2;

/// What is put in behind the statement so that its rows are told: a RETURNING list, or more of it. `old_key`: see Tap.
[[nodiscard]] std::string tap_clause(const CaptureStatement& statement, std::string_view old_key = {});

/// The same RowDescription without our columns; nullopt when they are not in it.
[[nodiscard]] std::optional<Bytes> strip_row_description(ByteView payload);
/// Whether nothing is left of a RowDescription without our columns.
[[nodiscard]] bool is_ours_alone(ByteView row_description_payload);
/// The same DataRow without our columns. Precondition: read_tapped_row() has found them.
[[nodiscard]] Bytes strip_data_row(ByteView payload);

struct TappedRow {
  std::string transaction_id;
  std::vector<TextValue> old_key;  ///< where it was asked for
  std::vector<TextValue> values;  ///< of all columns of the table
};
/// Nullopt: malformed, or our columns are not in it.
[[nodiscard]] std::optional<TappedRow> read_tapped_row(ByteView payload);
/// Reads the text form of a row. Nullopt: malformed.
/// Source: PostgreSQL 15 manual, 8.16.6 "Composite Type Input and Output Syntax".
[[nodiscard]] std::optional<std::vector<TextValue>> read_row_text(std::string_view text);

/// Adds the row to `tap.change`. False: it does not fit what is known of the table.
[[nodiscard]] bool add_row(Tap& tap, TappedRow row);

/// A Bind that gives a form for our columns too; nullopt when it needs none, or is malformed.
[[nodiscard]] std::optional<Bytes> rewrite_bind(ByteView payload);

}  // namespace protocol::postgres
