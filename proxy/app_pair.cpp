#include "proxy/app_pair.hpp"

#include "proxy/app_limits.hpp"
#include "proxy/app_tls.hpp"
#include "proxy/app_users.hpp"

#include <array>
#include <cstring>
#include <utility>

namespace proxy {

using routing::Side;

namespace {

session::SessionOptions session_options_from(const config::Limits& limits, const config::Pair& pair) {
  session::SessionOptions options;
  options.login_timeout = limits.login_timeout;
  options.connect_timeout = limits.connect_timeout;
  options.statement_bytes_max = limits.statement_bytes_max;
  options.repeats_reads = pair.repeats_reads;
  return options;
}

protocol::postgres::PostgresDialect::Options dialect_options_from(const config::Limits& limits, const config::Pair& pair) {
  protocol::postgres::PostgresDialect::Options options;
  options.client_encryption = client_encryption_from(pair.tls.mode);
  options.client_half.prepared_statements_max = pair.pool.prepared_statements_max;
  options.client_half.statement_bytes_max = limits.statement_bytes_max;
  options.client_half.session_state_bytes_max = limits.session_state_bytes_max;
  options.analyser.text_entries_max = limits.statement_cache_entries;
  return options;
}

std::string endpoint_text(const std::string& host, std::uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

secrets::FailedLogins::Options failed_login_options(const config::Limits& limits) {
  secrets::FailedLogins::Options options;
  options.delay_first = limits.failed_login_delay;
  options.delay_max = limits.failed_login_delay_max;
  options.failures_max = limits.failed_logins_max;
  options.forget_after = limits.failed_login_memory;
  return options;
}

}  // namespace

AppPair::AppPair(const config::Pair& settings, Surroundings surroundings)
    : settings_(settings),
      surroundings_(std::move(surroundings)),
      session_options_(session_options_from(surroundings_.limits, settings)),
      history_(settings.plan),
      failed_logins_(failed_login_options(surroundings_.limits)),
      health_(settings.name, thresholds(), &surroundings_.log, runtime::Clock::now()),
      shared_{session::PlanPublisher(history_.current()), {},
              surroundings_.clients_open, surroundings_.limits.clients_max,
              backend::ConnectionCounts({settings.pool.connections_max, settings.pool.queue_clients_max}),
              settings.name, &surroundings_.log,
              [this](const protocol::Login& login) {
                refresher_->request_refresh(catalogue::CatalogueKey{settings_.name, login.database});
              },
              &failed_logins_, terms_table_from(settings), {}, nullptr, &health_},
      admission_(make_admission()),
      secret_desk_(make_secret_desk()),
      refresher_(make_refresher()) {}

AppPair::~AppPair() = default;

protocol::postgres::PostgresDialect::Options AppPair::dialect_options() const {
  protocol::postgres::PostgresDialect::Options options = dialect_options_from(surroundings_.limits, settings_);
  options.schema_version = schema_version_;
  return options;
}

AppPair::Part::Part(AppPair& pair, runtime::Worker& worker, std::uint32_t index)
    : secret_source(pair.secret_desk_ ? std::make_unique<secrets::WorkerSecretSource>(*pair.secret_desk_, worker.loop()) : nullptr),
      dialect(pair.dialect_options(), pair.admission_of(*this),
              pair.surroundings_.nonces,
              [&pair](const protocol::Login& login) { pair.demand_catalogue(login); }),
      connector(worker.loop(), pair.surroundings_.names, pair.tcp_options()) {
  const auto upgrade_of = [this](const std::unique_ptr<net::TlsSource>& source) {
    return source ? std::make_unique<net::TlsStreamMaker>(*source, tls_scratch) : nullptr;
  };
  client_tls = upgrade_of(pair.client_tls_);
  for (const Side side : routing::both_sides) backend_tls[side] = upgrade_of(pair.backend_tls_[side]);
  const auto random_bits = [&nonces = pair.surroundings_.nonces] {
    std::array<std::byte, sizeof(std::uint32_t)> bytes{};
    nonces.fill(bytes);
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  };
  pair_worker = std::make_unique<session::PairWorker>(
      pair.shared_, session::PairWorker::Identity{index, random_bits}, worker.loop(), dialect, connector, pair,
      pair.session_options_,
      backend::Pool::Options{pair.settings_.pool.idle_timeout, pair.settings_.pool.lifetime, pair.settings_.pool.login_retry}, pair.endpoints(), worker.receive_scratch(),
      pair.encryption_of(*this));
}

protocol::Status AppPair::open() {
  if (protocol::Status opened = open_tls(); !opened) return opened;
  for (const config::EndpointAddress& endpoint : settings_.endpoints.values) {
    if (!endpoint.host.starts_with('/')) surroundings_.names.add(endpoint.host);
  }
  std::vector<session::PairWorker*> peers;
  for (std::size_t i = 0; i < surroundings_.workers.size(); ++i) {
    parts_.push_back(std::make_unique<Part>(*this, *surroundings_.workers[i], static_cast<std::uint32_t>(i)));
    peers.push_back(parts_.back()->pair_worker.get());
  }
  begin_probing();
  std::vector<net::Listener::Target> targets;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    session::PairWorker* pair_worker = peers[i];
    pair_worker->set_peers(peers);
    targets.push_back({&surroundings_.workers[i]->loop(),
                       [pair_worker](std::unique_ptr<net::Stream> stream, const net::Address& peer) {
                         pair_worker->take_in(std::move(stream), peer.bytes());
                       }});
  }
  net::ListenerOptions options;
  options.endpoint = net::Endpoint{settings_.listen.host, settings_.listen.port};
  options.tcp = tcp_options();
  protocol::Result<std::unique_ptr<net::Listener>> listener =
      net::Listener::open(surroundings_.workers.front()->loop(), options, std::move(targets));
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

std::unique_ptr<catalogue::CatalogueRefresher> AppPair::make_refresher() {
  catalogue::CatalogueRefresher::Options options;
  options.query = protocol::postgres::catalogue_query();
  options.interval = settings_.catalogue.refresh;
  return std::make_unique<catalogue::CatalogueRefresher>(
      std::move(options), [this](const catalogue::CatalogueKey& key,
                                 const protocol::Result<std::vector<protocol::CatalogueRow>>& rows) {
        on_catalogue(key, rows);
      });
}

void AppPair::demand_catalogue(const protocol::Login& login) {
  offer_probe_login(login);
  catalogue::CatalogueSource source;
  const config::EndpointAddress blue = libpq_address(settings_.endpoints[Side::blue]);
  source.host = blue.host;
  source.port = blue.port;
  protocol::BackendCredentials credentials = credentials_for(login, Side::blue);
  const config::BackendLogin* reader = settings_.catalogue.login ? &*settings_.catalogue.login : nullptr;
  if (reader == nullptr && settings_.auth_query) reader = &settings_.auth_query->login;
  if (reader != nullptr) {
    credentials.user = reader->user;
    credentials.password = reader->password ? reader->password->reveal() : std::string();
  }
  source.user = credentials.user;
  source.password = credentials.password;
  encrypt_catalogue(source);
  // The functions of one database are its own: the key is what the session names, whoever reads it.
  source.database = login.database;
  refresher_->demand(catalogue::CatalogueKey{settings_.name, login.database}, source);
}

void AppPair::on_catalogue(const catalogue::CatalogueKey& key,
                           const protocol::Result<std::vector<protocol::CatalogueRow>>& rows) {
  if (!rows) {
    surroundings_.log.write(telemetry::LogLevel::warning, "the catalogue of blue could not be read",
                            {{"pair", std::string_view(key.pair)},
                             {"database", std::string_view(key.database)},
                             {"cause", protocol::name_of(rows.error().code)}});
    return;
  }
  const std::shared_ptr<const protocol::postgres::Catalogue> catalogue =
      protocol::postgres::Catalogue::from_rows(*rows);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part* part = parts_[i].get();
    surroundings_.workers[i]->loop().post(
        [part, database = key.database, catalogue] { part->dialect.set_catalogue(database, catalogue); });
  }
}

void AppPair::stop_listening() {
  if (listener_) listener_->close();
}

void AppPair::close_on(std::size_t index) {
  if (index == 0) {
    listener_.reset();
    lookout_.reset();
  }
  if (index < parts_.size()) parts_[index]->pair_worker.reset();
}

std::string AppPair::listen_text() const { return endpoint_text(settings_.listen.host, listener_->port()); }

net::TcpOptions AppPair::tcp_options() const {
  const config::Limits& limits = surroundings_.limits;
  net::TcpOptions options;
  options.keepalive_idle = limits.tcp_keepalive_idle;
  options.keepalive_interval = limits.tcp_keepalive_interval;
  options.keepalive_count_max = static_cast<int>(limits.tcp_keepalive_count);
  options.unacknowledged_timeout = limits.tcp_user_timeout;
  return options;
}

routing::PerSide<net::Endpoint> AppPair::endpoints() const {
  routing::PerSide<net::Endpoint> result;
  for (const Side side : routing::both_sides) {
    result[side] = net::Endpoint{settings_.endpoints[side].host, settings_.endpoints[side].port};
  }
  return result;
}

}  // namespace proxy
