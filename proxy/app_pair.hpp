#pragma once

#include "config/settings.hpp"
#include "protocol/postgres/dialect.hpp"
#include "proxy/backend/health.hpp"
#include "proxy/backend/prober.hpp"
#include "proxy/catalogue/refresher.hpp"
#include "proxy/net/listener.hpp"
#include "proxy/net/tcp_connector.hpp"
#include "proxy/net/tls_stream.hpp"
#include "proxy/runtime/worker.hpp"
#include "proxy/secrets/credential_store.hpp"
#include "proxy/secrets/failed_logins.hpp"
#include "proxy/secrets/secret_desk.hpp"
#include "proxy/session/pair_worker.hpp"
#include "routing/plan.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace proxy {

/// Part of the composition root: one pair with its listener, its plan and its share of every worker.
class AppPair final : public backend::CredentialsSource {
 public:
  /// What all pairs share. Everything outlives the pairs.
  struct Surroundings {
    const config::Limits& limits;
    std::vector<std::unique_ptr<runtime::Worker>>& workers;
    net::NameTable& names;
    protocol::postgres::NonceSource& nonces;
    std::atomic<std::uint32_t>& clients_open;
    telemetry::Log& log;
  };

  /// Throws std::runtime_error with a sentence for the operator.
  AppPair(const config::Pair& settings, Surroundings surroundings);
  ~AppPair() override;

  /// Whether the pair's certificates, keys and authorities could be used now.
  [[nodiscard]] static protocol::Status check_certificates(const config::Pair& settings);

  /// Makes the pair's part of every worker, then listens. Before the workers' loops run.
  [[nodiscard]] protocol::Status open();
  /// On the loop of the worker `index`, when it ends.
  void close_on(std::size_t index);
  /// Reads certificates, keys and authorities again, for connections made from now on. Control thread only. What
  /// cannot be used is told, one line each, and what was in force stays so.
  [[nodiscard]] std::vector<std::string> reload_certificates();
  /// On the first worker's loop: no new clients.
  void stop_listening();

  [[nodiscard]] const config::Pair& settings() const { return settings_; }
  [[nodiscard]] std::string listen_text() const;
  [[nodiscard]] session::PairWorker& worker(std::size_t index) { return *parts_[index]->pair_worker; }
  [[nodiscard]] protocol::postgres::PostgresDialect& dialect(std::size_t index) { return parts_[index]->dialect; }

  [[nodiscard]] const backend::Health& health() const { return health_; }

  /// Changes of the plan: control thread only.
  [[nodiscard]] routing::PlanHistory& history() { return history_; }
  [[nodiscard]] session::PlanPublisher& publisher() { return shared_.plan; }
  /// Before open().
  void set_console(session::ConsoleDoor& door) { shared_.console = &door; }
  [[nodiscard]] session::HoldPublisher& hold() { return shared_.hold; }

  [[nodiscard]] protocol::BackendCredentials credentials_for(const protocol::Login& login,
                                                             routing::Side side) const override;
  /// For a connection that no client waits for: what is configured for the user or was shown by its last login.
  [[nodiscard]] protocol::BackendCredentials credentials_of_user(const std::string& user, routing::Side side) const;

 private:
  /// The pair's part of one worker.
  struct Part {
    Part(AppPair& pair, runtime::Worker& worker, std::uint32_t index);
    std::unique_ptr<secrets::WorkerSecretSource> secret_source;  ///< null without auth_query
    protocol::postgres::PostgresDialect dialect;
    net::TcpConnector connector;
    net::TlsScratch tls_scratch;
    std::unique_ptr<net::TlsUpgrade> client_tls;
    routing::PerSide<std::unique_ptr<net::TlsUpgrade>> backend_tls;
    std::unique_ptr<session::PairWorker> pair_worker;
  };
  /// What looks after the sides, on the first worker's loop.
  struct Lookout {
    Lookout(AppPair& pair, Part& part, runtime::Worker& worker);
    class Identity final : public backend::CredentialsSource {
     public:
      explicit Identity(const AppPair& pair) : pair_(pair) {}
      [[nodiscard]] protocol::BackendCredentials credentials_for(const protocol::Login& login,
                                                                 routing::Side side) const override;

     private:
      const AppPair& pair_;
    };
    Identity identity;
    telemetry::PairMetrics metrics;  ///< of the probes; nobody looks at them
    backend::Surroundings surroundings;
    backend::Prober prober;
  };
  [[nodiscard]] std::optional<config::BackendLogin> configured_probe_login() const;
  [[nodiscard]] backend::Health::Thresholds thresholds() const;
  void offer_probe_login(const protocol::Login& login);
  void begin_probing();
  [[nodiscard]] protocol::postgres::PostgresDialect::Options dialect_options() const;
  [[nodiscard]] net::TcpOptions tcp_options() const;
  [[nodiscard]] protocol::Status open_tls();
  [[nodiscard]] backend::Encryption encryption_of(const Part& part) const;
  [[nodiscard]] protocol::postgres::Admission make_admission() const;
  [[nodiscard]] protocol::postgres::Admission admission_of(const Part& part) const;
  [[nodiscard]] std::unique_ptr<secrets::SecretDesk> make_secret_desk();
  [[nodiscard]] protocol::BackendCredentials configured_credentials(const std::string& user_name, routing::Side side,
                                                                    protocol::LoginProofPointer proof) const;
  [[nodiscard]] routing::PerSide<net::Endpoint> endpoints() const;

  // Which functions are stable is asked of blue, once for each database that sessions name, and kept fresh.
  [[nodiscard]] std::unique_ptr<catalogue::CatalogueRefresher> make_refresher();
  void encrypt_catalogue(catalogue::CatalogueSource& source) const;
  void demand_catalogue(const protocol::Login& login);
  void on_catalogue(const catalogue::CatalogueKey& key,
                    const protocol::Result<std::vector<protocol::CatalogueRow>>& rows);

  const config::Pair& settings_;
  Surroundings surroundings_;
  const std::shared_ptr<std::atomic<std::uint64_t>> schema_version_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  session::SessionOptions session_options_;
  routing::PlanHistory history_;
  secrets::FailedLogins failed_logins_;
  backend::Health health_;
  std::atomic<bool> has_probe_login_{false};
  session::PairShared shared_;
  protocol::postgres::Admission admission_;
  std::unique_ptr<net::TlsSource> client_tls_;  ///< null: none towards clients
  routing::PerSide<std::unique_ptr<net::TlsSource>> backend_tls_;
  mutable secrets::CredentialStore credentials_;
  std::unique_ptr<secrets::SecretDesk> secret_desk_;  ///< null without auth_query
  std::vector<std::unique_ptr<Part>> parts_;  ///< by worker
  std::unique_ptr<Lookout> lookout_;          ///< lives on the first worker's loop
  std::unique_ptr<net::Listener> listener_;   ///< lives on the first worker's loop
  std::unique_ptr<catalogue::CatalogueRefresher> refresher_;  ///< last: its thread uses all of the above
};

}  // namespace proxy
