#pragma once

#include "protocol/base/result.hpp"
#include "proxy/telemetry/inventory.hpp"
#include "proxy/telemetry/type_report.hpp"
#include "routing/hold.hpp"
#include "routing/plan.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace proxy::console {

/// What SHOW says of a pair that does not change while it runs.
struct PairFacts {
  std::string pair;
  std::string listen_host;
  std::uint16_t listen_port = 0;
  struct Endpoint {
    std::string host;
    std::uint16_t port = 0;
  };
  routing::PerSide<Endpoint> sides;
  /// What one user and database have, where they say something else than the pair; empty texts name nobody.
  struct OwnPool {
    std::string mode;
    std::uint32_t size = 0;                     ///< 0: no limit
    std::uint32_t user_connections_max = 0;     ///< per side; 0: no limit
    std::uint32_t database_connections_max = 0;
    std::uint32_t size_min = 0;
  };
  std::function<OwnPool(const std::string& database, const std::string& user)> own_pool = {};  ///< empty: all have the pair's
  [[nodiscard]] OwnPool pool_of(const std::string& database, const std::string& user) const {
    return own_pool ? own_pool(database, user) : OwnPool{pool_mode, pool_size, 0, 0, 0};
  }
  std::string pool_mode;              ///< "session", "transaction"
  std::uint32_t pool_size = 0;        ///< 0: no limit
  std::uint32_t connections_max = 0;  ///< per side; 0: no limit
  std::vector<std::string> users;     ///< configured ones
  /// The settings in force, under PgBouncer's names where they mean the same, under ours otherwise: name and value.
  std::vector<std::pair<std::string, std::string>> settings;
};

/// One moment of a pair.
struct PairView {
  telemetry::Inventory inventory;
  routing::HoldSnapshot hold;
  routing::PlanSnapshot plan;
  telemetry::TypeReport types;
  bool is_complete = true;  ///< false: a worker did not answer in time
};

/// How a PAUSE ends.
enum class PauseEnd : std::uint8_t { paused, released };

/// The proxy, as the console sees it. Called on the desk's thread; may wait for workers, at most a few seconds.
class Machine {
 public:
  virtual ~Machine() = default;
  [[nodiscard]] virtual const PairFacts& facts() const = 0;
  [[nodiscard]] virtual PairView view() = 0;
  [[nodiscard]] virtual routing::HoldSnapshot hold() = 0;
  /// Holds `scope` at once and returns; `on_end` is called once, on any thread, when nothing in it works any more or the
  /// hold is taken back.
  virtual void pause(const routing::HoldScope& scope, std::function<void(PauseEnd)> on_end) = 0;
  virtual void resume(const routing::HoldScope& scope) = 0;
  /// Reads again what can be read again. Errors: what is wrong, in words for the operator.
  [[nodiscard]] virtual protocol::Status reload() = 0;
  /// Begins the polite end of the process.
  virtual void shut_down() = 0;
};

}  // namespace proxy::console
