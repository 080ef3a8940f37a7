#pragma once

#include "config/settings.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "proxy/admin/control.hpp"
#include "proxy/admin/server.hpp"
#include "proxy/app_console.hpp"
#include "proxy/app_pair.hpp"
#include "proxy/net/name_table.hpp"
#include "proxy/runtime/worker.hpp"
#include "proxy/telemetry/log.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace proxy {

/// The composition root: makes everything from the settings, connects it, and ends it in order. It also answers
/// the admin endpoint, by asking the workers.
class App final : public admin::Control {
 public:
  App(config::Settings settings, telemetry::Log& log);
  ~App() override;
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// Binds everything, then serves. Nothing is left running when it fails.
  [[nodiscard]] protocol::Status start();
  /// Where it really listens: {"admin": "host:port" or null, "pairs": {"name": "host:port"}}.
  [[nodiscard]] std::string ready_text() const;
  /// No new clients; sessions end at their next boundary. Returns when all are gone, `is_impatient` says so, or
  /// shutdown_timeout is over; whoever is left then is ended.
  void drain(const std::function<bool()>& is_impatient);

  /// Reads all certificates, keys and authorities again, for connections made from now on; sessions keep theirs.
  /// What cannot be used is logged, and what was in force stays so. Never on a worker: it reads files.
  void reload_certificates();

  [[nodiscard]] admin::Status status() override;
  [[nodiscard]] std::vector<admin::PairMetrics> metrics() override;
  [[nodiscard]] bool is_ready() override;
  [[nodiscard]] protocol::Result<routing::Rule> rule(const std::string& pair, const std::string& rule) override;
  [[nodiscard]] protocol::Result<admin::PlanChange> set_weights(const std::string& pair, const std::string& rule,
                                                                routing::Weights reads) override;
  [[nodiscard]] protocol::Result<admin::PlanChange> rollback(const std::string& pair) override;
  [[nodiscard]] protocol::Result<admin::PinnedSessions> pinned_sessions(const std::string& pair) override;
  [[nodiscard]] protocol::Result<admin::HoldChange> pause(const std::string& pair,
                                                          const routing::HoldScope& scope) override;
  [[nodiscard]] protocol::Result<admin::HoldChange> resume(const std::string& pair,
                                                           const routing::HoldScope& scope) override;
  [[nodiscard]] protocol::Result<admin::ExplainResult> explain(const admin::ExplainRequest& request) override;

  /// How long a call of Control waits for a worker.
  static constexpr std::chrono::seconds acknowledge_timeout{2};

 private:
  friend class AppConsole;
  [[nodiscard]] AppPair* find_pair(const std::string& name) const;
  [[nodiscard]] protocol::Error unknown_pair(const std::string& name) const;
  [[nodiscard]] admin::PlanChange publish(AppPair& pair, routing::PlanSnapshot plan);
  // app_hold.cpp. Any thread but a worker's. `on_end` is called once, on a worker; it may be empty.
  admin::HoldChange hold(AppPair& pair, const routing::HoldScope& scope,
                         std::function<void(session::DrainOutcome)> on_end);
  admin::HoldChange release(AppPair& pair, const routing::HoldScope& scope);
  void note_sessions(const std::string& pair, admin::HoldChange& change);
  /// Runs `task` with every worker's index on that worker's loop; false when some did not come to it in time.
  bool ask_workers(const std::function<void(std::size_t)>& task);
  void stop_workers();

  config::Settings settings_;
  telemetry::Log& log_;
  std::chrono::steady_clock::time_point started_;
  protocol::postgres::SystemNonceSource nonces_;
  net::NameTable names_;
  std::atomic<std::uint32_t> clients_open_{0};
  std::vector<std::unique_ptr<runtime::Worker>> workers_;
  std::vector<std::unique_ptr<AppConsole>> consoles_;  ///< of the pairs that have one; sessions use them to their end
  std::vector<std::unique_ptr<AppPair>> pairs_;
  std::unique_ptr<admin::AdminServer> admin_;
  std::string admin_text_;
};

}  // namespace proxy
