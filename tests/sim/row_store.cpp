#include "tests/sim/row_store.hpp"

#include <algorithm>

namespace sim {

RowStore::TransactionId RowStore::begin() {
  open_[++last_];
  return last_;
}

bool RowStore::is_locked(const std::string& key, TransactionId but_for) const {
  return std::any_of(open_.begin(), open_.end(), [&](const auto& open) { return open.first != but_for && open.second.rows.contains(key); });
}

RowStore::Write RowStore::write(TransactionId transaction, Verb verb, const std::string& key, const std::string& value) {
  if (is_fenced_) return Write::fenced;
  if (is_locked(key, transaction)) return Write::locked;
  if (verb == Verb::insert && read(transaction, key)) return Write::duplicate;
  open_[transaction].rows[key] = value;
  return Write::done;
}

void RowStore::end(TransactionId transaction, Fate fate) {
  const auto found = open_.find(transaction);
  if (found == open_.end()) return;
  if (fate == Fate::committed) {
    for (const auto& [key, value] : found->second.rows) history_[key].push_back(value);
  }
  open_.erase(found);
  ended_[transaction] = fate;
}

RowStore::Fate RowStore::fate_of(TransactionId transaction) const {
  const auto found = ended_.find(transaction);
  return found == ended_.end() ? Fate::in_progress : found->second;
}

std::optional<std::string> RowStore::read(TransactionId transaction, const std::string& key) const {
  if (const auto own = open_.find(transaction); own != open_.end()) {
    if (const auto row = own->second.rows.find(key); row != own->second.rows.end()) return row->second;
  }
  const auto row = history_.find(key);
  if (row == history_.end()) return std::nullopt;
  return row->second.back();
}

bool RowStore::apply(const std::vector<Put>& puts) {
  for (const Put& put : puts) {
    if (is_locked(put.key, 0)) return false;
  }
  for (auto put = puts.begin(); put != puts.end();) {
    const std::uint64_t unit = put->unit;
    std::map<std::string, std::string> rows;  // what a transaction has written to a row last is what becomes of it
    for (; put != puts.end() && put->unit == unit; ++put) rows[put->key] = put->value;
    if (!applied_.insert(unit).second) continue;
    for (const auto& [key, value] : rows) history_[key].push_back(value);
  }
  return true;
}

}  // namespace sim
