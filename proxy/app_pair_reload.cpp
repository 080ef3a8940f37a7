#include "proxy/app_pair.hpp"
#include "proxy/app_limits.hpp"
#include "proxy/app_pair_options.hpp"
#include "proxy/app_tls.hpp"

#include <sys/stat.h>

#include <memory>
#include <utility>

// What a reload does to a pair that runs.
namespace proxy {

using routing::Side;

namespace {

/// Of two limits, of which 0 is none.
bool is_lower(std::uint32_t before, std::uint32_t after) { return after != 0 && (before == 0 || after < before); }

}  // namespace

session::PairWorker::Terms AppPair::terms_for(const PairSettings& before, const PairSettings& after) const {
  session::PairWorker::Terms terms;
  terms.options = session_options_from(*after.limits, *after.pair);
  terms.pool = pool_options_from(after.pair->pool);
  terms.endpoints = endpoints_from(*after.pair);
  terms.table = std::make_shared<const session::TermsTable>(terms_table_from(*after.pair));
  const config::Pool& pool_before = before.pair->pool;
  const config::Pool& pool_after = after.pair->pool;
  terms.is_pool_smaller = is_lower(pool_before.size_or_default(), pool_after.size_or_default()) ||
                          is_lower(pool_before.connections_max, pool_after.connections_max);
  for (const Side side : routing::both_sides) {
    terms.encryption[side] = backend_encryption_from(after.pair->backend_tls[side].mode);
    terms.is_reached_anew[side] = !(before.pair->endpoints[side] == after.pair->endpoints[side] &&
                                    before.pair->backend_tls[side] == after.pair->backend_tls[side]);
  }
  return terms;
}

/// Everything that lies outside the workers.
void AppPair::put_in_force(Prepared& prepared) {
  {
    const std::lock_guard lock(settings_mutex_);
    settings_ = prepared.settings;
  }
  if (const auto& local = prepared.settings.pair->local_socket) static_cast<void>(::chmod(local->path.c_str(), local->mode));
  const config::Limits& limits = *prepared.settings.limits;
  failed_logins_.set_options(failed_login_options_from(limits));
  shared_.clients_max = limits.clients_max;
  surroundings_.held_bytes.set_max(limits.held_bytes_max);
  shared_.connections.set_limits(connection_limits_from(prepared.settings.pair->pool));
  admission_ = std::move(prepared.admission);
  // Where TLS was switched off, handshakes under way go on with what they began with.
  if (prepared.client_terms) client_tls_.put_in_force(std::move(prepared.client_terms));
  for (const Side side : routing::both_sides) {
    if (prepared.backend_terms[side]) backend_tls_[side].put_in_force(std::move(prepared.backend_terms[side]));
  }
  renew_asking();
}

void AppPair::apply(Prepared prepared, const OnWorkers& on_workers) {
  const PairSettings before = settings();
  const PairSettings after = prepared.settings;
  const session::PairWorker::Terms terms = terms_for(before, after);
  const bool is_asked_anew = terms.is_reached_anew[Side::blue] || !(before.pair->auth_query == after.pair->auth_query);
  if (is_asked_anew && asking_.desk) {
    asking_.retired_at = std::chrono::steady_clock::now();
    asked_earlier_.push_back(std::exchange(asking_, {}));
  }
  put_in_force(prepared);
  const auto plan_of = [this](const config::Pair& pair) {
    return authority_ ? routing::with_authority(pair.plan, *authority_) : pair.plan;
  };
  if (const routing::PlanSnapshot plan = history_.adopt(plan_of(*before.pair), plan_of(*after.pair))) shared_.plan.publish(plan);
  if (prepared.socket.is_open()) {
    listen_port_ = net::Listener::address_of(prepared.socket).port();
    listening_socket_ = prepared.socket.get();
  }
  if (prepared.local_socket.is_open()) local_listening_socket_ = prepared.local_socket.get();
  if (!after.pair->local_socket) local_listening_socket_ = -1;
  const auto socket = std::make_shared<net::FileDescriptor>(std::move(prepared.socket));
  const auto local_socket = std::make_shared<net::FileDescriptor>(std::move(prepared.local_socket));
  std::vector<protocol::postgres::Admission> admissions;
  for (std::size_t i = 0; i < parts_.size(); ++i) admissions.push_back(admission_on(i));
  on_workers([this, terms, after, socket, local_socket, admissions = std::move(admissions)](std::size_t index) {
    Part& part = *parts_[index];
    part.dialect.reconfigure(dialect_options_from(*after.limits, *after.pair), admissions[index]);
    part.connector.set_options(tcp_options_from(*after.limits));
    part.pair_worker->reconfigure(terms);
    if (index != 0) return;
    begin_probing();
    // The new one accepts before the one before it stops.
    if (socket->is_open()) listen(std::move(*socket));
    listener_->set_tcp_options(tcp_options_from(*after.limits));
    if (local_socket->is_open()) listen_locally(std::move(*local_socket));
    if (!after.pair->local_socket) local_listener_.reset();
  });
  renew_catalogue();
}

/// A desk as the settings want it. Those before it go when no greeting can wait for them any more.
void AppPair::renew_asking() {
  const PairSettings now = settings();
  const auto deadline = std::chrono::steady_clock::now() - 2 * now.limits->login_timeout;
  std::erase_if(asked_earlier_, [deadline](const Asking& asking) { return asking.retired_at < deadline; });
  begin_asking_for_local_users();
  if (asking_.desk || !now.pair->auth_query) return;
  asking_.desk = make_secret_desk(*now.pair);
  for (const std::unique_ptr<runtime::Worker>& worker : surroundings_.workers) {
    asking_.windows.push_back(std::make_unique<secrets::WorkerSecretSource>(*asking_.desk, worker->loop()));
  }
}

}  // namespace proxy
