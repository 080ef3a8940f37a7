#include "protocol/postgres/type_comparison.hpp"

#include "protocol/postgres/known_functions.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

namespace protocol::postgres {
namespace {

using Numbers = std::vector<std::uint32_t>;

Numbers read_numbers(std::string_view words) {
  Numbers numbers;
  known::for_each_word(words, [&numbers](std::string_view word) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error == std::errc() && end == word.data() + word.size()) numbers.push_back(number);
  });
  return numbers;
}

/// A key that no other name has: names may hold dots.
std::string join_name(std::string_view schema, std::string_view name) {
  std::string joined(schema);
  joined.push_back('\0');
  return joined.append(name);
}

std::string_view kind_of(char type) {
  switch (type) {
    case 'a': return "array";
    case 'c': return "composite";
    case 'd': return "domain";
    case 'e': return "enum";
    case 'm':
    case 'r': return "range";
    default: return "base";
  }
}

/// Notes what two relations of one name say, by the name alone and with the schema, as facts spell it.
template <class Map>
void note_name(Map& map, const CatalogueRow& row, bool is_hazardous) {
  for (std::string spelt : {row.name, row.schema + "." + row.name}) {
    bool& verdict = map.try_emplace(std::move(spelt), false).first->second;
    verdict = verdict || is_hazardous;
  }
}

/// Relations of the system whose rows hold numbers that each server has chosen, or are found by such numbers.
constexpr std::string_view numbered_relations =
    "pg_aggregate pg_amop pg_amproc pg_attrdef pg_attribute pg_cast pg_class pg_collation pg_constraint pg_conversion pg_depend "
    "pg_description pg_enum pg_event_trigger pg_extension pg_index pg_inherits pg_language pg_namespace pg_opclass pg_operator "
    "pg_opfamily pg_partitioned_table pg_policy pg_proc pg_publication_rel pg_range pg_rewrite pg_sequence pg_statistic_ext "
    "pg_transform pg_trigger pg_type";
/// Types whose values are such numbers.
constexpr std::string_view numbering_types = "regtype regclass regproc regprocedure regoper regoperator regnamespace regcollation";
constexpr std::string_view numbering_functions =
    "format_type pg_typeof to_regclass to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regtype";

}  // namespace

/// What one side says.
struct TypeComparison::Side {
  struct Type {
    std::string key;   ///< schema, NUL, name
    std::string name;  ///< schema.name
    char kind = 'b';
    Numbers holds;     ///< a domain: what it stands for; others: what their values name
  };
  explicit Side(std::span<const CatalogueRow> said) : rows(said) {
    for (const CatalogueRow& row : said) {
      if (row.kind == "row_types") row_digest = row.detail;
      if (row.kind != "type") continue;
      const std::size_t kind_at = row.detail.find(' ') + 1;
      const Numbers number = read_numbers(std::string_view(row.detail).substr(0, kind_at == 0 ? 0 : kind_at - 1));
      if (number.empty() || kind_at >= row.detail.size()) continue;
      Type type{join_name(row.schema, row.name), row.schema + "." + row.name, row.detail[kind_at], {}};
      if (kind_at + 2 < row.detail.size()) type.holds = read_numbers(std::string_view(row.detail).substr(kind_at + 2));
      numbers.emplace(type.key, number.front());
      types.emplace(number.front(), std::move(type));
    }
  }
  std::span<const CatalogueRow> rows;
  std::map<std::uint32_t, Type> types;
  std::map<std::string, std::uint32_t> numbers;
  std::string row_digest;
};

std::shared_ptr<const TypeComparison> TypeComparison::of(std::span<const CatalogueRow> blue, std::span<const CatalogueRow> green) {
  auto comparison = std::make_shared<TypeComparison>();
  const Side on_blue(blue);
  const Side on_green(green);
  comparison->are_rows_alike_ = on_blue.row_digest == on_green.row_digest;
  comparison->compare(on_blue, on_green);
  comparison->find_hazards(on_blue, on_green);
  comparison->find_hazards(on_green, on_blue);
  comparison->note_uses(on_blue);
  comparison->note_uses(on_green);
  return comparison;
}

void TypeComparison::compare(const Side& blue, const Side& green) {
  const auto number_in = [](const Side& side, const std::string& key) {
    const auto found = side.numbers.find(key);
    return found == side.numbers.end() ? 0U : found->second;
  };
  for (const auto& [number, type] : blue.types) {
    const std::uint32_t there = number_in(green, type.key);
    if (there == number) {
      common_.insert(number);
    } else {
      differences_.push_back({type.name, std::string(kind_of(type.kind)), number, there});
    }
  }
  for (const auto& [number, type] : green.types) {
    if (number_in(blue, type.key) == 0) differences_.push_back({type.name, std::string(kind_of(type.kind)), 0, number});
  }
  std::ranges::sort(differences_, {}, &TypeDifference::name);
}

/// A domain is described as what it stands for; every other type by its own number, and in binary form by those of what it holds.
/// Source: PostgreSQL 15, SendRowDescription_cols_3 in src/backend/access/common/printtup.c: getBaseTypeAndTypmod.
void TypeComparison::find_hazards(const Side& side, const Side& other_side) {
  const auto is_alike = [&](std::uint32_t number) { return number < assigned_type_min || common_.contains(number); };
  const auto is_hazardous = [&](const Side::Type& type, std::uint32_t number) {
    if (type.kind == 'd') {
      const auto base = type.holds.empty() ? side.types.end() : side.types.find(type.holds.front());
      return base == side.types.end() ? !type.holds.empty() && !is_alike(type.holds.front()) : hazards_.contains(base->second.key);
    }
    if (!is_alike(number) || !other_side.numbers.contains(type.key)) return true;
    return std::ranges::any_of(type.holds, [&](std::uint32_t held) {
      const auto known = side.types.find(held);
      return !is_alike(held) || (known != side.types.end() && hazards_.contains(known->second.key));
    });
  };
  // What holds a hazard is one, however deep; a round without a new one is the last.
  for (bool is_changed = true; is_changed;) {
    is_changed = false;
    for (const auto& [number, type] : side.types) {
      if (!hazards_.contains(type.key) && is_hazardous(type, number)) is_changed = hazards_.insert(type.key).second;
    }
  }
  for (const auto& [number, type] : side.types) {
    const std::string_view key = type.key;
    const std::size_t end = key.find('\0');
    note_name(types_, {"type", std::string(key.substr(0, end)), std::string(key.substr(end + 1)), {}, false}, hazards_.contains(type.key));
  }
}

void TypeComparison::note_uses(const Side& side) {
  for (const CatalogueRow& row : side.rows) {
    const bool is_relation = row.kind == "columns";
    if (!is_relation && row.kind != "returns") continue;
    const bool is_hazardous = std::ranges::any_of(read_numbers(row.detail), [&](std::uint32_t number) {
      const auto type = side.types.find(number);
      return type == side.types.end() ? !are_rows_alike_ : hazards_.contains(type->second.key);
    });
    note_name(is_relation ? relations_ : functions_, row, is_hazardous);
    has_hazardous_relation_ = has_hazardous_relation_ || (is_relation && is_hazardous);
  }
}

bool TypeComparison::is_common(std::uint32_t type) const {
  return type < assigned_type_min || is_identical() || common_.contains(type);
}

/// A relation that was made since the comparison may have columns of any type.
bool TypeComparison::concerns_table(std::string_view table) const {
  const std::size_t dot = table.find('.');
  const std::string_view schema = dot == std::string_view::npos ? std::string_view() : table.substr(0, dot);
  const std::string_view name = dot == std::string_view::npos ? table : table.substr(dot + 1);
  if (schema == "information_schema") return false;
  if (schema == "pg_catalog" || (schema.empty() && name.starts_with("pg_"))) return known::has_word(numbered_relations, name);
  const auto found = relations_.find(table);
  return found == relations_.end() ? !differences_.empty() : found->second;
}

bool TypeComparison::concerns_type(std::string_view type) const {
  const std::string_view name = type.starts_with("pg_catalog.") ? type.substr(sizeof("pg_catalog.") - 1) : type;
  if (known::has_word(numbering_types, name)) return true;
  const auto found = types_.find(type);
  // A name of another table's row, or of the system's own.
  return found == types_.end() ? !are_rows_alike_ && relations_.contains(type) : found->second;
}

bool TypeComparison::concerns(const StatementFacts& facts) const {
  if (is_identical()) return false;
  if (facts.has_whole_row && !are_rows_alike_) return true;
  // Nobody knows yet what such a transaction will read.
  if (facts.transaction_effect == TransactionEffect::begin_read_only && has_hazardous_relation_) return true;
  if (std::ranges::any_of(facts.tables, [this](const std::string& table) { return concerns_table(table); })) return true;
  if (std::ranges::any_of(facts.types, [this](const std::string& type) { return concerns_type(type); })) return true;
  return std::ranges::any_of(facts.functions, [this](const std::string& function) {
    if (known::has_word(numbering_functions, function)) return true;
    const auto found = functions_.find(function);
    return found != functions_.end() && found->second;
  });
}

}  // namespace protocol::postgres
