#pragma once

#include "config/settings.hpp"
#include "protocol/postgres/dialect.hpp"
#include "proxy/app_cancel.hpp"
#include "proxy/backend/health.hpp"
#include "proxy/backend/prober.hpp"
#include "proxy/app_types.hpp"
#include "proxy/catalogue/refresher.hpp"
#include "proxy/lifecycle/takeover_client.hpp"
#include "proxy/mirror/control.hpp"
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

class AppMirror;

/// What a configuration says of one pair, and the bounds that hold for all. Immutable; shared with whoever reads it.
struct PairSettings {
  std::shared_ptr<const config::Pair> pair;
  std::shared_ptr<const config::Limits> limits;
};

/// Part of the composition root: one pair with its listener, its plan and its share of every worker.
///
/// What a configuration wants is prepared first, which may fail and changes nothing; then it is opened (a new pair) or
/// applied (one that runs), which cannot fail. Both on the control side, never on a worker.
class AppPair final : public backend::CredentialsSource {
 public:
  /// What all pairs share. Everything outlives the pairs.
  struct Surroundings {
    std::vector<std::unique_ptr<runtime::Worker>>& workers;
    net::NameTable& names;
    protocol::postgres::NonceSource& nonces;
    std::atomic<std::uint32_t>& clients_open;
    session::HeldBytes& held_bytes;
    telemetry::Log& log;
    std::uint32_t process_tag = 0;  ///< in the keys of its clients
    /// Processes before this one, whose sessions still live.
    const std::vector<lifecycle::Predecessor>& predecessors;
  };
  /// Gives a socket that listens: a fresh one, or one that was handed to this process for the pair of that name.
  using Bind = std::function<protocol::Result<net::FileDescriptor>(const std::string& name, const net::ListenerOptions& options)>;
  /// Runs its argument with each worker's index where that worker's things may be touched. False: some worker has not
  /// come to it yet.
  using OnWorkers = std::function<bool(const std::function<void(std::size_t)>&)>;

  AppPair(const PairSettings& settings, Surroundings surroundings);
  ~AppPair() override;

  /// Whether the pair's certificates, keys and authorities could be used now.
  [[nodiscard]] static protocol::Status check_certificates(const config::Pair& settings);

  /// All of a configuration that may turn out to be impossible, done beforehand.
  struct Prepared {
    PairSettings settings;
    protocol::postgres::Admission admission;
    std::shared_ptr<const net::TlsTerms> client_terms;  ///< null: no TLS
    routing::PerSide<std::shared_ptr<const net::TlsTerms>> backend_terms;
    net::FileDescriptor socket;  ///< closed: the listener stays as it is
    net::FileDescriptor local_socket;  ///< closed: likewise, or there is none
  };
  [[nodiscard]] protocol::Result<Prepared> prepare(PairSettings wanted, const Bind& bind);

  /// Goes on with the weights that another process had come to. Before open().
  void continue_plan(routing::PlanHistory history);
  /// Makes the pair's part of every worker, then listens.
  [[nodiscard]] protocol::Status open(Prepared prepared, const OnWorkers& on_workers);
  /// Exchanges what is in force. Sessions stay; each follows when it next asks.
  void apply(Prepared prepared, const OnWorkers& on_workers);

  /// On the loop of the worker `index`, when it ends or the pair has gone.
  void close_on(std::size_t index);
  /// On the first worker's loop: no new clients.
  void stop_listening();
  /// Nobody asks blue for this pair any more. Waits for questions under way.
  void stop_asking();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] PairSettings settings() const;
  [[nodiscard]] std::string listen_text() const;
  /// What listens, for another process. Control side.
  [[nodiscard]] int listening_socket() const { return listening_socket_; }
  /// -1: the pair has none.
  [[nodiscard]] int local_listening_socket() const { return local_listening_socket_; }
  [[nodiscard]] session::PairWorker& worker(std::size_t index) { return *parts_[index]->pair_worker; }
  /// On the loop of the worker `index`.
  void stop_sessions(std::size_t index, session::Session::Stop when) {
    if (parts_[index] && parts_[index]->pair_worker) parts_[index]->pair_worker->stop_sessions(when);
  }
  /// On the loop of the worker `index`: how many sessions are there.
  [[nodiscard]] std::size_t session_count(std::size_t index) const {
    return parts_[index] && parts_[index]->pair_worker ? parts_[index]->pair_worker->session_count() : 0;
  }
  [[nodiscard]] protocol::postgres::PostgresDialect& dialect(std::size_t index) { return parts_[index]->dialect; }

  [[nodiscard]] const backend::Health& health() const { return health_; }
  [[nodiscard]] telemetry::TypeReport type_report() const;
  /// Null: the pair is not mirrored. They live as long as the pair.
  [[nodiscard]] mirror::Desk* mirror_desk() const;
  [[nodiscard]] mirror::MirrorControl* mirror_control() const;

  /// The side that the durable state names; the configuration's `writes` have no say then. Control side only.
  void give_authority(routing::Side authority, std::uint64_t epoch_min);
  /// Whatever may write is refused until give_authority().
  void disown();
  /// All rules of it send their writes to one side.
  [[nodiscard]] static bool has_one_authority(const config::Pair& pair);
  /// Changes of the plan: control side only.
  [[nodiscard]] routing::PlanHistory& history() { return history_; }
  [[nodiscard]] session::PlanPublisher& publisher() { return shared_.plan; }
  /// Before open().
  void set_console(session::ConsoleDoor& door) { shared_.console = &door; }
  [[nodiscard]] session::HoldPublisher& hold() { return shared_.hold; }
  /// Of all connections to `side`.
  [[nodiscard]] std::vector<std::uint32_t> backend_processes(routing::Side side) { return shared_.processes.processes(side); }

  [[nodiscard]] protocol::BackendCredentials credentials_for(const protocol::Login& login,
                                                             routing::Side side) const override;
  /// For a connection that no client waits for: what is configured for the user or was shown by its last login.
  [[nodiscard]] protocol::BackendCredentials credentials_of_user(const std::string& user, routing::Side side) const;

 private:
  /// Who asks blue for secrets, with a window for every worker.
  struct Asking {
    std::unique_ptr<secrets::SecretDesk> desk;
    std::vector<std::unique_ptr<secrets::WorkerSecretSource>> windows;
    std::chrono::steady_clock::time_point retired_at{};
  };
  /// The pair's part of one worker.
  struct Part {
    Part(AppPair& pair, runtime::Worker& worker, std::uint32_t index);
    protocol::postgres::PostgresDialect dialect;
    net::TcpConnector connector;
    net::TlsScratch tls_scratch;
    net::TlsStreamMaker client_tls;
    routing::PerSide<std::unique_ptr<net::TlsStreamMaker>> backend_tls;
    CancelForwarder forwarder;
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
    const PairSettings settings;  ///< that it was made for
    Identity identity;
    telemetry::PairMetrics metrics;  ///< of the probes; nobody looks at them
    backend::Surroundings surroundings;
    backend::Prober prober;
  };
  [[nodiscard]] std::optional<config::BackendLogin> configured_probe_login() const;
  [[nodiscard]] backend::Health::Thresholds thresholds() const;
  void offer_probe_login(const protocol::Login& login);
  void listen_to_health();
  void begin_probing();
  [[nodiscard]] protocol::postgres::PostgresDialect::Options dialect_options(std::uint32_t worker) const;
  [[nodiscard]] net::ListenerOptions listener_options(const PairSettings& settings) const;
  [[nodiscard]] static net::ListenerOptions local_listener_options(const config::LocalSocket& local);
  [[nodiscard]] std::vector<net::Listener::Target> listener_targets();
  void listen(net::FileDescriptor socket);
  void listen_locally(net::FileDescriptor socket);
  void put_in_force(Prepared& prepared);
  [[nodiscard]] session::PairWorker::Terms terms_for(const PairSettings& before, const PairSettings& after) const;
  void renew_catalogue();

  [[nodiscard]] protocol::Status open_mirror();
  [[nodiscard]] protocol::Status prepare_tls(Prepared& prepared) const;
  [[nodiscard]] backend::Encryption encryption_of(Part& part) const;

  [[nodiscard]] protocol::Result<protocol::postgres::Admission> make_admission(const config::Pair& pair) const;
  [[nodiscard]] protocol::postgres::Admission admission_on(std::size_t index) const;
  void renew_asking();
  [[nodiscard]] std::unique_ptr<secrets::SecretDesk> make_secret_desk(const config::Pair& pair) const;
  void begin_asking_for_local_users();
  [[nodiscard]] protocol::BackendCredentials configured_credentials(const std::string& user_name, routing::Side side,
                                                                    protocol::LoginProofPointer proof) const;

  // Which functions are stable is asked of blue, which types there are of both sides, once for each database that sessions name,
  // and kept fresh.
  [[nodiscard]] std::unique_ptr<catalogue::CatalogueRefresher> make_refresher();
  void place_catalogue(const config::Pair& pair, routing::Side side, catalogue::CatalogueSource& source) const;
  void encrypt_catalogue(const config::Pair& pair, routing::Side side, catalogue::CatalogueSource& source) const;
  void demand_catalogue(const protocol::Login& login);
  void request_catalogue(const std::string& database);
  void on_catalogue(const catalogue::CatalogueKey& key,
                    const protocol::Result<std::vector<protocol::CatalogueRow>>& rows);

  const std::string name_;
  Surroundings surroundings_;
  const std::shared_ptr<std::atomic<std::uint64_t>> schema_version_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  mutable std::mutex settings_mutex_;
  PairSettings settings_;  ///< under settings_mutex_
  std::atomic<std::uint16_t> listen_port_{0};
  int listening_socket_ = -1;  ///< the listener's, which lives elsewhere
  int local_listening_socket_ = -1;  ///< likewise
  routing::PlanHistory history_;
  std::optional<routing::Side> authority_;  ///< of the durable state; nothing: the configuration says where writes go
  secrets::FailedLogins failed_logins_;
  backend::Health health_;
  std::atomic<bool> has_probe_login_{false};
  session::PairShared shared_;
  protocol::postgres::Admission admission_;
  net::TlsSource client_tls_;
  routing::PerSide<net::TlsSource> backend_tls_;
  mutable secrets::CredentialStore credentials_;
  Asking asking_;                      ///< its desk is null without auth_query
  std::optional<Asking> local_users_;  ///< who knows the machine's users by their numbers; nothing: no rule asks
  std::vector<Asking> asked_earlier_;  ///< greetings under way may still wait for them
  std::unique_ptr<AppMirror> mirror_;  ///< null: not mirrored; sessions use it to their end
  std::vector<std::unique_ptr<Part>> parts_;  ///< by worker
  std::unique_ptr<Lookout> lookout_;          ///< lives on the first worker's loop
  std::shared_ptr<const protocol::Login> shown_login_;  ///< likewise: of whoever showed first how a login can be made
  std::unique_ptr<net::Listener> listener_;   ///< lives on the first worker's loop
  std::unique_ptr<net::Listener> local_listener_;  ///< likewise; null: the pair has no local socket
  AppTypes types_;
  std::unique_ptr<catalogue::CatalogueRefresher> refresher_;  ///< last: its thread uses all of the above
};

}  // namespace proxy
