#pragma once

#include "proxy/cli/demo/admin_api.hpp"
#include "proxy/cli/demo/cluster.hpp"
#include "proxy/cli/demo/demo.hpp"
#include "proxy/cli/demo/load_driver.hpp"
#include "proxy/cli/demo/proxy_process.hpp"
#include "proxy/cli/demo/report.hpp"
#include "proxy/cli/demo/scratch_directory.hpp"

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace proxy::cli {

/// The demo's scenes, in the order of their declaration. Members are ordered so that unwinding ends the
/// clients first, then the proxy, then the servers, then the directory. Functions throw DemoFailure and
/// Interrupted.
class Story {
 public:
  Story(const DemoOptions& options, StopSignals& signals, std::ostream& out);

  void raise_servers();
  void start_proxy();
  /// Moves the reads step by step, the authority over, back and over again, and compares the sides. What speaks against success; empty
  /// when all went as promised.
  [[nodiscard]] std::vector<std::string> move_traffic();
  /// Until a stop signal comes, which it throws.
  [[noreturn]] void hold();

 private:
  [[nodiscard]] ClusterOptions cluster_options(const char* name) const;
  void start_load(std::chrono::microseconds think_time);
  void play_step(std::string title, double green_share, const std::optional<Acknowledgement>& change);
  void move_authority(std::string title, double green_share, std::uint64_t (AdminApi::*begin)());
  void finish_step(StepResult result);
  void show_until(DemoClock::time_point end);
  [[nodiscard]] std::string compare_sides(std::vector<std::string>& complaints);
  void say(const std::string& text);

  DemoOptions options_;
  StopSignals& signals_;
  std::ostream& out_;
  DemoClock::time_point began_at_;
  std::optional<Account> account_;
  std::string keeper_password_;
  ScratchDirectory scratch_;
  Cluster blue_;
  Cluster green_;
  std::unique_ptr<ProxyProcess> proxy_;
  std::unique_ptr<AdminApi> admin_;
  LoadLedger ledger_;
  std::vector<StepResult> steps_;
  routing::Side authority_ = routing::Side::blue;
  std::unique_ptr<LoadDriver> load_;
};

}  // namespace proxy::cli
