#include "protocol/postgres/apply_text.hpp"

#include "protocol/postgres/quoting.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace protocol::postgres {

namespace {

using Row = std::vector<TextValue>;

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + quote_name(name);
  return text;
}

/// "($1, $2), ($3, $4)".
std::string placeholders(std::size_t rows, std::size_t columns) {
  std::string text;
  std::size_t number = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    text += row == 0 ? "(" : ", (";
    for (std::size_t column = 0; column < columns; ++column) text += (column == 0 ? "$" : ", $") + std::to_string(++number);
    text += ')';
  }
  return text;
}

std::string insert_text(const RowChange& change, std::size_t rows) {
  std::string text = "INSERT INTO " + quote_name(change.schema) + "." + quote_name(change.table);
  if (change.columns.empty()) return text + " DEFAULT VALUES";
  text += " (" + list_of(change.columns) + ") OVERRIDING SYSTEM VALUE VALUES " + placeholders(rows, change.columns.size());
  if (change.key_columns.empty()) return text;
  std::string updates;
  for (const std::string& column : change.columns) {
    if (std::ranges::find(change.key_columns, column) != change.key_columns.end()) continue;
    if (std::ranges::find(change.fixed_columns, column) != change.fixed_columns.end()) continue;
    updates += (updates.empty() ? "" : ", ") + quote_name(column) + " = EXCLUDED." + quote_name(column);
  }
  text += " ON CONFLICT (" + list_of(change.key_columns) + ") DO ";
  return text + (updates.empty() ? "NOTHING" : "UPDATE SET " + updates);
}

std::string delete_text(const RowChange& change, std::size_t rows) {
  const std::string text = "DELETE FROM " + quote_name(change.schema) + "." + quote_name(change.table) + " WHERE ";
  if (change.columns.size() == 1) {
    std::string values = rows == 1 ? " = $1" : " IN (";
    for (std::size_t row = 0; rows > 1 && row < rows; ++row) values += (row == 0 ? "$" : ", $") + std::to_string(row + 1);
    return text + list_of(change.columns) + values + (rows > 1 ? ")" : "");
  }
  return text + "(" + list_of(change.columns) + ") IN (" + placeholders(rows, change.columns.size()) + ")";
}

std::size_t bytes_of(const Row& row) {
  std::size_t bytes = 0;
  for (const TextValue& value : row) bytes += value ? value->size() : 0;
  return bytes;
}

/// The places of the key in a row.
std::vector<std::size_t> key_places(const RowChange& change) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < change.columns.size(); ++i) {
    if (std::ranges::find(change.key_columns, change.columns[i]) != change.key_columns.end()) places.push_back(i);
  }
  return places;
}

/// `"a" = $3 AND "b" = $4`, from the parameter after `before` on.
std::string key_condition(const std::vector<std::string>& key, std::size_t before) {
  std::string text;
  for (const std::string& column : key) text += (text.empty() ? "" : " AND ") + quote_name(column) + " = $" + std::to_string(++before);
  return text;
}

bool is_in(const std::vector<std::string>& names, const std::string& name) { return std::ranges::find(names, name) != names.end(); }

/// Rows whose keys change, and rows of tables whose keys are looked at late: one at a time, by their old keys.
class SingleSteps {
 public:
  SingleSteps(const RowChange& change, std::vector<ApplyStep>& steps) : change_(change), steps_(steps) {
    for (const std::string& column : change.key_columns) {
      places_.push_back(static_cast<std::size_t>(std::ranges::find(change.columns, column) - change.columns.begin()));
    }
  }

  /// As an upsert, without the help of an index: who writes a key that another unit writes, too, waits for it (see mirroring).
  void add_puts() {
    for (const Row& row : change_.rows) {
      add_update(row, pointers_to(row, places_), SetsKey::no);
      ApplyStep& insert = add_step();
      insert.text = "INSERT INTO " + target() + " (" + list_of(change_.columns) + ") OVERRIDING SYSTEM VALUE SELECT ";
      for (std::size_t i = 0; i < row.size(); ++i) insert.text += (i == 0 ? "$" : ", $") + std::to_string(i + 1);
      insert.text += " WHERE NOT EXISTS (SELECT FROM " + target() + " WHERE " + key_condition(change_.key_columns, row.size()) + ")";
      for (const TextValue& value : row) insert.parameters.push_back(&value);
      for (const std::size_t place : places_) insert.parameters.push_back(&row[place]);
    }
  }

  /// A row that takes the key of another goes after that one; rows that take each other's keys go together.
  void add_moves() {
    std::map<Row, std::size_t> by_old_key;
    for (std::size_t i = 0; i < change_.rows.size(); ++i) by_old_key.emplace(change_.old_keys[i], i);
    std::vector<bool> is_done(change_.rows.size());
    for (std::size_t first = 0; first < change_.rows.size(); ++first) {
      std::vector<std::size_t> path;
      for (std::size_t next = first; !is_done[next];) {
        is_done[next] = true;
        path.push_back(next);
        const auto taken = by_old_key.find(key_of(change_.rows[next]));
        if (taken == by_old_key.end() || taken->second == next) break;
        next = taken->second;
        const auto ring = std::ranges::find(path, next);
        if (ring == path.end()) continue;
        add_ring({ring, path.end()});
        path.erase(ring, path.end());
        break;
      }
      for (auto i = path.rbegin(); i != path.rend(); ++i) {
        std::vector<const TextValue*> key;
        for (const TextValue& value : change_.old_keys[*i]) key.push_back(&value);
        add_update(change_.rows[*i], key, SetsKey::yes);
        steps_.back().rows_expected = 1;
      }
    }
  }

 private:
  enum class SetsKey : std::uint8_t { no, yes };

  [[nodiscard]] std::string target() const { return quote_name(change_.schema) + "." + quote_name(change_.table); }
  [[nodiscard]] Row key_of(const Row& row) const {
    Row key;
    for (const std::size_t place : places_) key.push_back(row[place]);
    return key;
  }
  [[nodiscard]] static std::vector<const TextValue*> pointers_to(const Row& row, const std::vector<std::size_t>& places) {
    std::vector<const TextValue*> values;
    for (const std::size_t place : places) values.push_back(&row[place]);
    return values;
  }
  [[nodiscard]] std::vector<std::size_t> set_columns(SetsKey sets_key) const {
    std::vector<std::size_t> columns;
    for (std::size_t i = 0; i < change_.columns.size(); ++i) {
      if (is_in(change_.fixed_columns, change_.columns[i])) continue;
      if (sets_key == SetsKey::yes || !is_in(change_.key_columns, change_.columns[i])) columns.push_back(i);
    }
    return columns;
  }
  ApplyStep& add_step() {
    ApplyStep& step = steps_.emplace_back();
    step.table = change_.schema + "." + change_.table;
    step.is_usual = true;
    return step;
  }

  void add_update(const Row& row, const std::vector<const TextValue*>& key, SetsKey sets_key) {
    const std::vector<std::size_t> columns = set_columns(sets_key);
    if (columns.empty()) return;
    ApplyStep& step = add_step();
    step.text = "UPDATE " + target() + " SET ";
    for (const std::size_t column : columns) {
      step.parameters.push_back(&row[column]);
      step.text += (step.parameters.size() == 1 ? "" : ", ") + quote_name(change_.columns[column]) + " = $" + std::to_string(step.parameters.size());
    }
    step.text += " WHERE " + key_condition(change_.key_columns, step.parameters.size());
    step.parameters.insert(step.parameters.end(), key.begin(), key.end());
  }

  /// ELSE gives the parameters their types.
  void add_ring(const std::vector<std::size_t>& rows) {
    ApplyStep& step = add_step();
    step.rows_expected = rows.size();
    step.text = "UPDATE " + target() + " SET ";
    std::vector<std::string> conditions;
    for (const std::size_t row : rows) {
      conditions.push_back(key_condition(change_.key_columns, step.parameters.size()));
      for (const TextValue& value : change_.old_keys[row]) step.parameters.push_back(&value);
    }
    std::string_view between;
    for (const std::size_t column : set_columns(SetsKey::yes)) {
      const std::string name = quote_name(change_.columns[column]);
      step.text.append(between).append(name).append(" = CASE");
      between = ", ";
      for (std::size_t i = 0; i < rows.size(); ++i) {
        step.parameters.push_back(&change_.rows[rows[i]][column]);
        step.text += " WHEN " + conditions[i] + " THEN $" + std::to_string(step.parameters.size());
      }
      step.text += " ELSE " + name + " END";
    }
    for (std::size_t i = 0; i < rows.size(); ++i) step.text += (i == 0 ? " WHERE (" : ") OR (") + conditions[i];
    step.text += ")";
  }

  const RowChange& change_;
  std::vector<ApplyStep>& steps_;
  std::vector<std::size_t> places_;  ///< of the key's columns, in the key's order
};

/// Cuts the rows of a change into statements. No statement has a key twice: an upsert may not meet a row twice.
class RowSteps {
 public:
  RowSteps(const RowChange& change, std::vector<ApplyStep>& steps) : change_(change), steps_(steps), places_(key_places(change)) {}

  void add_all() {
    if (change_.kind == RowChange::Kind::move) return SingleSteps(change_, steps_).add_moves();
    if (change_.kind == RowChange::Kind::put && change_.is_key_deferrable) return SingleSteps(change_, steps_).add_puts();
    const std::size_t columns = std::max<std::size_t>(1, change_.columns.size());
    const std::size_t rows_max =
        change_.columns.empty() ? 1 : std::min(PostgresApplyText::rows_max, PostgresApplyText::parameters_max / columns);
    for (const Row& row : change_.rows) {
      std::vector<TextValue> key;
      for (const std::size_t place : places_) key.push_back(place < row.size() ? row[place] : std::nullopt);
      const bool is_there = !key.empty() && keys_.contains(key);
      if (is_there || rows_.size() >= rows_max || (!rows_.empty() && bytes_ + bytes_of(row) > PostgresApplyText::bytes_max)) close();
      if (!key.empty()) keys_.insert(std::move(key));
      rows_.push_back(&row);
      bytes_ += bytes_of(row);
    }
    close();
  }

 private:
  void close() {
    if (rows_.empty()) return;
    ApplyStep& step = steps_.emplace_back();
    const bool is_put = change_.kind == RowChange::Kind::put;
    step.text = is_put ? insert_text(change_, rows_.size()) : delete_text(change_, rows_.size());
    step.table = change_.schema + "." + change_.table;
    step.is_usual = rows_.size() == 1;
    const bool may_do_nothing =
        change_.may_remove_others || (is_put && !change_.key_columns.empty() && change_.key_columns.size() >= change_.columns.size());
    if (!may_do_nothing) step.rows_expected = rows_.size();
    for (const Row* row : rows_) {
      for (const TextValue& value : *row) step.parameters.push_back(&value);
    }
    rows_.clear();
    keys_.clear();
    bytes_ = 0;
  }

  const RowChange& change_;
  std::vector<ApplyStep>& steps_;
  std::vector<std::size_t> places_;
  std::vector<const Row*> rows_;
  std::set<std::vector<TextValue>> keys_;
  std::size_t bytes_ = 0;
};

using Settings = std::vector<std::pair<std::string, std::string>>;

/// Source: PostgreSQL 15, 9.27.1 "Configuration Settings Functions".
std::string settings_text(const Settings& settings, std::string_view is_local) {
  std::string text;
  for (const auto& [name, value] : settings) {
    text += text.empty() ? "SELECT " : ", ";
    text += "pg_catalog.set_config(" + quote_literal(name) + ", " + quote_literal(value) + ", " + std::string(is_local) + ")";
  }
  return text;
}

void add_settings(const Settings& settings, std::vector<ApplyStep>& steps) {
  if (settings.empty()) return;
  ApplyStep& step = steps.emplace_back();
  step.text = settings_text(settings, "true");
  step.session_text = settings_text(settings, "false");
  step.is_usual = true;
}

void add_statement(const CarriedStatement& statement, std::vector<ApplyStep>& steps) {
  add_settings(statement.settings, steps);
  ApplyStep& step = steps.emplace_back();
  step.text = statement.text;
  step.copy_data = statement.copy_data;
  // What follows is done by whoever applies units.
  const bool has_role = std::ranges::any_of(statement.settings, [](const auto& setting) { return setting.first == "role"; });
  if (has_role) add_settings({{"role", "none"}}, steps);
}

}  // namespace

std::vector<ApplyStep> PostgresApplyText::steps_of(const MirrorUnit& unit) const {
  std::vector<ApplyStep> steps;
  add_settings(unit.settings, steps);
  for (const UnitItem& item : unit.items) {
    // Triggers have shaped these rows already. Source: PostgreSQL 15, 20.11.1, session_replication_role.
    const bool skips_triggers = item.rows && item.rows->skips_triggers;
    if (skips_triggers) add_settings({{"session_replication_role", "replica"}}, steps);
    if (item.rows) RowSteps(*item.rows, steps).add_all();
    if (skips_triggers) add_settings({{"session_replication_role", "origin"}}, steps);
    if (item.statement) add_statement(*item.statement, steps);
  }
  return steps;
}

/// Rows that carry its number, looked for by their keys; and its values, since the number may have been given out twice.
/// Source: PostgreSQL 15, 5.5 "System Columns", xmin.
std::vector<ApplyStep> PostgresApplyText::traces_of(const MirrorUnit& unit) const {
  std::vector<ApplyStep> steps;
  for (const UnitItem& item : unit.items) {
    if (!item.rows || item.rows->kind == RowChange::Kind::remove || item.rows->key_columns.empty()) continue;
    const std::vector<std::size_t> places = key_places(*item.rows);
    for (const Row& row : item.rows->rows) {
      if (steps.size() == traces_max) return steps;
      ApplyStep& step = steps.emplace_back();
      step.text = "SELECT 1 FROM " + quote_name(item.rows->schema) + "." + quote_name(item.rows->table) + " WHERE xmin = '" + unit.transaction_id +
                  "'::pg_catalog.xid8::pg_catalog.xid";
      for (const std::size_t place : places) {
        step.parameters.push_back(&row[place]);
        step.text += " AND " + quote_name(item.rows->columns[place]) + " = $" + std::to_string(step.parameters.size());
      }
      for (std::size_t i = 0; i < row.size(); ++i) {
        step.parameters.push_back(&row[i]);
        step.text += " AND " + quote_name(item.rows->columns[i]) + "::pg_catalog.text IS NOT DISTINCT FROM $" + std::to_string(step.parameters.size());
      }
    }
  }
  return steps;
}

}  // namespace protocol::postgres
