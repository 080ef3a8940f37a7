#pragma once

#include "routing/side.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace proxy::backend {

/// How many connections a pair may have to one side. 0: no limit.
struct ConnectionLimits {
  std::uint32_t per_side = 0;   ///< of everybody
};

/// And those of one pool: one user and one database with the same start-up parameters.
struct ConnectionTerms {
  std::uint32_t pool_max = 20;
};

/// Counts the connections of a pair over all its workers, and tells workers that are short of them when one has
/// gone. Thread-safe. Asked when a connection is opened or closed, never on the way of a request but for
/// is_anyone_short(), which is one atomic load.
class ConnectionCounts {
 public:
  /// The right to have one connection; given back when destroyed. Lifetime: at most that of the counts.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(ConnectionCounts& counts, std::shared_ptr<const std::string> pool, routing::Side side)
        : counts_(&counts), pool_(std::move(pool)), side_(side) {}
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { give_back(); }
    [[nodiscard]] explicit operator bool() const { return counts_ != nullptr; }

   private:
    void give_back();
    ConnectionCounts* counts_ = nullptr;
    std::shared_ptr<const std::string> pool_;
    routing::Side side_ = routing::Side::blue;
  };

  /// What sessions of a worker wait for.
  struct Need {
    std::shared_ptr<const std::string> pool;
    routing::Side side;
  };

  /// How a worker is told. Called on any thread; must not call back into the counts.
  struct Ears {
    std::function<void()> on_room;                       ///< a connection has gone: try reserve() again
    std::function<void(std::vector<Need>)> on_shortage;  ///< another worker needs these: close idle ones
  };

  explicit ConnectionCounts(ConnectionLimits limits) : limits_(limits) {}
  ConnectionCounts(const ConnectionCounts&) = delete;
  ConnectionCounts& operator=(const ConnectionCounts&) = delete;

  /// Empty when a limit is reached.
  [[nodiscard]] Reservation reserve(const std::shared_ptr<const std::string>& pool, routing::Side side,
                                    const ConnectionTerms& terms);

  /// Before the workers run. The number by which the worker is known.
  std::size_t add_worker(Ears ears);
  /// A worker has begun, or ceased, to have sessions that wait for a connection.
  void begin_shortage() { short_count_.fetch_add(1, std::memory_order_relaxed); }
  void end_shortage() { short_count_.fetch_sub(1, std::memory_order_relaxed); }
  /// Tells all workers but `asking` what is needed.
  void ask_others(std::size_t asking, const std::vector<Need>& needs);
  [[nodiscard]] bool has_limit_per_side() const { return limits_.per_side != 0; }
  [[nodiscard]] bool is_anyone_short() const { return short_count_.load(std::memory_order_relaxed) != 0; }

 private:
  void give_back(const std::string& pool, routing::Side side);

  const ConnectionLimits limits_;
  std::atomic<std::uint32_t> short_count_{0};
  std::mutex mutex_;
  std::unordered_map<std::string, routing::PerSide<std::uint32_t>> pools_;
  routing::PerSide<std::uint32_t> sides_{};
  std::vector<Ears> workers_;
};

}  // namespace proxy::backend
