#pragma once

#include "config/load.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "proxy/admin/control.hpp"
#include "proxy/admin/server.hpp"
#include "proxy/admin/switchover_control.hpp"
#include "proxy/app_console.hpp"
#include "proxy/app_pair.hpp"
#include "proxy/app_switchover.hpp"
#include "proxy/lifecycle/inherited_sockets.hpp"
#include "proxy/lifecycle/takeover_client.hpp"
#include "proxy/lifecycle/takeover_server.hpp"
#include "proxy/net/name_table.hpp"
#include "proxy/runtime/worker.hpp"
#include "proxy/telemetry/audit.hpp"
#include "proxy/telemetry/log.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace proxy {

/// What a process takes over from the one before it, beside its sockets.
struct Inheritance {
  std::vector<lifecycle::PairState> states;
  std::vector<lifecycle::Predecessor> predecessors;
  std::optional<std::uint32_t> running_tag;  ///< of the process before; nothing: there is none
  net::FileDescriptor state_lock;
};

/// The composition root: makes everything from the settings, connects it, and ends it in order. It also answers
/// the admin endpoint, by asking the workers.
class App final : public admin::Control, private admin::SwitchoverControl {
 public:
  /// `path` is where `configuration`, which has no error, came from, and where a reload looks again.
  App(config::Outcome configuration, std::string path, telemetry::Log& log);
  ~App() override;
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// For tests of crashes: where a switchover ends the process. Before prepare().
  void halt_switchover_at(std::string place) { switchover_halt_ = std::move(place); }
  /// Makes and binds everything; what another process has left is used where it fits. Nothing is accepted yet.
  [[nodiscard]] protocol::Status prepare(lifecycle::InheritedSockets& sockets, Inheritance inheritance);
  /// Serves from here on. After prepare().
  void begin();
  // Handing over to a new process: app_takeover.cpp. All on the main thread.
  /// What the new process needs. From here on nothing is changed any more, until withdraw() or leave(); nothing when it
  /// cannot be now, for the reason in `refusal`. `control` is the socket that new processes come to.
  [[nodiscard]] std::vector<lifecycle::TakeoverServer::Part> hand_over(int control, std::string& refusal);
  /// The new process has failed: everything goes on.
  void withdraw();
  /// The new process accepts: this one does not any more, and its sessions go on to their end.
  void leave();
  /// Where cancel requests come in that arrived at processes after this one; -1 when there is none.
  [[nodiscard]] int cancel_line() const { return own_line_.get(); }
  void answer_cancel();
  /// All workers answer.
  [[nodiscard]] bool is_alive() { return ask_workers([](std::size_t) {}); }
  /// One line for whoever watches the service.
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] std::uint32_t clients_open() const { return clients_open_.load(); }
  [[nodiscard]] config::Takeover takeover() const;

  /// Where it really listens: {"admin": "host:port" or null, "pairs": {"name": "host:port"}}.
  [[nodiscard]] std::string ready_text() const;
  /// No new clients; sessions end at their next boundary. Returns when all are gone, `is_impatient` says so, or
  /// shutdown_timeout is over; whoever is left then is ended.
  void drain(const std::function<bool()>& is_impatient);

  [[nodiscard]] admin::SwitchoverControl* switchovers() override { return audit_ ? this : nullptr; }
  [[nodiscard]] admin::Mirrors mirrors() override;
  [[nodiscard]] admin::Status status() override;
  [[nodiscard]] std::vector<admin::PairMetrics> metrics() override;
  [[nodiscard]] bool is_ready() override;
  [[nodiscard]] protocol::Result<routing::Rule> rule(const std::string& pair, const std::string& rule) override;
  [[nodiscard]] protocol::Result<admin::PlanChange> set_weights(const std::string& pair, const std::string& rule,
                                                                routing::Weights reads) override;
  [[nodiscard]] protocol::Result<admin::PlanChange> rollback(const std::string& pair) override;
  [[nodiscard]] protocol::Result<admin::PinnedSessions> pinned_sessions(const std::string& pair) override;
  [[nodiscard]] protocol::Result<admin::TypeReport> type_report(const std::string& pair) override;
  [[nodiscard]] protocol::Result<admin::HoldChange> pause(const std::string& pair,
                                                          const routing::HoldScope& scope) override;
  [[nodiscard]] protocol::Result<admin::HoldChange> resume(const std::string& pair,
                                                           const routing::HoldScope& scope) override;
  /// Also called by whoever gets SIGHUP. Never on a worker: it reads files.
  [[nodiscard]] admin::ReloadOutcome reload(admin::ReloadMode mode) override;
  [[nodiscard]] protocol::Result<admin::ExplainResult> explain(const admin::ExplainRequest& request) override;

  /// How long a call of Control waits for a worker.
  static constexpr std::chrono::seconds acknowledge_timeout{2};

 private:
  friend class AppConsole;
  friend class AppSwitchover;
  using Pairs = std::vector<std::shared_ptr<AppPair>>;
  [[nodiscard]] PairSettings settings_of(const std::shared_ptr<const config::Settings>& settings, std::size_t index) const;
  [[nodiscard]] std::shared_ptr<AppPair> make_pair(const PairSettings& settings);
  void give_console(AppPair& pair);
  // Switchovers: app_switchovers.cpp.
  /// Before the pair is open; once it is, start_switchover().
  void give_switchover(AppPair& pair);
  [[nodiscard]] protocol::Status lock_state(const std::string& path, net::FileDescriptor inherited);
  [[nodiscard]] protocol::Status open_state(net::FileDescriptor inherited_lock);
  // What rules were given at run time: app_weights.cpp. Under control_mutex_, or before anything runs.
  void remember_weights(AppPair& pair);
  [[nodiscard]] bool keep_weights(AppPair& pair);
  [[nodiscard]] std::string history_path(const std::string& pair) const;
  [[nodiscard]] protocol::Result<std::shared_ptr<AppSwitchover>> find_switchover(const std::string& pair);
  [[nodiscard]] bool is_switching(const std::string& pair) const;
  void start_switchovers();
  void stop_switchovers();
  void note(std::string_view pair, std::string_view what, const routing::ChangeAsker& asker, std::string_view from, std::string_view to);
  [[nodiscard]] protocol::Result<std::uint64_t> switch_over(const std::string& pair, const routing::SwitchoverRequest& request) override;
  [[nodiscard]] protocol::Result<routing::SwitchoverStanding> standing(const std::string& pair) override;
  [[nodiscard]] protocol::Status abort(const std::string& pair, const routing::ChangeAsker& asker) override;
  [[nodiscard]] protocol::Status set_authority(const std::string& pair, routing::Side side, const routing::ChangeAsker& asker) override;
  [[nodiscard]] protocol::Status freeze(const std::string& pair, admin::Freezing freezing, const routing::ChangeAsker& asker) override;
  [[nodiscard]] protocol::Status verify(const std::string& pair, bool is_equal, const routing::ChangeAsker& asker) override;
  [[nodiscard]] protocol::Result<std::vector<std::string>> history(const std::string& pair) override;
  void note_change(const admin::NotedChange& change) override;
  [[nodiscard]] AppPair* find_pair(const std::string& name) const;
  [[nodiscard]] std::vector<admin::PairMetrics> count();
  protocol::Status open_admin(lifecycle::InheritedSockets& sockets);
  [[nodiscard]] protocol::Status choose_tag(const Inheritance& inheritance);
  [[nodiscard]] std::optional<protocol::Error> refusal_of_changes() const;
  [[nodiscard]] std::optional<protocol::Error> refusal_of_weights(const std::string& pair) const;

  // Reload: app_reload.cpp.
  /// What a reload does to one pair of the new configuration.
  struct Step {
    std::shared_ptr<AppPair> pair;
    AppPair::Prepared prepared;
    bool is_new = false;
  };
  [[nodiscard]] admin::ReloadOutcome reload_now(admin::ReloadMode mode);
  [[nodiscard]] protocol::Result<std::vector<Step>> prepare_steps(const std::shared_ptr<const config::Settings>& wanted);
  [[nodiscard]] protocol::Status carry_out(std::vector<Step> steps, const std::shared_ptr<const config::Settings>& wanted);
  void retire_pairs(const Pairs& kept);
  void bury_retired();
  void report(const admin::ReloadOutcome& outcome);
  [[nodiscard]] protocol::Error unknown_pair(const std::string& name) const;
  [[nodiscard]] admin::PlanChange publish(AppPair& pair, routing::PlanSnapshot plan);
  // app_hold.cpp. Any thread but a worker's. `on_end` is called once, on a worker; it may be empty.
  admin::HoldChange hold(AppPair& pair, const routing::HoldScope& scope,
                         std::function<void(session::DrainOutcome)> on_end);
  admin::HoldChange release(AppPair& pair, const routing::HoldScope& scope);
  void note_sessions(const std::string& pair, admin::HoldChange& change);
  /// Runs `task` with every worker's index on that worker's loop; false when some did not come to it in time.
  bool ask_workers(const std::function<void(std::size_t)>& task);
  /// All pairs that have sessions or may get some, as a list of its own that workers can walk.
  [[nodiscard]] Pairs all_pairs() const;
  void stop_workers();

  mutable std::mutex control_mutex_;  ///< the admin endpoint and signals come from different threads
  const std::string path_;
  std::shared_ptr<const config::Settings> settings_;
  config::Outline outline_;
  telemetry::Log& log_;
  std::chrono::steady_clock::time_point started_;
  protocol::postgres::SystemNonceSource nonces_;
  net::NameTable names_;
  std::atomic<std::uint32_t> clients_open_{0};
  session::HeldBytes held_bytes_;
  std::vector<std::unique_ptr<runtime::Worker>> workers_;
  std::vector<std::unique_ptr<AppConsole>> consoles_;  ///< of the pairs that have one; sessions use them to their end
  std::vector<std::shared_ptr<AppSwitchover>> switchovers_;  ///< of the pairs with a durable state
  net::FileDescriptor state_lock_;                           ///< no other process has the state
  std::unique_ptr<telemetry::Audit> audit_;                  ///< null: there is no durable state
  std::string switchover_halt_;                              ///< see switchover::Controller
  Pairs pairs_;    ///< in the order of the configuration
  Pairs retired_;  ///< no longer in the configuration; their last sessions are still here
  std::atomic<bool> is_draining_{false};
  bool is_handing_over_ = false;   ///< under control_mutex_
  std::uint32_t process_tag_ = 0;  ///< in the cancel keys of this process
  std::vector<lifecycle::Predecessor> predecessors_;  ///< unchanged once workers run
  net::FileDescriptor own_line_;    ///< cancel requests passed on to this process
  net::FileDescriptor others_line_;  ///< what later processes write to
  std::unique_ptr<admin::AdminServer> admin_;
  std::string admin_text_;
};

}  // namespace proxy
