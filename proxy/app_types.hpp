#pragma once

#include "protocol/postgres/type_comparison.hpp"
#include "proxy/admin/control.hpp"
#include "proxy/telemetry/log.hpp"
#include "routing/side.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace proxy {

/// Part of the composition root: what the two sides of one pair say about types, database by database. Any thread.
class AppTypes {
 public:
  AppTypes(std::string pair, telemetry::Log& log) : pair_(std::move(pair)), log_(log) {}

  /// What `side` has said now. The comparison; null as long as the other one has said nothing. A change of it is logged, once.
  std::shared_ptr<const protocol::postgres::TypeComparison> note(const std::string& database, routing::Side side,
                                                                 const std::vector<protocol::CatalogueRow>& rows);
  /// `side` could not be asked; logged until it answers again, once.
  void note_failure(const std::string& database, routing::Side side, protocol::ErrorCode cause);
  [[nodiscard]] admin::TypeReport report() const;

 private:
  struct Database {
    routing::PerSide<std::vector<protocol::CatalogueRow>> rows;
    routing::PerSide<bool> is_known{};
    routing::PerSide<bool> is_failing{};
    std::shared_ptr<const protocol::postgres::TypeComparison> comparison;
  };
  void tell_change(const std::string& database, const protocol::postgres::TypeComparison& now) const;

  const std::string pair_;
  telemetry::Log& log_;
  mutable std::mutex mutex_;
  std::map<std::string, Database> databases_;
};

}  // namespace proxy
