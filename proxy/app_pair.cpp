#include "proxy/app_pair.hpp"

#include "proxy/app_limits.hpp"
#include "proxy/app_mirror.hpp"
#include "proxy/app_pair_options.hpp"
#include "proxy/app_users.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace proxy {

using routing::Side;

AppPair::AppPair(const PairSettings& settings, Surroundings surroundings)
    : name_(settings.pair->name),
      surroundings_(std::move(surroundings)),
      settings_(settings),
      history_(settings.pair->plan),
      failed_logins_(failed_login_options_from(*settings.limits)),
      health_(name_, thresholds(), &surroundings_.log, runtime::Clock::now()),
      shared_{session::PlanPublisher(history_.current()), {},
              surroundings_.clients_open, settings.limits->clients_max,
              backend::ConnectionCounts(connection_limits_from(settings.pair->pool)),
              name_, &surroundings_.log,
              [this](const protocol::Login& login) {
                request_catalogue(login.database);
              },
              &failed_logins_, terms_table_from(*settings.pair), {}, nullptr, &health_},
      mirror_(settings.pair->mirror ? std::make_unique<AppMirror>(*settings.pair, surroundings_.log) : nullptr),
      types_(name_, surroundings_.log),
      refresher_(make_refresher()) {
  surroundings_.held_bytes.set_max(settings.limits->held_bytes_max);
  shared_.held_bytes = &surroundings_.held_bytes;
  if (mirror_) shared_.mirror = mirror_terms_from(*settings.pair->mirror, mirror_->mirror());
}

AppPair::~AppPair() = default;

PairSettings AppPair::settings() const {
  const std::lock_guard lock(settings_mutex_);
  return settings_;
}

protocol::postgres::PostgresDialect::Options AppPair::dialect_options(std::uint32_t worker) const {
  const PairSettings now = settings();
  protocol::postgres::PostgresDialect::Options options = dialect_options_from(*now.limits, *now.pair);
  options.schema_version = schema_version_;
  options.shared_name_prefix += std::to_string(worker) + "_";
  return options;
}

AppPair::Part::Part(AppPair& pair, runtime::Worker& worker, std::uint32_t index)
    : dialect(pair.dialect_options(index), pair.admission_on(index),
              pair.surroundings_.nonces,
              [&pair](const protocol::Login& login) { pair.demand_catalogue(login); }),
      connector(worker.loop(), pair.surroundings_.names, tcp_options_from(*pair.settings().limits)),
      client_tls(pair.client_tls_, tls_scratch),
      forwarder(worker.loop(), pair.surroundings_.predecessors, pair.name_) {
  for (const Side side : routing::both_sides) {
    backend_tls[side] = std::make_unique<net::TlsStreamMaker>(pair.backend_tls_[side], tls_scratch);
  }
  const auto random_bits = [&nonces = pair.surroundings_.nonces] {
    std::array<std::byte, sizeof(std::uint32_t)> bytes{};
    nonces.fill(bytes);
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  };
  const PairSettings settings = pair.settings();
  session::PairWorker::Identity identity{index, random_bits, pair.surroundings_.process_tag};
  identity.cancel_elsewhere = [this](const protocol::CancelKey& key, std::function<void()> done) {
    forwarder.forward(key, std::move(done));
  };
  pair_worker = std::make_unique<session::PairWorker>(
      pair.shared_, identity, worker.loop(), dialect, connector, pair,
      session_options_from(*settings.limits, *settings.pair), pool_options_from(settings.pair->pool),
      endpoints_from(*settings.pair), worker.receive_scratch(), pair.encryption_of(*this));
}

net::ListenerOptions AppPair::listener_options(const PairSettings& settings) const {
  net::ListenerOptions options;
  options.endpoint = net::Endpoint{settings.pair->listen.host, settings.pair->listen.port};
  options.tcp = tcp_options_from(*settings.limits);
  return options;
}

net::ListenerOptions AppPair::local_listener_options(const config::LocalSocket& local) {
  net::ListenerOptions options;
  options.endpoint.host = local.path;
  options.local_mode = local.mode;
  return options;
}

protocol::Result<AppPair::Prepared> AppPair::prepare(PairSettings wanted, const Bind& bind) {
  Prepared prepared;
  prepared.settings = std::move(wanted);
  const config::Pair& pair = *prepared.settings.pair;
  if (authority_ && !has_one_authority(pair)) {
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                             "rules send writes to both sides, but the pair has one authority that a switchover moves");
  }
  protocol::Result<protocol::postgres::Admission> admission = make_admission(pair);
  if (!admission) return admission.error();
  prepared.admission = *std::move(admission);
  if (const protocol::Status status = prepare_tls(prepared); !status) return status.error();
  const bool is_listening = !parts_.empty() && pair.listen == settings().pair->listen;
  if (!is_listening) {
    protocol::Result<net::FileDescriptor> socket = bind(name_, listener_options(prepared.settings));
    if (!socket) return socket.error();
    prepared.socket = *std::move(socket);
  }
  const std::optional<config::LocalSocket>& local_before = settings().pair->local_socket;
  const bool is_local_there = !parts_.empty() && local_before && pair.local_socket && local_before->path == pair.local_socket->path;
  if (pair.local_socket && !is_local_there) {
    protocol::Result<net::FileDescriptor> socket = bind(name_, local_listener_options(*pair.local_socket));
    if (!socket) return socket.error();
    prepared.local_socket = *std::move(socket);
  }
  // Asked for now, so that no session meets a name that is not resolved yet.
  for (const config::EndpointAddress& endpoint : pair.endpoints.values) {
    if (!endpoint.host.starts_with('/')) surroundings_.names.add(endpoint.host);
  }
  return prepared;
}

void AppPair::continue_plan(routing::PlanHistory history) {
  history_ = std::move(history);
  if (history_.current()->epoch > shared_.plan.epoch()) shared_.plan.publish(history_.current());
}

void AppPair::give_authority(Side authority, std::uint64_t epoch_min) {
  authority_ = authority;
  shared_.plan.publish(history_.move_authority(authority, epoch_min));
}

void AppPair::disown() { shared_.plan.publish(history_.disown()); }

bool AppPair::has_one_authority(const config::Pair& pair) {
  return std::ranges::all_of(pair.plan.rules, [&pair](const routing::Rule& rule) { return rule.writes == pair.plan.default_writes; });
}

protocol::Status AppPair::open(Prepared prepared, const OnWorkers& on_workers) {
  put_in_force(prepared);
  if (const protocol::Status opened = open_mirror(); !opened) return opened;
  parts_.resize(surroundings_.workers.size());
  const bool is_made = on_workers([this](std::size_t index) {
    parts_[index] = std::make_unique<Part>(*this, *surroundings_.workers[index], static_cast<std::uint32_t>(index));
  });
  if (!is_made) {
    return protocol::failure(protocol::ErrorCode::internal, protocol::Blame::self, "a worker did not answer in time");
  }
  std::vector<session::PairWorker*> peers;
  for (const std::unique_ptr<Part>& part : parts_) peers.push_back(part->pair_worker.get());
  for (session::PairWorker* peer : peers) peer->set_peers(peers);
  listen_port_ = net::Listener::address_of(prepared.socket).port();
  listening_socket_ = prepared.socket.get();
  local_listening_socket_ = prepared.local_socket.get();
  const auto socket = std::make_shared<net::FileDescriptor>(std::move(prepared.socket));
  const auto local_socket = std::make_shared<net::FileDescriptor>(std::move(prepared.local_socket));
  listen_to_health();
  on_workers([this, socket, local_socket](std::size_t index) {
    if (index != 0) return;
    begin_probing();
    listen(std::move(*socket));
    if (local_socket->is_open()) listen_locally(std::move(*local_socket));
  });
  return {};
}

std::vector<net::Listener::Target> AppPair::listener_targets() {
  std::vector<net::Listener::Target> targets;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    session::PairWorker* pair_worker = parts_[i]->pair_worker.get();
    targets.push_back({&surroundings_.workers[i]->loop(),
                       [pair_worker](std::unique_ptr<net::Stream> stream, const net::Address& peer) {
                         pair_worker->take_in(std::move(stream), peer.bytes(), peer.user_number());
                       }});
  }
  return targets;
}

/// On the first worker's loop, or before it runs.
void AppPair::listen(net::FileDescriptor socket) {
  listener_ = net::Listener::adopt(surroundings_.workers.front()->loop(), std::move(socket), listener_targets());
}

void AppPair::listen_locally(net::FileDescriptor socket) {
  local_listener_ = net::Listener::adopt(surroundings_.workers.front()->loop(), std::move(socket), listener_targets());
}

void AppPair::stop_listening() {
  if (listener_) listener_->close();
  if (local_listener_) local_listener_->close();
}

void AppPair::close_on(std::size_t index) {
  if (index == 0) {
    listener_.reset();
    local_listener_.reset();
    lookout_.reset();
  }
  if (index >= parts_.size() || !parts_[index]) return;
  parts_[index]->pair_worker.reset();
  parts_[index]->forwarder.close();
}

void AppPair::stop_asking() {
  refresher_.reset();
  asking_ = {};
  local_users_.reset();
  asked_earlier_.clear();
}

std::string AppPair::listen_text() const { return endpoint_text(settings().pair->listen.host, listen_port_); }

}  // namespace proxy
