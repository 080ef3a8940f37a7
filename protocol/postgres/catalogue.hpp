#pragma once

#include "protocol/catalogue_rows.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace protocol::postgres {

/// What one database says about its functions, operators and views: an immutable snapshot, shared by threads.
/// Unqualified names are judged by all schemas together, because search_path decides which one is meant and
/// the types of arguments decide which overload.
///
/// Not seen, because a statement does not name them: the input and output functions of types, casts,
/// operators that GROUP BY or JOIN USING choose by themselves, and what a function declared stable calls in
/// truth.
class Catalogue {
 public:
  enum class Verdict : std::uint8_t {
    stable,    ///< changes nothing, whichever overload is meant
    unstable,  ///< at least one overload may change something or belongs to the side of writes
    unknown,   ///< no such name
  };

  /// From the rows that catalogue_query() yields; rows of unknown kinds are skipped.
  [[nodiscard]] static std::shared_ptr<const Catalogue> from_rows(std::span<const CatalogueRow> rows);
  /// What is known without a database. Relations are believed to be plain tables.
  [[nodiscard]] static std::shared_ptr<const Catalogue> built_in();

  /// `schema` is empty for an unqualified name. Names are as PostgreSQL folds them.
  [[nodiscard]] Verdict judge_function(std::string_view schema, std::string_view name) const;
  [[nodiscard]] Verdict judge_operator(std::string_view schema, std::string_view name) const;
  /// The function that reading the relation calls, if it is one to be careful about; empty if there is none.
  [[nodiscard]] std::string_view find_hidden_call(std::string_view schema, std::string_view relation) const;
  /// `value.name` may call a function that is not stable.
  [[nodiscard]] bool is_attribute_call(std::string_view name) const;

  /// Settings with a point in their names that functions may set, folded and in order: a server does not list them. Not
  /// seen are names that a function puts together, and those in functions whose body is kept parsed.
  [[nodiscard]] const std::vector<std::string>& custom_settings() const { return custom_settings_; }

  /// Equal for catalogues with equal content, whatever the order of the rows was.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <class Value>
  using Map = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  void add_function(std::string_view schema, std::string_view name, bool is_stable);
  void add_operator(std::string_view schema, std::string_view name, bool is_stable);
  void add_row(const CatalogueRow& row);
  void add_system_relations();

  Map<bool> functions_;  ///< by name, and by schema and name; true: stable
  Map<bool> operators_;
  Map<std::string> hidden_calls_;
  std::unordered_set<std::string, Hash, std::equal_to<>> attribute_calls_;
  std::vector<std::string> custom_settings_;
  std::uint64_t digest_ = 0;
};

/// The query that yields the rows, for PostgreSQL 12 and later: kind, schema, name, detail, is_stable ('t' or
/// 'f'). It reads system catalogues only, takes no parameters and depends on no setting.
[[nodiscard]] std::string catalogue_query();

}  // namespace protocol::postgres
