#pragma once

#include "protocol/conversation.hpp"
#include "proxy/backend/connection.hpp"
#include "proxy/backend/connection_counts.hpp"
#include "proxy/backend/surroundings.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace proxy::backend {

/// The backend connections of one pair on one worker that no session has on loan, and the sessions that wait for one.
///
/// Connections of one group (the same user, database and start-up parameters) and side serve all its sessions in
/// turn. Who waits is served in order of arrival. All limits are counted over all workers (ConnectionCounts).
class Pool final : private Keeper {
 public:
  struct Options {
    std::chrono::milliseconds idle_timeout{600'000};   ///< an idle connection is closed after this; 0: never
    std::chrono::milliseconds lifetime{3'600'000};     ///< and an old one when it is next idle; 0: never
  };

  /// The sessions that can share connections. Lifetime: from enter() to leave().
  class Group;

  /// One session in the queue. Its turn comes once: a connection or the right to open one is kept here for it.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    /// take() will succeed now. Called from the loop or from within another session's call: only take note of it.
    virtual void on_pool_turn() = 0;

   private:
    friend class Pool;
    bool is_queued_ = false;
    Group* group_ = nullptr;
    net::StreamListener* borrower_ = nullptr;
    routing::Side side_ = routing::Side::blue;
    std::unique_ptr<Connection> connection_;
    ConnectionCounts::Reservation reservation_;
  };

  /// All outlive the pool. `counts` is shared by the workers of the pair, which must not run yet.
  Pool(Surroundings& surroundings, ConnectionCounts& counts, Options options);
  ~Pool() override;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  [[nodiscard]] Group& enter(const protocol::Login& login, const ConnectionTerms& terms);
  void leave(Group& group);

  /// A connection of `group` to `side`: idle, one that needs no restoring for `half` if there is one, or new and
  /// connecting. Null: none is free and none may be opened; `waiter` stands in the queue until its turn comes or
  /// leave_queue(). `half` may be null.
  [[nodiscard]] std::unique_ptr<Connection> take(Group& group, routing::Side side, const protocol::ClientHalf* half,
                                                 net::StreamListener& borrower, Waiter& waiter);
  /// Takes back what is at a boundary; anything else is closed.
  void put_back(Group& group, std::unique_ptr<Connection> connection);
  void leave_queue(Waiter& waiter);
  /// Somebody waits for what put_back() would give.
  [[nodiscard]] bool is_anyone_waiting(const Group& group, routing::Side side) const;
  /// Closes what nobody has on loan; who waits for a connection still gets a new one.
  void close_idle();
  /// For the console.
  void add_idle(std::vector<telemetry::BackendView>& backends, runtime::Instant now) const;
  /// A cancel request has arrived, so what was kept back for its sake may serve again.
  void on_cancel_end();

 private:
  struct Shelf;
  void on_room();
  void on_shortage(const std::vector<ConnectionCounts::Need>& needs);
  void tell_need();
  bool close_one_idle(Group& group, routing::Side side);
  bool close_any_idle(routing::Side side);
  void grant(Shelf& shelf, std::unique_ptr<Connection> connection, ConnectionCounts::Reservation reservation);
  void on_idle_ready(Connection& connection) override;
  void hand_over(Group& group, std::unique_ptr<Connection> connection);
  void sweep();
  void arm_sweep();
  [[nodiscard]] bool is_worn(const Connection& connection) const;
  void note_waiting(std::size_t count);

  Surroundings& surroundings_;
  ConnectionCounts& counts_;
  Options options_;
  std::map<std::string, std::unique_ptr<Group>> groups_;
  struct KeptBack {
    Group* group;
    std::unique_ptr<Connection> connection;
  };
  std::vector<KeptBack> kept_back_;  ///< a cancel request is on its way to them
  std::size_t waiting_count_ = 0;
  std::unique_ptr<runtime::Timer> sweep_timer_;
  bool is_sweep_armed_ = false;
  std::unique_ptr<runtime::Timer> need_timer_;
  std::shared_ptr<Pool*> self_;  ///< what is posted from other threads finds the pool through it, or does not
  std::size_t worker_number_ = 0;
};

}  // namespace proxy::backend
