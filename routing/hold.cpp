#include "routing/hold.hpp"

#include "routing/decide.hpp"

#include <algorithm>

namespace routing {

std::string_view name_of(HoldClass hold_class) {
  switch (hold_class) {
    case HoldClass::writes: return "writes";
    case HoldClass::everything: return "everything";
  }
  return "unknown";
}

std::optional<HoldClass> held_class(const Hold& hold, std::string_view database) {
  std::optional<HoldClass> held = hold.pair;
  if (const auto place = hold.databases.find(database); place != hold.databases.end()) {
    held = std::max(held, std::optional(place->second));  // nothing is less than anything
  }
  return hold.is_switching ? std::max(held, std::optional(HoldClass::writes)) : held;
}

bool holds(const Hold& hold, std::string_view database, const protocol::BatchFacts& batch) {
  const std::optional<HoldClass> held = held_class(hold, database);
  if (!held) return false;
  switch (*held) {
    case HoldClass::everything: return true;
    // SET and its like are not reads to the router, but write nothing.
    case HoldClass::writes:
      return !is_read(batch) && batch.statement_class != protocol::StatementClass::session;
  }
  return true;
}

bool has_hold(const Hold& hold, const HoldScope& scope, HoldClass hold_class) {
  if (hold.is_switching && hold_class == HoldClass::writes) return true;
  if (scope.database.empty()) return hold.pair && *hold.pair >= hold_class;
  const auto place = hold.databases.find(scope.database);
  return place != hold.databases.end() && place->second >= hold_class;
}

Hold with_hold(const Hold& hold, const HoldScope& scope, HoldClass hold_class) {
  Hold changed = hold;
  ++changed.epoch;
  if (scope.database.empty()) {
    changed.pair = hold_class;
  } else if (changed.databases.size() < held_databases_max) {
    changed.databases[scope.database] = hold_class;
  }
  return changed;
}

Hold without_hold(const Hold& hold, const HoldScope& scope) {
  Hold changed = hold;
  ++changed.epoch;
  if (scope.database.empty()) {
    changed.pair.reset();
    changed.databases.clear();
  } else {
    changed.databases.erase(scope.database);
  }
  return changed;
}

Hold with_switching(const Hold& hold) {
  Hold changed = hold;
  ++changed.epoch;
  changed.is_switching = true;
  return changed;
}

Hold without_switching(const Hold& hold) {
  Hold changed = hold;
  ++changed.epoch;
  changed.is_switching = false;
  return changed;
}

}  // namespace routing
