#include "proxy/mirror/unit_reach.hpp"

#include "protocol/base/bytes.hpp"
#include "proxy/mirror/crc32c.hpp"

#include <algorithm>
#include <numeric>

namespace proxy::mirror {

namespace {

/// Of a key's value; longer ones are shown by their begin and a checksum.
constexpr std::size_t key_value_bytes_max = 80;

std::string shown(const std::string& value) {
  if (value.size() <= key_value_bytes_max) return value;
  return value.substr(0, key_value_bytes_max) + "...#" + std::to_string(crc32c(protocol::as_bytes(value)));
}

std::vector<std::string> keys_of(const protocol::RowChange& change) {
  std::vector<std::size_t> places;
  for (const std::string& column : change.key_columns) {
    const auto found = std::ranges::find(change.columns, column);
    if (found == change.columns.end()) return {};
    places.push_back(static_cast<std::size_t>(found - change.columns.begin()));
  }
  std::vector<std::string> keys;
  if (places.empty()) return keys;
  const auto add = [&](const std::vector<protocol::TextValue>& values, const std::vector<std::size_t>& where) {
    std::string key;
    for (std::size_t i = 0; i < where.size(); ++i) {
      if (!key.empty()) key += ',';
      key += change.key_columns[i] + '=';
      if (where[i] < values.size() && values[where[i]]) key += shown(*values[where[i]]);
    }
    keys.push_back(std::move(key));
  };
  for (const auto& row : change.rows) add(row, places);
  std::iota(places.begin(), places.end(), std::size_t{0});
  for (const auto& old_key : change.old_keys) add(old_key, places);
  return keys;
}

}  // namespace

std::vector<TableReach> reach_of(const protocol::MirrorUnit& unit) {
  std::vector<TableReach> reaches;
  std::vector<std::string> whole;  // tables of which some rows' keys are not known
  for (const protocol::UnitItem& item : unit.items) {
    const std::string table = item.rows ? item.rows->schema + "." + item.rows->table : std::string();
    auto place = std::ranges::find(reaches, table, &TableReach::table);
    if (place == reaches.end()) place = reaches.insert(reaches.end(), TableReach{table, {}});
    if (!item.rows) continue;
    const std::vector<std::string> keys = keys_of(*item.rows);
    if (keys.empty()) whole.push_back(table);
    place->keys.insert(place->keys.end(), keys.begin(), keys.end());
  }
  for (TableReach& reach : reaches) {
    std::ranges::sort(reach.keys);
    reach.keys.erase(std::ranges::unique(reach.keys).begin(), reach.keys.end());
    if (std::ranges::find(whole, reach.table) != whole.end()) reach.keys.clear();
  }
  return reaches;
}

bool has_barrier(const protocol::MirrorUnit& unit) {
  return std::ranges::any_of(unit.items, [](const protocol::UnitItem& item) { return item.statement && item.statement->is_barrier; });
}

}  // namespace proxy::mirror
