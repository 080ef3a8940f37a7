#pragma once

#include "proxy/backend/connection.hpp"
#include "proxy/backend/health.hpp"
#include "proxy/backend/surroundings.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace proxy::backend {

/// One look at a side: a whole login if it is known as whom, otherwise a connection and a ping.
class Probe;

/// Looks at both sides of a pair again and again, on connections of its own and on one worker's loop, and tells Health.
///
/// The pause between two probes of a side is `interval`, a quarter of it while the side is not up, spread by up to an
/// eighth to either side: by a sequence, not by dice, that begins elsewhere for each pair and side, so that many proxies
/// and pairs do not ask a server at the same moments.
class Prober {
 public:
  struct Options {
    std::chrono::milliseconds interval{2'000};
    std::chrono::milliseconds timeout{2'000};  ///< from connect to logged in
  };

  /// All outlive the prober. `surroundings` is its own: `credentials` says who logs in, `metrics` counts nowhere.
  /// Before its loop runs, or on it.
  Prober(Surroundings& surroundings, Health& health, Options options, std::uint64_t seed);
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  /// Who logs in from now on; on the loop. A login that a side refuses is not used there again: it is pinged instead.
  void set_login(std::shared_ptr<const protocol::Login> login);
  /// Probes `side` now, or once more when the probe under way has ended. Any thread.
  void ask(routing::Side side);

 private:
  struct Watch {
    std::unique_ptr<runtime::Timer> timer;
    std::unique_ptr<Probe> probe;
    std::shared_ptr<const protocol::Login> login;  ///< null: ping
    std::uint64_t count = 0;
    bool is_asked = false;  ///< while a probe was under way
  };
  void begin(routing::Side side);
  void on_end(routing::Side side);
  [[nodiscard]] std::chrono::milliseconds pause(routing::Side side);

  Surroundings& surroundings_;
  Health& health_;
  const Options options_;
  const std::uint64_t seed_;
  routing::PerSide<Watch> watches_;
  std::shared_ptr<Prober*> self_;  ///< what is posted finds the prober through it, or does not
};

}  // namespace proxy::backend
