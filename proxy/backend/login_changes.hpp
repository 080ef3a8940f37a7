#pragma once

#include "protocol/statement.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace proxy::backend {

/// What servers give to sessions at their login has been changed for some of them, by statements that sessions of this pair
/// have run: a connection that was begun before is not what a new one would be. Shared by all workers; a pool that has
/// heeded everything finds that out by one atomic load.
class LoginChanges {
 public:
  /// So many are remembered one by one; a pool that has missed more takes everybody to be concerned.
  static constexpr std::size_t remembered_max = 64;

  /// Counted up with each change.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  /// Before whoever has made them hears that they are made.
  void note(const std::vector<protocol::LoginChange>& changes);
  /// Called with a change and the epoch of the last one: all that was begun before now is of an earlier one.
  using Heed = std::function<void(const protocol::LoginChange& change, std::uint64_t now)>;
  /// Calls `heed` for each change later than `epoch`, the oldest first, and returns the epoch of the last.
  std::uint64_t heed_since(std::uint64_t epoch, const Heed& heed) const;

 private:
  std::atomic<std::uint64_t> epoch_{0};
  mutable std::mutex mutex_;
  std::deque<protocol::LoginChange> remembered_;  ///< the last one is of `epoch_`
};

}  // namespace proxy::backend
