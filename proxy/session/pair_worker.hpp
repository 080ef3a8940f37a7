#pragma once

#include "proxy/session/cancel_call.hpp"
#include "proxy/session/environment.hpp"
#include "proxy/session/plan_publisher.hpp"
#include "proxy/session/session.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace proxy::session {

/// What all workers of a pair share: plain values and atomics.
struct PairShared {
  PlanPublisher plan;
  std::atomic<std::uint64_t> session_count{0};           ///< sessions ever begun; gives each its number
  std::atomic<std::uint32_t>& clients_open;  ///< of the whole process
  std::atomic<std::uint32_t> clients_max;
  backend::ConnectionCounts connections;
  std::string name = {};            ///< of the pair, for logs
  telemetry::Log* log = nullptr;    ///< null: nothing is logged
  /// A schema change of a session with this login has been answered. Called on workers; may be empty.
  std::function<void(const protocol::Login&)> on_schema_change = {};
  LoginGuard* failed_logins = nullptr;  ///< null: failures cost nothing
  TermsTable terms{};
  HoldPublisher hold = {};
  ConsoleDoor* console = nullptr;  ///< null: there is no console; set before any worker of the pair is made
  backend::Health* health = nullptr;    ///< null: nothing is known of the sides
  ClientCounts clients{};
  MirrorTerms mirror = {};  ///< set before any worker of the pair is made
  backend::LoginChanges login_changes{};
  HeldBytes* held_bytes = nullptr;  ///< of the whole process; null: no limit
  backend::ProcessRegister processes{};
};

/// The sessions of one pair on one worker: takes in clients, finds sessions by their cancel keys, ends them.
/// Everything but the constructor runs on the worker's loop.
class PairWorker final : public SessionOwner, public SessionRegistry {
 public:
  /// What differs per pair and worker beyond the environment.
  struct Identity {
    std::uint32_t worker_index;                  ///< below worker_count_max
    std::function<std::uint32_t()> random_bits;  ///< for the secrets of cancel keys
    std::uint32_t process_tag = 0;               ///< below process_tag_count; tells processes on one address apart
    /// Passes on a cancel request whose key is, or may be, of another process. Called on the loop; empty: there is nobody else.
    std::function<void(const protocol::CancelKey&, std::function<void()> done)> cancel_elsewhere = {};
  };
  static constexpr std::uint32_t worker_count_max = 128;
  static constexpr std::uint32_t process_tag_count = 16;

  PairWorker(PairShared& shared, Identity identity, runtime::Loop& loop, protocol::Dialect& dialect,
             net::Connector& connector, const backend::CredentialsSource& credentials,
             const SessionOptions& options, backend::Pool::Options pool_options,
             routing::PerSide<net::Endpoint> endpoints, std::span<std::byte> scratch,
             const backend::Encryption& encryption = {});
  ~PairWorker() override;
  PairWorker(const PairWorker&) = delete;
  PairWorker& operator=(const PairWorker&) = delete;

  /// Which process gave this key out; nothing: its number is a server's, and does not tell.
  [[nodiscard]] static std::optional<std::uint32_t> tag_of(const protocol::CancelKey& key);
  /// A cancel request that is for this process, or for nobody. `on_unknown`, if given, takes the place of `done` where no
  /// session has the key; it may be called on any worker's loop.
  void cancel_own(const protocol::CancelKey& key, std::function<void()> done, std::function<void()> on_unknown = {});

  /// All workers of the pair, by index, this one included: who to ask about a cancel key. Before any client.
  void set_peers(std::vector<PairWorker*> peers) { peers_ = std::move(peers); }

  /// `local_user`: whose process a client over a local socket is.
  void take_in(std::unique_ptr<net::Stream> client, routing::ClientAddress address, std::optional<std::uint32_t> local_user = {});
  /// Reads the plan in force now; true when it has at least this epoch.
  [[nodiscard]] bool acknowledge(std::uint64_t epoch) { return plans_.plan().epoch >= epoch; }
  /// What a reload may change.
  struct Terms {
    SessionOptions options;
    std::shared_ptr<const TermsTable> table;  ///< of sessions that log in from now on
    backend::Pool::Options pool;
    routing::PerSide<net::Endpoint> endpoints;
    routing::PerSide<backend::BackendEncryption> encryption{};
    bool is_pool_smaller = false;
    routing::PerSide<bool> is_reached_anew{};  ///< connections to the side are of no use beyond their next boundary
  };
  /// Takes effect at once: sessions ask for their bounds when they need them. How a session is pooled stays.
  void reconfigure(const Terms& terms);
  /// A copy of the counters, pins counted afresh.
  [[nodiscard]] telemetry::PairMetrics metrics();
  [[nodiscard]] telemetry::PinnedSessions pinned_sessions() const;
  /// The pair's hold has changed: whoever waits judges again.
  void on_hold_change() { holds_.on_change(); }
  /// `on_drained` is called on this loop once every session of `scope` that works now has come to a boundary or its
  /// end, or the hold is taken back.
  void watch_drain(const routing::HoldScope& scope, routing::HoldClass hold_class, HoldDesk::OnDrained on_drained);
  /// Closes the connections that nobody has on loan.
  void close_idle_connections() { pool_->close_idle(); }
  /// Connections to `side` end at their next boundary; what is opened from now on is new.
  void renew_connections(routing::Side side);
  /// What is connected to `side` from now on may write although the side begins read-only; and as before again.
  void open_for_writes(routing::Side side) { surroundings_.is_opened_for_writes[side] = true; }
  void open_as_usual(routing::Side side) { surroundings_.is_opened_for_writes[side] = false; }
  [[nodiscard]] backend::Pool& pool() { return *pool_; }
  /// The server's numbers of the processes behind the pair's connections to `side` on this worker.
  [[nodiscard]] std::size_t sessions_writing() const;
  /// Ends them; so many were.
  std::size_t end_writing();
  /// Sessions that wait for the end of a hold.
  [[nodiscard]] std::size_t sessions_waiting() const { return holds_.waiting_count(); }
  /// What there is now, for the console.
  [[nodiscard]] telemetry::Inventory inventory() const;
  void stop_sessions(Session::Stop when);
  void on_side_down(routing::Side side);
  [[nodiscard]] std::size_t session_count() const { return sessions_.size(); }
  [[nodiscard]] runtime::Loop& loop() { return environment_.loop; }

  void on_session_end(Session& session) override;
  [[nodiscard]] protocol::CancelKey enrol(Session& session, std::size_t secret_bytes, std::uint32_t server_process) override;
  void leave(const protocol::CancelKey& key) override;
  [[nodiscard]] telemetry::DatabaseCounters& counters_of(const std::string& database) override;
  void cancel(const protocol::CancelKey& key, std::function<void()> done) override;
  void close_idle_everywhere() override;

 private:
  struct CancelEnds {
    std::function<void()> done;
    std::function<void()> on_unknown;
  };
  void ask_from(std::size_t index, const protocol::CancelKey& key, CancelEnds ends);
  [[nodiscard]] Session* enrolled_with(const protocol::CancelKey& key) const;
  void cancel_here(Session& session, std::function<void()> done);

  struct Enrolled {
    Session* session;
    protocol::Bytes secret;
  };

  PairShared& shared_;
  Identity identity_;
  WorkerPlanReader plans_;
  HoldDesk holds_;
  telemetry::PairMetrics metrics_;
  std::map<std::string, telemetry::DatabaseCounters, std::less<>> databases_;
  backend::Surroundings surroundings_;
  std::unique_ptr<backend::Pool> pool_;
  SessionOptions options_;
  TermsTable table_;
  Environment environment_;
  std::vector<PairWorker*> peers_;
  std::unordered_map<Session*, std::unique_ptr<Session>> sessions_;
  std::unordered_map<std::uint32_t, Enrolled> enrolled_;  ///< by the process id of the key
  std::uint32_t next_number_ = 1;
  std::map<CancelCall*, std::unique_ptr<CancelCall>> cancel_calls_;
};

}  // namespace proxy::session
