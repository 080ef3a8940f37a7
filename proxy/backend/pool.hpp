#pragma once

#include "protocol/conversation.hpp"
#include "proxy/backend/connection.hpp"
#include "proxy/backend/connection_counts.hpp"
#include "proxy/backend/surroundings.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace proxy::backend {

/// The backend connections of one pair on one worker that no session has on loan, and the sessions that wait for one.
///
/// Connections of one group (the same user, database and start-up parameters) and side serve all its sessions in
/// turn. Who waits is served in order of arrival. All limits are counted over all workers (ConnectionCounts), which also
/// says when it is the turn of others: then a connection goes to another worker, or is closed for the room it takes.
class Pool final : private Keeper {
 public:
  struct Options {
    std::chrono::milliseconds idle_timeout{600'000};   ///< an idle connection is closed after this; 0: never
    std::chrono::milliseconds lifetime{3'600'000};     ///< and an old one when it is next idle; 0: never
    std::chrono::milliseconds login_retry{0};          ///< a failed login is the answer for so long; 0: never
    std::chrono::milliseconds check_after{50};         ///< one idle for longer is looked at before it is lent
  };

  /// The sessions that can share connections. Lifetime: from enter() to leave().
  class Group;

  /// One session in the queue. Its turn comes once: a connection or the right to open one is kept here for it.
  class Waiter {
   public:
    virtual ~Waiter() = default;
    /// take() will succeed now. Called from the loop or from within another session's call: only take note of it.
    virtual void on_pool_turn() = 0;
    /// After take() has given nothing: as many wait as may.
    [[nodiscard]] bool is_turned_away() const { return is_turned_away_; }

   private:
    friend class Pool;
    bool is_queued_ = false;
    bool is_turned_away_ = false;
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
  /// leave_queue(), unless it is turned away. `half` may be null.
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
  /// Other bounds for a group. Who waits already gets its turn as before.
  void revise(Group& group, const ConnectionTerms& terms);
  /// Other bounds; idle connections that exceed them go with the next sweep.
  void set_options(Options options);
  /// Closes the idle connections to a side that is reached in another way by now; those on loan go when they are back.
  void close_outdated();
  /// A session has made these changes, and is about to hear that they are made: connections that were begun before are not
  /// lent again, on any worker. Those on loan go when they are back.
  void note_login_changes(const std::vector<protocol::LoginChange>& changes);
  /// Opens as many connections of each group to `side` as it has to the other one, as far as the limits allow. They lie idle then.
  void warm(routing::Side side);
  /// So many of them are not there yet.
  [[nodiscard]] std::size_t warming_count() const;
  void give_up_warming();
  /// A cancel request has arrived, so what was kept back for its sake may serve again.
  void on_cancel_end();

 private:
  struct Shelf;
  class Warming;
  void end_warming(Warming* ended);
  [[nodiscard]] std::unique_ptr<Connection> open(Group& group, routing::Side side, net::StreamListener& borrower,
                                                 ConnectionCounts::Reservation reservation);
  [[nodiscard]] std::unique_ptr<Connection> take_idle(Group& group, routing::Side side, const protocol::ClientHalf* half);
  [[nodiscard]] bool is_still_good(Connection& connection) const;
  void queue(Group& group, routing::Side side, net::StreamListener& borrower, Waiter& waiter);
  void note_waiting(Shelf& shelf);
  void end_need(Shelf& shelf);
  void grant(Shelf& shelf, std::unique_ptr<Connection> connection, ConnectionCounts::Reservation reservation,
             runtime::Instant now);

  // What is shared with other pools and workers: pool_sharing.cpp.
  [[nodiscard]] bool try_give_others(Group& group, std::unique_ptr<Connection>& connection);
  void give(std::unique_ptr<Connection> connection, const NeedPointer& need, const PoolIdentity& pool);
  void receive(Award& award);
  void offer_idle(const NeedPointer& need);
  [[nodiscard]] ConnectionCounts::Reservation take_room_of_idle(Group& group, routing::Side side);

  void on_idle_ready(Connection& connection) override;
  void hand_over(Group& group, std::unique_ptr<Connection> connection);
  void sweep();
  void drop_old(Group& group, routing::Side side, runtime::Instant now);
  void arm_sweep();

  // As many as a pool is to have at least: pool_warming.cpp.
  void fill(Group& group, routing::Side side);
  [[nodiscard]] bool may_fill(const Group& group, routing::Side side) const;
  [[nodiscard]] bool is_worn(const Connection& connection) const;

  // What has been changed for later logins: pool_retirement.cpp.
  void heed_login_changes();
  void retire(const protocol::LoginChange& change, std::uint64_t epoch);
  [[nodiscard]] static bool is_retired(const Group& group, const Connection& connection);

  Surroundings& surroundings_;
  ConnectionCounts& counts_;
  Options options_;
  std::map<std::string, std::unique_ptr<Group>> groups_;
  struct KeptBack {
    Group* group;
    std::unique_ptr<Connection> connection;
  };
  std::vector<KeptBack> kept_back_;  ///< a cancel request is on its way to them
  std::vector<std::unique_ptr<Warming>> warming_;
  std::unique_ptr<runtime::Timer> sweep_timer_;
  bool is_sweep_armed_ = false;
  std::shared_ptr<Pool*> self_;  ///< what is posted from other threads finds the pool through it, or does not
  std::size_t worker_number_ = 0;
  std::uint64_t heeded_epoch_ = 0;  ///< of LoginChanges
  runtime::Instant fill_from_{};    ///< nothing is opened for a minimum before
};

}  // namespace proxy::backend
