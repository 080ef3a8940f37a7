#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/statement.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace protocol::postgres {

/// A prepared statement of a session, however it came to be, or the one on servers that several sessions share.
/// Immutable; compared by address.
struct PreparedStatement {
  enum class Origin : std::uint8_t {
    protocol,  ///< a Parse message
    sql,       ///< PREPARE name AS …
    freed,     ///< no statement: from here on the name is free again
    all_freed, ///< no statement: from here on every name is
    shared,    ///< on servers, under a name of ours: see `shared`
  };
  std::string name;  ///< empty: the unnamed statement
  Origin origin = Origin::protocol;
  /// protocol, shared: the whole Parse message; empty when it was too large to keep, or when `shared` has it.
  Bytes parse_message;
  std::string sql_text;  ///< sql: the whole PREPARE statement
  std::shared_ptr<const StatementFacts> facts;  ///< null for a name that is being freed, and for shared
  std::shared_ptr<const CommentTags> tags;
  /// Types of parameters that the client has named by numbers which servers choose.
  std::vector<std::uint32_t> assigned_types;
  /// protocol: what a server holds for it, and for other sessions with the same text and types. Null: it is prepared
  /// under the client's own name.
  std::shared_ptr<const PreparedStatement> shared;
};

using PreparedStatementPointer = std::shared_ptr<const PreparedStatement>;

/// Whether `statement`, on its way, says what `name` will mean.
[[nodiscard]] inline bool concerns(const PreparedStatement& statement, std::string_view name) {
  return statement.origin == PreparedStatement::Origin::all_freed || statement.name == name;
}
/// No name means it: it is there for what it frees.
[[nodiscard]] inline bool is_freed(const PreparedStatement& statement) {
  return statement.origin == PreparedStatement::Origin::freed || statement.origin == PreparedStatement::Origin::all_freed;
}

/// Whether the one does wherever the other is expected.
[[nodiscard]] inline bool is_same(const PreparedStatement& left, const PreparedStatement& right) {
  if (&left == &right) return true;
  return left.origin == right.origin && left.name == right.name && left.sql_text == right.sql_text &&
         left.shared == right.shared && left.parse_message == right.parse_message &&
         !(left.sql_text.empty() && left.parse_message.empty());
}

/// A Parse, or what frees a name, that is sent and not answered yet.
struct UnderWay {
  PreparedStatementPointer statement;
  /// What was sent up to the same Sync: after an error the backend skips the rest of it, but nothing behind it.
  std::uint32_t segment = 0;
};

}  // namespace protocol::postgres
