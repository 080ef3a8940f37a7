#pragma once

#include "protocol/base/error.hpp"
#include "protocol/conversation.hpp"
#include "proxy/runtime/loop.hpp"
#include "proxy/telemetry/log.hpp"
#include "routing/side.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::backend {

/// What is known of a side.
///
///     up --a bad sign--> suspect --a good probe--> up
///     up, suspect --`fall` bad probes in a row, or one hard sign--> down --`rise` good probes in a row--> up
enum class HealthState : std::uint8_t { up, suspect, down };

/// A bad sign, from a probe or from traffic. The first two are hard: nobody is served now.
enum class HealthSign : std::uint8_t {
  refused,     ///< no connection could be made
  not_ready,   ///< the server says that it takes nobody
  timeout,     ///< no answer in time
  lost,        ///< a connection broke
  senseless,   ///< the protocol was broken, or the handshake of TLS failed
};

[[nodiscard]] std::string_view name_of(HealthState state);
[[nodiscard]] std::string_view name_of(HealthSign sign);
[[nodiscard]] constexpr bool is_hard(HealthSign sign) { return sign == HealthSign::refused || sign == HealthSign::not_ready; }
/// What a failed connection says of its side; nullopt where it speaks of one user only, or of us.
[[nodiscard]] std::optional<HealthSign> sign_of(const protocol::Error& error);

/// What is known of one side, for whoever wants to see it.
struct SideReport {
  HealthState state = HealthState::up;
  std::optional<HealthSign> reason;     ///< the last bad sign, while not up
  runtime::Instant since{};             ///< of the state
  std::uint64_t transitions = 0;        ///< changes of state since the process began
  std::uint64_t probes = 0;
  std::uint64_t failed_probes = 0;
  protocol::ServerTraits traits;        ///< as of the last login of a probe
};

/// The health of both sides of a pair. Thread-safe; shared by all workers and the probers. On the way of a request
/// only is_down() is asked, one atomic load; the rest is for failures, probes and observers.
class Health {
 public:
  struct Thresholds {
    std::uint32_t rise = 2;  ///< good probes in a row until a side that is down is up again
    std::uint32_t fall = 3;  ///< bad probes in a row until a side is down
  };
  /// Called on whatever thread a sign was noted, without a lock held. Set before there are any threads.
  struct Ears {
    std::function<void(routing::Side)> on_doubt;  ///< traffic gives reason to probe now
    std::function<void(routing::Side)> on_down;   ///< a side is down from now on
  };

  Health(std::string pair_name, Thresholds thresholds, telemetry::Log* log, runtime::Instant now);
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;
  void listen(Ears ears) { ears_ = std::move(ears); }

  [[nodiscard]] bool is_down(routing::Side side) const { return states_[side].load(std::memory_order_relaxed) == HealthState::down; }
  [[nodiscard]] HealthState state(routing::Side side) const { return states_[side].load(std::memory_order_relaxed); }
  [[nodiscard]] SideReport report(routing::Side side) const;

  /// Traffic has met with this.
  void note_sign(routing::Side side, HealthSign sign, runtime::Instant now);
  /// A probe has come to an end: nullopt if well. `traits` only when it has logged in.
  void note_probe(routing::Side side, std::optional<HealthSign> sign, runtime::Instant now,
                  const protocol::ServerTraits* traits = nullptr);

 private:
  struct Side {
    SideReport report;
    std::uint32_t good_count = 0;
    std::uint32_t bad_count = 0;
  };
  /// A change of state, to be told once the lock is given back.
  struct Change {
    HealthState from;
    HealthState to;
    std::chrono::milliseconds lasted;
    std::optional<HealthSign> reason;
  };
  std::optional<Change> move_to(routing::Side side, HealthState state, runtime::Instant now);
  void tell(routing::Side side, const std::optional<Change>& change) const;

  const std::string pair_name_;
  const Thresholds thresholds_;
  telemetry::Log* log_;
  Ears ears_;
  mutable std::mutex mutex_;
  routing::PerSide<Side> sides_;
  routing::PerSide<std::atomic<HealthState>> states_{};
};

}  // namespace proxy::backend
