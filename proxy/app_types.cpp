#include "proxy/app_types.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace proxy {

using protocol::postgres::TypeComparison;
using protocol::postgres::TypeDifference;
using routing::Side;

namespace {

/// Names in a line of the log; all of them are in the admin endpoint's answer.
constexpr std::size_t names_told_max = 5;

bool concerns_types(const protocol::CatalogueRow& row) {
  constexpr std::array<std::string_view, 4> kinds{"type", "row_types", "columns", "returns"};
  return std::ranges::find(kinds, row.kind) != kinds.end();
}

}  // namespace

std::shared_ptr<const TypeComparison> AppTypes::note(const std::string& database, Side side,
                                                     const std::vector<protocol::CatalogueRow>& rows) {
  const std::lock_guard lock(mutex_);
  Database& known = databases_[database];
  known.is_failing[side] = false;
  known.is_known[side] = true;
  known.rows[side].clear();
  std::ranges::copy_if(rows, std::back_inserter(known.rows[side]), concerns_types);
  if (!known.is_known[routing::other(side)]) return nullptr;
  auto now = TypeComparison::of(known.rows[Side::blue], known.rows[Side::green]);
  const bool had_differences = known.comparison && !known.comparison->differences().empty();
  const bool is_changed = known.comparison ? known.comparison->differences() != now->differences() : !now->differences().empty();
  if (is_changed && (had_differences || !now->differences().empty())) tell_change(database, *now);
  known.comparison = now;
  return now;
}

void AppTypes::tell_change(const std::string& database, const TypeComparison& now) const {
  const std::vector<TypeDifference>& differences = now.differences();
  if (differences.empty()) {
    log_.write(telemetry::LogLevel::info, "both sides number types alike again",
               {{"pair", std::string_view(pair_)}, {"database", std::string_view(database)}});
    return;
  }
  std::string names;
  for (std::size_t i = 0; i < std::min(differences.size(), names_told_max); ++i) names += (i == 0 ? "" : ", ") + differences[i].name;
  if (differences.size() > names_told_max) names += ", …";
  log_.write(telemetry::LogLevel::warning, "types have other numbers on green, or are missing on one side",
             {{"pair", std::string_view(pair_)},
              {"database", std::string_view(database)},
              {"count", static_cast<std::uint64_t>(differences.size())},
              {"types", std::string_view(names)}});
}

void AppTypes::note_failure(const std::string& database, Side side, protocol::ErrorCode cause) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(databases_[database].is_failing[side], true)) return;
  log_.write(telemetry::LogLevel::warning,
             side == Side::blue ? "the catalogue of blue could not be read" : "the types of green could not be read",
             {{"pair", std::string_view(pair_)},
              {"database", std::string_view(database)},
              {"cause", protocol::name_of(cause)}});
}

admin::TypeReport AppTypes::report() const {
  const std::lock_guard lock(mutex_);
  admin::TypeReport report;
  for (const auto& [name, known] : databases_) {
    admin::TypeReport::Database& told = report.databases.emplace_back();
    told.name = name;
    told.is_compared = known.comparison != nullptr;
    if (!told.is_compared) continue;
    told.is_identical = known.comparison->is_identical();
    const std::vector<TypeDifference>& differences = known.comparison->differences();
    told.total = differences.size();
    report.total += told.total;
    for (const TypeDifference& each : differences) {
      if (told.shown.size() == admin::TypeReport::shown_max) break;
      told.shown.push_back({each.name, each.kind, each.blue, each.green});
    }
  }
  return report;
}

}  // namespace proxy
