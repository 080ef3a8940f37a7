#pragma once

#include "proxy/backend/pool.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace proxy::backend {

/// The idle connections of a group to one side, the one used last at the end, and who waits for one.
struct Pool::Shelf {
  std::vector<std::unique_ptr<Connection>> idle;
  std::deque<Waiter*> waiting;
  NeedPointer need;               ///< while somebody waits
  std::shared_ptr<LoginTrouble> trouble = std::make_shared<LoginTrouble>();
  runtime::Instant next_check{};  ///< when others who wait are thought of next
};

class Pool::Group {
 public:
  explicit Group(PoolPointer pool) : identity(std::move(pool)) {}

  [[nodiscard]] bool is_empty() const {
    const auto is_bare = [](const Shelf& shelf) { return shelf.idle.empty() && shelf.waiting.empty(); };
    return session_count == 0 && kept_back_count == 0 && is_bare(shelves[routing::Side::blue]) &&
           is_bare(shelves[routing::Side::green]);
  }

  PoolPointer identity;
  std::shared_ptr<const protocol::Login> login;  ///< the last one, whose proof of who it is is the freshest
  std::size_t session_count = 0;
  std::size_t kept_back_count = 0;
  routing::PerSide<std::uint32_t> filling_count{};  ///< connections for the pool's minimum that are on their way
  std::uint64_t login_epoch_min = 0;  ///< connections that were begun under an earlier one are retired
  routing::PerSide<Shelf> shelves;
};

}  // namespace proxy::backend
