#include "protocol/postgres/catalogue.hpp"

#include "protocol/postgres/known_functions.hpp"

#include <xxhash.h>

#include <algorithm>
#include <vector>

namespace protocol::postgres {
namespace {

constexpr std::string_view system_schema = "pg_catalog";
/// Every question about settings asks for all of them.
constexpr std::size_t custom_settings_max = 32;

using known::for_each_word;
using known::has_word;

/// A name that no name is a part of: schema names may hold dots.
std::string join_name(std::string_view schema, std::string_view name) {
  std::string joined;
  joined.reserve(schema.size() + 1 + name.size());
  joined.append(schema).push_back('\0');
  joined.append(name);
  return joined;
}

bool is_sampling_method(std::string_view schema, std::string_view name) {
  return schema == system_schema && has_word(known::sampling_methods, name);
}

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

std::uint64_t hash_of(const CatalogueRow& row) {
  std::uint64_t hash = row.is_stable ? 1 : 2;
  for (const std::string* field : {&row.kind, &row.schema, &row.name, &row.detail})
    hash = hash_of(*field, hash);
  return hash;
}

void note(bool& verdict, bool is_stable) {
  verdict = verdict && is_stable;
}

}  // namespace

void Catalogue::add_function(std::string_view schema, std::string_view name, bool is_stable) {
  note(functions_.try_emplace(std::string(name), true).first->second, is_stable);
  note(functions_.try_emplace(join_name(schema, name), true).first->second, is_stable);
}

void Catalogue::add_operator(std::string_view schema, std::string_view name, bool is_stable) {
  note(operators_.try_emplace(std::string(name), true).first->second, is_stable);
  note(operators_.try_emplace(join_name(schema, name), true).first->second, is_stable);
}

void Catalogue::add_row(const CatalogueRow& row) {
  if (row.kind == "function") {
    const bool is_acting = row.schema == system_schema && has_word(known::acting_functions, row.name);
    add_function(row.schema, row.name,
                 !is_acting && (row.is_stable || is_sampling_method(row.schema, row.name)));
  } else if (row.kind == "operator") {
    add_operator(row.schema, row.name, row.is_stable);
  } else if (row.kind == "relation") {
    // For relations the detail is what they call, the schema of the system left out.
    hidden_calls_.try_emplace(row.name, row.detail);
    hidden_calls_.try_emplace(join_name(row.schema, row.name), row.detail);
  } else if (row.kind == "attribute") {
    attribute_calls_.insert(row.name);
  } else if (row.kind == "setting") {
    custom_settings_.push_back(row.name);
  }
}

void Catalogue::add_system_relations() {
  for_each_word(known::session_relations, [this](std::string_view name) {
    hidden_calls_.try_emplace(std::string(name), name);
    hidden_calls_.try_emplace(join_name(system_schema, name), name);
  });
}

std::shared_ptr<const Catalogue> Catalogue::from_rows(std::span<const CatalogueRow> rows) {
  auto catalogue = std::make_shared<Catalogue>();
  catalogue->add_system_relations();
  for (const CatalogueRow& row : rows) {
    catalogue->add_row(row);
    catalogue->digest_ += hash_of(row);
  }
  std::vector<std::string>& settings = catalogue->custom_settings_;
  std::sort(settings.begin(), settings.end());
  if (settings.size() > custom_settings_max) settings.resize(custom_settings_max);
  return catalogue;
}

std::shared_ptr<const Catalogue> Catalogue::built_in() {
  auto catalogue = std::make_shared<Catalogue>();
  catalogue->add_system_relations();
  for (const std::string_view list : {known::stable_functions, known::sampling_methods}) {
    for_each_word(list, [&](std::string_view name) { catalogue->add_function(system_schema, name, true); });
  }
  for_each_word(known::acting_functions,
                [&](std::string_view name) { catalogue->add_function(system_schema, name, false); });
  for_each_word(known::stable_operators,
                [&](std::string_view name) { catalogue->add_operator(system_schema, name, true); });
  return catalogue;
}

Catalogue::Verdict Catalogue::judge_function(std::string_view schema, std::string_view name) const {
  const auto found = schema.empty() ? functions_.find(name) : functions_.find(join_name(schema, name));
  if (found == functions_.end()) return Verdict::unknown;
  return found->second ? Verdict::stable : Verdict::unstable;
}

Catalogue::Verdict Catalogue::judge_operator(std::string_view schema, std::string_view name) const {
  const auto found = schema.empty() ? operators_.find(name) : operators_.find(join_name(schema, name));
  if (found == operators_.end()) return Verdict::unknown;
  return found->second ? Verdict::stable : Verdict::unstable;
}

std::string_view Catalogue::find_hidden_call(std::string_view schema, std::string_view relation) const {
  const auto found =
      schema.empty() ? hidden_calls_.find(relation) : hidden_calls_.find(join_name(schema, relation));
  return found == hidden_calls_.end() ? std::string_view() : std::string_view(found->second);
}

bool Catalogue::is_attribute_call(std::string_view name) const {
  return attribute_calls_.contains(name);
}

}  // namespace protocol::postgres
