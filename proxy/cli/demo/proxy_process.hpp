#pragma once

#include "proxy/cli/demo/child_process.hpp"
#include "proxy/cli/demo/stop_signals.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::cli {

struct DemoAddress {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const DemoAddress&) const = default;
};

/// Where a started proxy listens, as it wrote into its ready file.
struct ReadyAddresses {
  DemoAddress admin;
  DemoAddress pair;
};

inline constexpr std::string_view demo_pair_name = "demo";
inline constexpr std::string_view demo_rule_name = "all";

/// The configuration that the demo runs on: one mirrored pair that can switch over, one rule, ports chosen by the system. Pure.
/// `keeper_password` is of letters and digits.
[[nodiscard]] std::string demo_configuration(std::uint16_t blue_port, std::uint16_t green_port, const std::string& keeper_password);

/// Reads {"admin": "host:port", "pairs": {"demo": "host:port"}}; nothing when it is not that. Pure.
[[nodiscard]] std::optional<ReadyAddresses> parse_ready_file(std::string_view text);

/// A Crossfade of its own, from this very program, as a person would start it.
class ProxyProcess {
 public:
  /// Returns when it listens. Throws DemoFailure and Interrupted.
  ProxyProcess(const std::filesystem::path& directory, const std::optional<Account>& account,
               std::string_view configuration, StopSignals& signals);

  [[nodiscard]] const ReadyAddresses& addresses() const { return addresses_; }
  [[nodiscard]] const ChildProcess& process() const { return *process_; }

 private:
  std::unique_ptr<ChildProcess> process_;
  ReadyAddresses addresses_;
};

}  // namespace proxy::cli
