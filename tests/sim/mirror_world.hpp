#pragma once

#include "protocol/postgres/dialect.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "proxy/session/pair_worker.hpp"
#include "tests/sim/actors.hpp"
#include "tests/sim/sim_mirror.hpp"
#include "tests/sim/teller.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sim {

/// A mirrored pair: the real sessions with their captures, a simulated mirror, two databases of rows, clients that keep account of
/// what they are told; and everything that may go wrong. The same seed makes the same history.
class MirrorWorld {
 public:
  struct Nature {
    SimMirror::Nature mirror = {};
    Teller::Nature tellers = {};
    std::size_t teller_count = 4;
    std::uint32_t green_weight = 5'000;
    std::chrono::milliseconds causal_wait{0};
    std::uint32_t pool_size = 0;  ///< 0: each client has its own connections
  };
  MirrorWorld(std::uint64_t seed, const Nature& nature);
  ~MirrorWorld();
  MirrorWorld(const MirrorWorld&) = delete;
  MirrorWorld& operator=(const MirrorWorld&) = delete;

  // What happens. Some of it ends something that began before.
  void set_weight(std::uint32_t green_weight);
  void set_slowness(std::chrono::microseconds apply_time_max) { process_->mirror.set_slowness(apply_time_max); }
  void set_disk_full(bool is_full);
  void set_up(routing::Side side, bool is_up);
  void kill_proxy();
  void start_proxy();
  void cut_somebody();
  /// The authority is to go to the other side; nothing comes of it while another attempt is under way.
  void begin_switchover();

  /// At random, for `span` of the clock.
  void live_troubled(std::chrono::milliseconds span);
  /// Everything is up, until all work is done and carried over.
  void live_calmly();
  /// What is wrong now; empty if nothing.
  [[nodiscard]] std::string complaints() const;

  [[nodiscard]] test_support::SimLoop& loop() { return loop_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Teller>>& tellers() const { return tellers_; }
  [[nodiscard]] std::size_t reads_by(routing::Side side) const;
  [[nodiscard]] std::uint64_t reads_waited() const { return process_->mirror.reads_waited(); }
  [[nodiscard]] std::size_t switchovers() const { return switchovers_; }
  [[nodiscard]] bool are_sides_equal() const;

 private:
  class Credentials final : public proxy::backend::CredentialsSource {
   public:
    [[nodiscard]] protocol::BackendCredentials credentials_for(const protocol::Login& login, routing::Side) const override {
      return {login.user, ""};
    }
  };
  /// What ends with a kill. Kept until the world's end, since its sessions end by what they hear.
  struct Process {
    explicit Process(MirrorWorld& world);
    bool is_dead = false;
    SimMirror mirror;
    protocol::postgres::SystemNonceSource nonces;
    test_support::SimConnector connector;
    std::unique_ptr<protocol::postgres::PostgresDialect> dialect;
    Credentials credentials;
    proxy::session::SessionOptions options;
    std::array<std::byte, std::size_t{64} << 10> scratch{};
    std::atomic<std::uint32_t> clients_open{0};
    std::unique_ptr<proxy::session::PairShared> shared;
    std::unique_ptr<proxy::session::PairWorker> worker;
  };
  enum class Attempt { none, draining, catching_up };

  [[nodiscard]] test_support::StreamFaults faults();
  [[nodiscard]] routing::PlanSnapshot plan() const;
  void publish();
  void connect(Teller& teller);
  void go_on_with_switchover();
  void end_switchover();
  void do_something();
  [[nodiscard]] std::string complaints_about(const Teller& teller) const;

  Nature nature_;
  model::Random random_;
  test_support::SimLoop loop_;
  routing::PerSide<RowStore> stores_;
  MirrorDisk disk_;
  routing::PerSide<bool> is_up_{{true, true}};
  std::uint64_t epoch_ = 1;
  std::uint64_t streams_ = 0;
  std::vector<std::unique_ptr<Backend>> backends_;
  std::vector<std::unique_ptr<Teller>> tellers_;
  std::vector<std::unique_ptr<Process>> dead_;
  std::unique_ptr<Process> process_;
  std::vector<std::unique_ptr<proxy::runtime::Timer>> timers_;
  Attempt attempt_ = Attempt::none;
  bool is_drained_ = false;
  test_support::SimLoop::Instant attempt_deadline_{};
  std::size_t switchovers_ = 0;
  std::uint64_t surprises_ = 0;
};

}  // namespace sim
