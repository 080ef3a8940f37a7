#pragma once

#include "proxy/runtime/loop.hpp"
#include "routing/side.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace proxy::backend {

/// How many connections the sessions of one pool, one user and one database may have to one side. 0: no limit.
struct ConnectionTerms {
  std::uint32_t pool_max = 20;  ///< one user and one database with the same start-up parameters
  std::uint32_t user_max = 0;
  std::uint32_t database_max = 0;
  std::uint32_t pool_min = 0;  ///< kept open while the pool has a session, as far as the limits allow
  bool operator==(const ConnectionTerms&) const = default;
};

/// And of the pair.
struct ConnectionLimits {
  std::uint32_t side_max = 0;   ///< connections of everybody to one side
  std::uint32_t queue_max = 0;  ///< sessions that wait for one, on all workers
};

/// A pool as all workers know it. Immutable.
struct PoolIdentity {
  std::string key;  ///< of the dialect: who has the same may share connections
  std::string user;
  std::string database;
  ConnectionTerms terms{};
};
using PoolPointer = std::shared_ptr<const PoolIdentity>;

/// Sessions of one worker and pool that wait for a connection to one side. While it is enrolled, others serve it.
struct Need {
  Need(std::size_t worker_number, PoolPointer whose, routing::Side to_side, runtime::Instant now)
      : worker(worker_number), pool(std::move(whose)), side(to_side), served(now.time_since_epoch().count()) {}
  const std::size_t worker;
  const PoolPointer pool;
  const routing::Side side;
  /// When one of them was served last, or the first began to wait.
  std::atomic<runtime::Clock::rep> served;
  std::atomic<std::uint32_t> waiting_count{0};
  std::atomic<std::uint32_t> promised_count{0};  ///< awards on their way
  [[nodiscard]] runtime::Instant served_at() const {
    return runtime::Instant(runtime::Clock::duration(served.load(std::memory_order_relaxed)));
  }
};
using NeedPointer = std::shared_ptr<Need>;

struct Award;

/// Counts the connections of a pair over all its workers, and decides who gets room that has become free. Thread-safe.
/// Asked when a connection is opened or closed, and when sessions begin or cease to wait; on the way of a request only
/// has_rivals(), which is one atomic load.
///
/// Who is next: of those whom the limits let have one, the user with the fewest connections to the side; of one user,
/// the worker whose sessions were served longest ago.
class ConnectionCounts {
 public:
  /// Who has been served within this time can wait for another that has not.
  static constexpr std::chrono::milliseconds turn{20};

  /// The right to have one connection; given back when destroyed. Lifetime: at most that of the counts.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { give_back(); }
    [[nodiscard]] explicit operator bool() const { return counts_ != nullptr; }

   private:
    friend class ConnectionCounts;
    void give_back();
    ConnectionCounts* counts_ = nullptr;
    PoolPointer pool_;
    routing::Side side_ = routing::Side::blue;
    std::size_t worker_ = 0;
  };

  /// How a worker is told. Called on any thread; must not call back into the counts.
  struct Ears {
    /// Room, or a connection, for one of the need's sessions.
    std::function<void(std::shared_ptr<Award>)> on_award;
    /// Sessions of another worker have begun to wait: give up what lies idle and would help.
    std::function<void(NeedPointer)> on_need;
    [[nodiscard]] explicit operator bool() const { return on_award != nullptr; }
  };

  explicit ConnectionCounts(ConnectionLimits limits) : limits_{limits.side_max, limits.queue_max} {}
  ConnectionCounts(const ConnectionCounts&) = delete;
  ConnectionCounts& operator=(const ConnectionCounts&) = delete;

  /// Other limits, for connections opened and sessions queued from now on. Any thread.
  void set_limits(ConnectionLimits limits);

  /// Before any connection is reserved; workers may come at the same time. The number by which the worker is known.
  std::size_t add_worker(Ears ears);

  /// Empty when a limit is reached.
  [[nodiscard]] Reservation reserve(const PoolPointer& pool, routing::Side side, std::size_t worker);
  /// Empty also when the pool has its minimum.
  [[nodiscard]] Reservation reserve_for_minimum(const PoolPointer& pool, routing::Side side, std::size_t worker);
  /// Turns the right to a connection that is given up into one for `pool`; false if that would break a limit.
  [[nodiscard]] bool pass_on(Reservation& reservation, const PoolPointer& pool, std::size_t worker);
  /// Whether other pools' connections can stand in the way of this one's.
  [[nodiscard]] bool is_sharing_room(const PoolIdentity& pool) const {
    return limits_.side_max != 0 || pool.terms.user_max != 0 || pool.terms.database_max != 0;
  }

  /// Connections of a pool to a side on a worker.
  [[nodiscard]] std::uint32_t connections_of(const PoolIdentity& pool, routing::Side side, std::size_t worker);
  /// How many connections to a side the pool has beyond its minimum, on all workers.
  [[nodiscard]] std::uint32_t surplus_of(const PoolIdentity& pool, routing::Side side);
  /// One more session waits; false: too many do.
  [[nodiscard]] bool enter_queue();
  void leave_queue() { queue_count_.fetch_sub(1, std::memory_order_relaxed); }

  /// Sessions of a worker begin, or cease, to wait for a connection of one pool and side.
  void enrol(const NeedPointer& need);
  void withdraw(const NeedPointer& need);
  /// Others than `own` (may be null) wait for connections to this side.
  [[nodiscard]] bool has_rivals(routing::Side side, const Need* own) const {
    return need_counts_[side].load() > (own != nullptr ? 1U : 0U);
  }
  /// A session has given a connection back. Who else should have it, or its place, rather than the sessions behind `own`
  /// (null: none waits there); the reservation is turned into theirs. Null: nobody.
  [[nodiscard]] NeedPointer yield(Reservation& reservation, Need* own, runtime::Instant now);
  /// The same for something idle and one certain need: false if it would not help.
  [[nodiscard]] bool yield_to(Reservation& reservation, Need& need);
  /// Has the other workers give up what lies idle and would help.
  void ask(const NeedPointer& need);
  /// To the worker of the award's need. Any thread.
  void deliver(std::shared_ptr<Award> award, const Need& need) { workers_[need.worker].on_award(std::move(award)); }

 private:
  struct Counted {
    routing::PerSide<std::uint32_t> count{};
    [[nodiscard]] bool is_bare() const { return count[routing::Side::blue] == 0 && count[routing::Side::green] == 0; }
  };
  struct PoolCounted : Counted {
    std::vector<routing::PerSide<std::uint32_t>> of_worker;
  };
  using Named = std::map<std::string, Counted, std::less<>>;

  void give_back(Reservation& reservation);
  // Under mutex_.
  [[nodiscard]] Reservation reserve_counted(const PoolPointer& pool, routing::Side side, std::size_t worker);
  [[nodiscard]] bool has_room(const PoolIdentity& pool, routing::Side side) const;
  void count(const PoolIdentity& pool, routing::Side side, std::size_t worker);
  void discount(const PoolIdentity& pool, routing::Side side, std::size_t worker);
  void relabel(Reservation& reservation, const Need& need);
  [[nodiscard]] std::uint32_t user_load(const PoolIdentity& pool, routing::Side side) const;
  [[nodiscard]] std::uint32_t load_beside(const PoolIdentity& pool, std::size_t worker, routing::Side side,
                                          const PoolIdentity& other_pool) const;
  [[nodiscard]] bool is_due_before(const Need& need, const Reservation& held, const Need& own, runtime::Instant now) const;
  [[nodiscard]] NeedPointer first_in_turn(routing::Side side, const std::function<bool(const Need&)>& is_fitting) const;

  /// As ConnectionLimits, changed by a reload.
  struct LimitsInForce {
    std::atomic<std::uint32_t> side_max;
    std::atomic<std::uint32_t> queue_max;
  };
  LimitsInForce limits_;
  routing::PerSide<std::atomic<std::uint32_t>> need_counts_{};
  std::atomic<std::uint32_t> queue_count_{0};
  std::mutex mutex_;
  std::map<std::string, PoolCounted, std::less<>> pools_;
  Named users_;
  Named databases_;
  routing::PerSide<std::uint32_t> sides_{};
  std::vector<NeedPointer> needs_;
  std::vector<Ears> workers_;
};

}  // namespace proxy::backend
