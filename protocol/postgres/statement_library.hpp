#pragma once

#include "protocol/postgres/analyser.hpp"
#include "protocol/postgres/prepared_statement.hpp"
#include "protocol/postgres/session_state.hpp"
#include "protocol/postgres/text_cache.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace protocol::postgres {

/// Number of what a text means something in: the database, and the settings that parsing it depends on.
using SurroundingsNumber = std::uint32_t;

/// The prepared statements of all sessions of one worker: equal ones are one object. Bounded: what is driven out
/// lives on in the sessions that use it, and is made anew for the next.
class StatementLibrary {
 public:
  /// `schema_version` counts changes of the schema, over all workers of the pair, and outlives this. No other worker has
  /// the same `name_prefix`: a connection may move to another worker with the statements that it holds.
  StatementLibrary(std::atomic<std::uint64_t>& schema_version, std::string name_prefix);

  enum class Sharing : std::uint8_t {
    own_name,  ///< servers know it by the client's name
    shared,    ///< by a name of ours, together with everybody else's of the same text and types
  };
  /// The statement of a Parse message. `frame` is the whole message and well-formed.
  [[nodiscard]] PreparedStatementPointer find_or_make(ByteView frame, const Analysis& analysis,
                                                      SurroundingsNumber surroundings, Sharing sharing);
  /// Equal where the same text means the same. Settings that have no say in parsing are left out.
  [[nodiscard]] SurroundingsNumber surroundings_of(std::string_view database, const Settings& settings,
                                                   const ParameterMap& parameters);
  /// Statements that were prepared under an earlier one may be out of date.
  [[nodiscard]] std::uint64_t schema_version() const { return schema_version_.load(std::memory_order_relaxed); }
  void note_schema_change() { schema_version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  struct Known {
    mutable PreparedStatementPointer statement;  ///< replaced when the analysis of its text has changed
    SurroundingsNumber surroundings = 0;
  };
  [[nodiscard]] PreparedStatementPointer find_or_make_shared(ByteView frame, std::size_t body_at,
                                                             SurroundingsNumber surroundings);

  std::atomic<std::uint64_t>& schema_version_;
  const std::string name_prefix_;
  TextCache<Known> statements_;  ///< by the client's Parse message
  TextCache<Known> shared_;      ///< by what follows the name in it
  std::map<std::string, SurroundingsNumber, std::less<>> surroundings_;
  std::string key_;              ///< scratch
  SurroundingsNumber last_surroundings_ = 0;
  std::uint64_t last_name_ = 0;
};

/// The Parse message of `statement` with another name.
[[nodiscard]] Bytes renamed_parse(ByteView parse_message, std::string_view name);
/// Of the types that a whole Parse message names for its parameters, those whose numbers servers choose.
[[nodiscard]] std::vector<std::uint32_t> assigned_types_of(ByteView parse_message);

}  // namespace protocol::postgres
