#pragma once

#include "protocol/base/result.hpp"
#include "proxy/switchover/sync_path.hpp"
#include "routing/guard.hpp"
#include "routing/side.hpp"
#include "routing/switchover.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace proxy::switchover {

/// What a switchover does to the traffic of its pair. Calls on the controller's thread, never a worker's.
class Traffic {
 public:
  virtual ~Traffic() = default;
  /// What of the traffic speaks against a switchover: a pause, rules whose writes go elsewhere, pinned sessions.
  [[nodiscard]] virtual std::vector<routing::SwitchoverFinding> findings(routing::Side to) = 0;
  enum class Manner : std::uint8_t {
    plain,
    for_writes,  ///< they may write although the side's databases begin read-only; those that are there end
  };
  /// Opens as many connections to `side` as the other one has. After `for_writes` all that are opened are so, until cool().
  [[nodiscard]] virtual protocol::Status warm(routing::Side side, Manner manner, Clock::time_point deadline, const std::stop_token& stop) = 0;
  virtual void cool(routing::Side side) = 0;
  /// From its return no worker begins a write.
  [[nodiscard]] virtual protocol::Status hold() = 0;
  /// Returns once no write transaction is under way: so many had to be ended for it.
  [[nodiscard]] virtual protocol::Result<std::uint64_t> drain(routing::DrainPolicy policy, Clock::time_point deadline,
                                                              const std::stop_token& stop) = 0;
  struct Released {
    std::uint64_t sessions_held = 0;  ///< that waited at that moment
  };
  /// Harmless when nothing is held.
  virtual Released release() = 0;
  /// Writes go to `authority`. The epoch in force afterwards is at least `epoch`.
  [[nodiscard]] virtual protocol::Status publish(routing::Side authority, std::uint64_t epoch) = 0;
  /// Whatever may write is refused.
  virtual void disown() = 0;
  [[nodiscard]] virtual std::uint64_t epoch() = 0;
  /// Connections to `side` end at their next boundary: what a new one begins with has changed there.
  virtual void renew(routing::Side side) = 0;
  /// The server's numbers of the processes that serve Crossfade's own connections to `side`.
  [[nodiscard]] virtual std::vector<std::uint32_t> backend_processes(routing::Side side) = 0;
  /// What `side` has done so far; an answer counts as slow beyond `latency_max`.
  [[nodiscard]] virtual routing::Pulse pulse(routing::Side side, std::chrono::milliseconds latency_max) = 0;
};

/// The server's numbers of the processes that serve Crossfade's own connections, as they are when it is called: connections come and
/// go all the time, so whoever has looked at a server asks afterwards.
using OwnProcesses = std::function<std::vector<std::uint32_t>()>;

/// What a switchover does inside the databases. Calls on the controller's thread; each returns by its deadline.
class Databases {
 public:
  virtual ~Databases() = default;
  /// Everything that speaks against a switchover away from `from`. Opens what later steps need. `ours`: on `from`.
  [[nodiscard]] virtual std::vector<routing::SwitchoverFinding> findings(routing::Side from, const OwnProcesses& ours,
                                                                         Clock::time_point deadline, const std::stop_token& stop) = 0;
  /// From its return nobody but the stream back writes on `side`. `ours` as above: they are left alone.
  [[nodiscard]] virtual protocol::Status fence(routing::Side side, const OwnProcesses& ours, Clock::time_point deadline,
                                               const std::stop_token& stop) = 0;
  /// New sessions on all databases of `side` begin read-only.
  [[nodiscard]] virtual protocol::Result<bool> is_fenced(routing::Side side, Clock::time_point deadline, const std::stop_token& stop) = 0;
  /// The last look: whoever began before the fence and was not seen then. Errors: somebody was there; he has been ended.
  [[nodiscard]] virtual protocol::Status confirm_fence(routing::Side side, const OwnProcesses& ours, Clock::time_point deadline,
                                                       const std::stop_token& stop) = 0;
  /// The exact opposite, for sessions that begin from now on. Harmless when there is no fence.
  [[nodiscard]] virtual protocol::Status open(routing::Side side, Clock::time_point deadline, const std::stop_token& stop) = 0;
  /// Every sequence of `to` gives values beyond those of the other side.
  [[nodiscard]] virtual protocol::Status carry_sequences(routing::Side to, Clock::time_point deadline, const std::stop_token& stop) = 0;
  /// The operator's questions to `side`: each must be answered, and where it is with one truth value, with true.
  [[nodiscard]] virtual protocol::Status test(routing::Side side, const std::vector<std::string>& questions, Clock::time_point deadline,
                                              const std::stop_token& stop) = 0;
  /// Nothing is asked for a while: connections are given up.
  virtual void rest() = 0;
};

}  // namespace proxy::switchover
