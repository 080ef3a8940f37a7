#pragma once

#include "protocol/base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace protocol {

/// A value as the server wrote it in its text form; nullopt: NULL.
using TextValue = std::optional<std::string>;

/// Rows of one table as a statement left them on the authority.
struct RowChange {
  enum class Kind : std::uint8_t {
    put,     ///< these rows exist with exactly these values: inserted or updated
    remove,  ///< no row with these keys exists
    move,    ///< the rows that had the keys in `old_keys`, one for each of `rows`, have these values now
  };
  Kind kind = Kind::put;
  std::string schema;
  std::string table;
  std::vector<std::string> columns;      ///< of every row; for remove the key alone. Generated columns are left out
  std::vector<std::string> key_columns;  ///< the primary key, a part of `columns`; empty: no key, and put only inserts
  std::vector<std::string> fixed_columns;  ///< a part of `columns`: written when a row is made, and never again (GENERATED ALWAYS AS IDENTITY)
  std::vector<std::vector<TextValue>> rows;
  std::vector<std::vector<TextValue>> old_keys;  ///< move: in the order of `key_columns`
  /// The key is looked at only at the end of a statement or of the transaction (DEFERRABLE): an upsert by it is not possible.
  bool is_key_deferrable = false;
  /// Removing a row may remove others of the same table (a foreign key to itself): of some, nothing may be left to remove.
  bool may_remove_others = false;
  /// The table's triggers have shaped these rows already and must not run again (session_replication_role = replica).
  bool skips_triggers = false;
  bool operator==(const RowChange&) const = default;
};

/// A statement that gives the same on both sides, carried as its text: DDL, TRUNCATE, COPY.
struct CarriedStatement {
  std::string text;
  std::string copy_data;    ///< the bytes between CopyInResponse and CopyDone; empty for all else
  bool is_barrier = false;  ///< earlier units first, then this one alone: DDL
  /// Settings under which the text was run: `search_path`, and `role` where objects must belong to the same owner.
  std::vector<std::pair<std::string, std::string>> settings;
  bool operator==(const CarriedStatement&) const = default;
};

/// One effect of a transaction, in its order. Exactly one of the two is there.
struct UnitItem {
  std::optional<RowChange> rows;
  std::optional<CarriedStatement> statement;
  bool operator==(const UnitItem&) const = default;
};

/// What a transaction of the authority is to do to the follower. Only what it committed counts: effects of savepoints
/// that were rolled back are not in it.
struct MirrorUnit {
  std::string database;
  std::string user;                ///< the client's, for the ledger
  std::string transaction_id;      ///< the authority's number of it (pg_current_xact_id()), to learn of its end; empty: unknown
  std::uint64_t last_write_done = 0;  ///< the process's counter when the reply to its last write had come
  bool is_two_phase = false;  ///< the authority prepares it, and it is committed when both sides have done so
  /// Settings under which the values in it are to be read: DateStyle, IntervalStyle, TimeZone.
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<UnitItem> items;
  bool operator==(const MirrorUnit&) const = default;
};

}  // namespace protocol
