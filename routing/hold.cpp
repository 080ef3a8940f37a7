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
  const auto place = hold.databases.find(database);
  if (place == hold.databases.end()) return hold.pair;
  return hold.pair ? std::max(*hold.pair, place->second) : place->second;
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

}  // namespace routing
