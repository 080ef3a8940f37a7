#pragma once

#include "protocol/catalogue_rows.hpp"
#include "protocol/statement.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace protocol::postgres {

/// Types from this number on are numbered by each server as it comes to them; those below are the same everywhere.
/// Source: PostgreSQL 15 manual, 74.2.2 "OID Assignment": 1 to 9999 are for manual assignment.
inline constexpr std::uint32_t assigned_type_min = 10'000;

/// A type that a database defines, and that the two sides do not have alike.
struct TypeDifference {
  std::string name;         ///< schema.name
  std::string kind;         ///< "enum", "domain", "composite", "range", "array", "base"
  std::uint32_t blue = 0;   ///< its number there; 0: blue has no such type
  std::uint32_t green = 0;  ///< likewise
  bool operator==(const TypeDifference&) const = default;
};

/// What the two sides of one database say about its types: an immutable snapshot, shared by threads. Drivers remember the
/// numbers of types: what they learnt on one side must not meet the other one where it numbers differently.
class TypeComparison {
 public:
  /// From the rows that type_query() yields on each side; rows of other kinds are skipped.
  [[nodiscard]] static std::shared_ptr<const TypeComparison> of(std::span<const CatalogueRow> blue,
                                                                std::span<const CatalogueRow> green);

  /// Sorted by name. Types of rows are not among them.
  [[nodiscard]] const std::vector<TypeDifference>& differences() const { return differences_; }
  /// Both sides number everything alike, the rows of tables included: the one is a copy of the other's files.
  [[nodiscard]] bool is_identical() const { return differences_.empty() && are_rows_alike_; }
  /// A type that both sides know by this number.
  [[nodiscard]] bool is_common(std::uint32_t type) const;
  /// Its result, its parameters or what it asks may hold the number of a type that differs. Not seen: an operator over the
  /// system's types whose result is a type of the database's own.
  [[nodiscard]] bool concerns(const StatementFacts& facts) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <class Value>
  using Map = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  struct Side;

  void compare(const Side& blue, const Side& green);
  void find_hazards(const Side& side, const Side& other_side);
  void note_uses(const Side& side);
  [[nodiscard]] bool concerns_table(std::string_view table) const;
  [[nodiscard]] bool concerns_type(std::string_view type) const;

  std::vector<TypeDifference> differences_;
  std::unordered_set<std::uint32_t> common_;
  std::unordered_set<std::string> hazards_;  ///< by schema, NUL and name: what holds or is a number that differs
  /// By name and by schema.name; true: it gives out a type that differs.
  Map<bool> relations_;
  Map<bool> functions_;
  Map<bool> types_;
  bool are_rows_alike_ = false;
  bool has_hazardous_relation_ = false;
};

/// The rows that a comparison needs, as catalogue_query() yields its own: for the side whose functions nobody asks about.
[[nodiscard]] std::string type_query();

}  // namespace protocol::postgres
