#pragma once

#include "proxy/app_pair.hpp"
#include "proxy/migrate/pair_databases.hpp"
#include "proxy/switchover/controller.hpp"
#include "proxy/switchover/mirror_path.hpp"
#include "proxy/switchover/surroundings.hpp"
#include "proxy/telemetry/log.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace proxy {

class App;

/// Part of the composition root: the switchover of one pair, its durable state, and what connects it to the rest.
class AppSwitchover final : private switchover::Traffic {
 public:
  struct Options {
    std::string folder;   ///< of the state
    std::string halt_at;  ///< see switchover::Controller
    std::function<void(const switchover::Attempt&)> on_end;
    std::function<void(const std::string&)> on_breach;
    std::uint64_t first_number = 1;
  };
  /// Before the pair is open: reads the state, and has the pair obey it. `app` and `pair` outlive this.
  AppSwitchover(App& app, AppPair& pair, Options options, telemetry::Log& log);
  ~AppSwitchover() override;

  /// Once workers run.
  void start() { controller_->start(); }
  void stop() { controller_->stop(); }
  [[nodiscard]] const AppPair& pair() const { return pair_; }
  [[nodiscard]] switchover::Controller& controller() { return *controller_; }

 private:
  class PairDatabases;
  [[nodiscard]] protocol::Result<switchover::AuthorityRecord> read_record(const switchover::StateFile& file);

  [[nodiscard]] std::vector<routing::SwitchoverFinding> findings(routing::Side to) override;
  [[nodiscard]] protocol::Status warm(routing::Side side, Manner manner, switchover::Clock::time_point deadline,
                                      const std::stop_token& stop) override;
  void cool(routing::Side side) override;
  [[nodiscard]] protocol::Status hold() override;
  [[nodiscard]] protocol::Result<std::uint64_t> drain(routing::DrainPolicy policy, switchover::Clock::time_point deadline,
                                                      const std::stop_token& stop) override;
  Released release() override;
  [[nodiscard]] protocol::Status publish(routing::Side authority, std::uint64_t epoch) override;
  void disown() override;
  [[nodiscard]] std::uint64_t epoch() override;
  [[nodiscard]] routing::Pulse pulse(routing::Side side, std::chrono::milliseconds latency_max) override;
  void renew(routing::Side side) override;
  [[nodiscard]] std::vector<std::uint32_t> backend_processes(routing::Side side) override;

  App& app_;
  AppPair& pair_;
  telemetry::Log& log_;
  std::unique_ptr<switchover::Databases> databases_;
  std::unique_ptr<switchover::SyncPath> sync_;
  std::unique_ptr<switchover::Controller> controller_;
};

}  // namespace proxy
