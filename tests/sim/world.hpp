#pragma once

#include "protocol/postgres/dialect.hpp"
#include "protocol/postgres/nonce_source.hpp"
#include "proxy/net/tls_stream.hpp"
#include "proxy/session/pair_worker.hpp"
#include "tests/model/random.hpp"
#include "tests/sim/actors.hpp"
#include "tests/support/memory_stream.hpp"
#include "tests/support/sim_loop.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sim {

/// Where two streams of replies part, in words; empty if one is the beginning of the other.
[[nodiscard]] std::string first_difference(const std::string& heard, const std::string& expected);

/// How unkind the network is.
struct Weather {
  bool is_rough = true;  ///< bytes come in small pieces, late, through small buffers
  std::uint32_t green_weight = 5'000;
  std::uint32_t pool_size = 0;  ///< connections per side that all clients share by transaction; 0: each client has its own
  bool is_encrypted = false;  ///< TLS on both ends of every session; some lengths then differ from run to run
  proxy::session::SessionTerms terms = {};  ///< but for what `pool_size` says
};

/// The real sessions of one pair on one worker, with simulated clients, backends, network and clock. The same
/// seed makes the same history.
class World {
 public:
  World(std::uint64_t seed, const Weather& weather);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Client& add_client(Script script, Client::Pace pace = Client::Pace::eager);
  /// Takes effect for the next batch of every session.
  void set_green_weight(std::uint32_t hundredths);
  /// What is held from now on, and what is released; on_drained is told when nobody works any more.
  void pause(routing::HoldClass hold_class, proxy::session::HoldDesk::OnDrained on_drained);
  void resume();
  /// Connections to `side` are refused or never answered from now on, and existing ones end or fall silent.
  void kill(routing::Side side, test_support::CutKind kind);
  void stall(routing::Side side);
  /// Connections to `side` are accepted again.
  void revive(routing::Side side) { fates_[side].answer = test_support::ConnectAnswer::accept; }
  /// Probes have found that nobody answers there.
  void find_down(routing::Side side);
  /// The first connection to `side` breaks when its server has said so much.
  void cut_first(routing::Side side, std::size_t after_bytes, test_support::CutKind kind);
  /// The first connection to `side` answers its first request with `words`, and ends.
  void answer_first_with(routing::Side side, std::string words) { fates_[side].last_words = std::move(words); }
  /// Until nothing happens any more, at most `span` of the clock.
  void run(std::chrono::seconds span = std::chrono::seconds(600)) { loop_.run_until_quiet(span); }

  /// What is wrong now, all clients having played to their end undisturbed; empty if nothing.
  [[nodiscard]] std::string complaints() const;
  /// The statements of a client that ran on `side`, in order over its connections.
  [[nodiscard]] std::vector<std::string> executed(const std::string& client, routing::Side side) const;
  /// Connections to `side` that were open at the same time, at most.
  [[nodiscard]] std::size_t most_open(routing::Side side) const { return most_open_[side]; }
  [[nodiscard]] bool is_side_idle(routing::Side side) const;

  [[nodiscard]] test_support::SimLoop& loop() { return loop_; }
  [[nodiscard]] proxy::session::PairWorker& worker() { return *worker_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Client>>& clients() const { return clients_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Backend>>& backends() const { return backends_; }
  [[nodiscard]] model::Random& random() { return random_; }

 private:
  struct Fate {
    test_support::ConnectAnswer answer = test_support::ConnectAnswer::accept;
    std::size_t cut_after_bytes = test_support::StreamFaults::never;  ///< of the first connection
    test_support::CutKind cut_kind = test_support::CutKind::reset;
    std::string last_words;  ///< of the first connection
  };
  class Credentials final : public proxy::backend::CredentialsSource {
   public:
    [[nodiscard]] protocol::BackendCredentials credentials_for(const protocol::Login& login, routing::Side) const override {
      return {login.user, ""};
    }
  };
  [[nodiscard]] test_support::StreamFaults faults(std::uint64_t stream_number) const;
  [[nodiscard]] test_support::SimConnector::Behaviour behaviour(const proxy::net::Endpoint& endpoint);
  void accept(const proxy::net::Endpoint& endpoint, std::unique_ptr<test_support::MemoryStream> server);

  std::uint64_t seed_;
  Weather weather_;
  model::Random random_;
  test_support::SimLoop loop_;
  routing::PerSide<Fate> fates_;
  routing::PerSide<std::uint64_t> connection_count_{};
  /// TLS as everybody speaks it.
  struct Encryption {
    Encryption();
    std::unique_ptr<proxy::net::TlsSource> server;
    std::unique_ptr<proxy::net::TlsSource> client;
    proxy::net::TlsScratch scratch;
    proxy::net::TlsStreamMaker serving;
    proxy::net::TlsStreamMaker asking;
  };
  std::unique_ptr<Encryption> encryption_;  ///< null: nobody does
  std::vector<std::unique_ptr<Backend>> backends_;
  routing::PerSide<std::size_t> most_open_{};
  std::vector<std::unique_ptr<Client>> clients_;
  test_support::SimConnector connector_;
  protocol::postgres::SystemNonceSource nonces_;
  std::unique_ptr<protocol::postgres::PostgresDialect> dialect_;
  Credentials credentials_;
  proxy::session::SessionOptions options_;
  std::array<std::byte, std::size_t{64} << 10> scratch_{};
  std::atomic<std::uint32_t> clients_open_{0};
  std::unique_ptr<proxy::backend::Health> health_;
  std::unique_ptr<proxy::session::PairShared> shared_;
  std::unique_ptr<proxy::session::PairWorker> worker_;
};

}  // namespace sim
