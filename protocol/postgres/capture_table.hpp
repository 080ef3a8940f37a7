#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace protocol::postgres {

/// What the mirror must know of a table before it captures its rows, as the asking user sees it.
struct CaptureTable {
  bool is_found = false;
  bool is_temporary = false;  ///< or an object of the system: nothing of it is carried
  std::string schema;
  std::string name;
  std::vector<std::string> columns;           ///< in the order of the table
  std::vector<std::string> key;               ///< the columns of the primary key; empty: none
  std::vector<std::string> generated;         ///< columns that cannot be written
  std::vector<std::string> fixed;             ///< columns that can be written only when a row is made
  std::vector<std::string> computed_defaults; ///< columns whose default is no constant
  std::vector<std::string> exact_numbers;     ///< columns of the key of a type whose sums are exact: integers, numeric
  bool is_key_deferrable = false;             ///< and not deferred unless SET CONSTRAINTS says so
  bool acts_on_itself = false;                ///< its foreign keys to itself, or back to it, act
  std::vector<std::string> acted_columns;     ///< whose change makes foreign keys of other tables act
  std::string action_obstacle;                ///< why rows that foreign keys act on would differ: for DELETE, and changes of acted_columns
  bool has_money = false;                     ///< a column whose text depends on lc_monetary
  bool skips_triggers = false;                ///< its triggers shape rows, and must not do so twice
  std::string obstacle;                       ///< why rows written to it cannot be captured; empty: they can
};

/// The question for one table, by the name that a statement used. Its answer is one row.
/// Source: PostgreSQL 15 manual, chapter 53 "System Catalogs".
[[nodiscard]] std::string capture_table_query(std::string_view schema, std::string_view table);

/// Reads the DataRow of an answer; nullopt when it is malformed.
[[nodiscard]] std::optional<CaptureTable> read_capture_table(ByteView data_row_payload);

/// Tables that were asked for, of one database. One per worker: not thread-safe.
class CaptureTableCache {
 public:
  /// Null: must be asked. `version` counts changes of the schema; what an earlier one said is forgotten.
  [[nodiscard]] const CaptureTable* find(std::uint64_t version, std::string_view user, std::string_view schema,
                                         std::string_view table);
  void clear() { tables_.clear(); }
  void insert(std::string_view user, std::string_view schema, std::string_view table, CaptureTable found);

 private:
  std::uint64_t version_ = 0;
  std::map<std::tuple<std::string, std::string, std::string>, CaptureTable> tables_;
};

}  // namespace protocol::postgres
