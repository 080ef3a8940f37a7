#include "protocol/postgres/capture_unit.hpp"

#include <algorithm>
#include <utility>

namespace protocol::postgres {

void UnitBuilder::add(UnitItem item, std::size_t bytes, const std::vector<std::string>& tables) {
  bytes_ += bytes;
  for (const std::string& table : tables) {
    if (std::ranges::find(tables_, table) == tables_.end()) tables_.push_back(table);
  }
  unit_.items.push_back(std::move(item));
  // What was kept would be thrown away: only that there was something must be known.
  if (is_too_large()) {
    for (UnitItem& kept : unit_.items) kept = UnitItem{};
  }
}

bool UnitBuilder::set_settings(Settings settings) {
  const auto has_all = [](const Settings& these, const Settings& wanted) {
    return std::ranges::all_of(wanted, [&](const auto& setting) { return std::ranges::find(these, setting) != these.end(); });
  };
  const auto may_be_new = [&](const auto& setting) { return setting.first == "lc_monetary" || has_all(unit_.settings, {setting}); };
  if (has_items() && has_all(unit_.settings, settings)) return true;
  if (has_items() && !(has_all(settings, unit_.settings) && std::ranges::all_of(settings, may_be_new))) return false;
  unit_.settings = std::move(settings);
  return true;
}

void UnitBuilder::note(UnmirroredWrite write) { notes_.push_back(std::move(write)); }

std::vector<UnitBuilder::Mark>::iterator UnitBuilder::find_mark(std::string_view name) {
  const auto found = std::ranges::find(marks_.rbegin(), marks_.rend(), name, &Mark::name);
  return found == marks_.rend() ? marks_.end() : std::prev(found.base());
}

void UnitBuilder::savepoint(std::string_view name) {
  marks_.push_back(Mark{std::string(name), unit_.items.size(), notes_.size()});
}

void UnitBuilder::release(std::string_view name) { marks_.erase(find_mark(name), marks_.end()); }

/// The savepoint itself stays. Source: PostgreSQL 15 manual, ROLLBACK TO SAVEPOINT.
void UnitBuilder::roll_back_to(std::string_view name) {
  const auto mark = find_mark(name);
  if (mark == marks_.end()) return;
  unit_.items.resize(std::min(mark->items, unit_.items.size()));
  notes_.resize(std::min(mark->notes, notes_.size()));
  marks_.erase(std::next(mark), marks_.end());
}

MirrorUnit UnitBuilder::take() {
  if (is_too_large() && has_items()) {
    notes_.push_back(UnmirroredWrite{tables_, 0, "a transaction larger than the mirror carries"});
    unit_.items.clear();
  }
  MirrorUnit taken = std::move(unit_);
  std::vector<UnmirroredWrite> notes = std::move(notes_);
  reset();
  notes_ = std::move(notes);
  return taken;
}

std::vector<UnmirroredWrite> UnitBuilder::take_notes() { return std::exchange(notes_, {}); }

void UnitBuilder::reset() {
  unit_ = MirrorUnit{};
  notes_.clear();
  marks_.clear();
  tables_.clear();
  bytes_ = 0;
}

}  // namespace protocol::postgres
