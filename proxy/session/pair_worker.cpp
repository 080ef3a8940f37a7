#include "proxy/session/pair_worker.hpp"

#include <utility>

namespace proxy::session {

namespace {

/// A key's process id is that of the session's server process, or where there is none for its life, one of ours: a mark
/// above the worker's index above a running number. All are positive, as drivers expect, and no process of a server has
/// one with the mark. Source: Linux's PID_MAX_LIMIT is 2^22.
constexpr std::uint32_t number_bits = 23;
constexpr std::uint32_t number_mask = (1U << number_bits) - 1;
constexpr std::uint32_t own_mark = 1U << 30;
static_assert(PairWorker::worker_count_max <= own_mark >> number_bits);
/// Each process side by side has a range of numbers, so that one of ours tells whose it is; the secret is all chance.
constexpr std::uint32_t numbers_of_a_process = (number_mask + 1) / PairWorker::process_tag_count;

/// Cancel requests under way at once; more are dropped, as the server may drop them.
constexpr std::size_t cancel_calls_max = 256;

/// Clients above the limit that are still greeted, to be told why; more are closed at once.
constexpr std::uint32_t told_clients_max = 256;

/// Takes the same time wherever the first difference is.
bool is_equal(const protocol::Bytes& left, const protocol::Bytes& right) {
  if (left.size() != right.size()) return false;
  auto difference = std::byte{0};
  for (std::size_t i = 0; i < left.size(); ++i) difference |= left[i] ^ right[i];
  return difference == std::byte{0};
}

/// A server takes a cancel request in plain text whatever it demands of sessions, so what may be plain stays it.
protocol::EncryptionWish wish_of(backend::BackendEncryption when) {
  switch (when) {
    case backend::BackendEncryption::never:
    case backend::BackendEncryption::if_refused_plain: return protocol::EncryptionWish::none;
    case backend::BackendEncryption::if_offered: return protocol::EncryptionWish::preferred;
    case backend::BackendEncryption::always: return protocol::EncryptionWish::required;
  }
  return protocol::EncryptionWish::none;
}

}  // namespace

PairWorker::PairWorker(PairShared& shared, Identity identity, runtime::Loop& loop, protocol::Dialect& dialect,
                       net::Connector& connector, const backend::CredentialsSource& credentials,
                       const SessionOptions& options, backend::Pool::Options pool_options,
                       routing::PerSide<net::Endpoint> endpoints, std::span<std::byte> scratch,
                       const backend::Encryption& encryption)
    : shared_(shared),
      identity_(std::move(identity)),
      plans_(shared.plan),
      holds_(shared.hold),
      surroundings_{loop,    dialect, connector,  credentials, metrics_, std::move(endpoints),
                    scratch, options.connect_timeout, encryption, shared.health, &shared.processes},
      pool_(std::make_unique<backend::Pool>(surroundings_, shared.connections, pool_options)),
      options_(options),
      table_(shared.terms),
      environment_{loop,    dialect,     *pool_,     plans_,                   holds_,  *this,      metrics_, options_,
                   table_, shared.clients, scratch, shared.name, shared.log, &shared.on_schema_change, encryption.to_clients, shared.failed_logins, shared.console} {
  surroundings_.login_changes = &shared.login_changes;
  surroundings_.is_held = [this](std::string_view database) {
    const routing::Hold* hold = holds_.in_force();
    return hold != nullptr && routing::held_class(*hold, database) == routing::HoldClass::everything;
  };
  environment_.mirror = &shared.mirror;
  environment_.health = shared.health;
  environment_.held_bytes = shared.held_bytes;
}

PairWorker::~PairWorker() {
  sessions_.clear();  // they leave the registry and the pool, which must still be there
}

void PairWorker::take_in(std::unique_ptr<net::Stream> client, routing::ClientAddress address, std::optional<std::uint32_t> local_user) {
  const std::uint32_t others = shared_.clients_open.fetch_add(1, std::memory_order_relaxed);
  if (others >= shared_.clients_max + told_clients_max) {
    shared_.clients_open.fetch_sub(1, std::memory_order_relaxed);
    environment_.metrics.sessions_failed_total.count(name_of(protocol::ErrorCode::connections_exhausted));
    return;
  }
  const auto admission =
      others < shared_.clients_max ? Session::Admission::admitted : Session::Admission::too_many;
  const std::uint64_t number = shared_.session_count.fetch_add(1, std::memory_order_relaxed);
  auto session = std::make_unique<Session>(environment_, *this, std::move(client), address, number, admission);
  Session& started = *session;
  if (local_user) started.set_local_user(*local_user);
  sessions_.emplace(&started, std::move(session));
  started.start();
}

void PairWorker::on_session_end(Session& session) {
  environment_.loop.defer([this, ended = &session] {
    if (sessions_.erase(ended) != 0) shared_.clients_open.fetch_sub(1, std::memory_order_relaxed);
  });
}

telemetry::PairMetrics PairWorker::metrics() {
  metrics_.pins.clear();
  metrics_.sessions_working = 0;
  metrics_.sessions_held = 0;
  metrics_.held_bytes = 0;
  for (const auto& [address, session] : sessions_) {
    if (session->is_working()) ++metrics_.sessions_working;
    if (session->is_waiting_for_release()) {
      ++metrics_.sessions_held;
      metrics_.held_bytes += session->held_bytes();
    }
    const protocol::Pins* pins = session->pins();
    if (pins == nullptr) continue;
    for (const protocol::Pin& pin : *pins) ++metrics_.pins[pin.reason];
  }
  return metrics_;
}

telemetry::PinnedSessions PairWorker::pinned_sessions() const {
  telemetry::PinnedSessions pinned;
  for (const auto& [address, session] : sessions_) {
    const protocol::Pins* pins = session->pins();
    if (pins == nullptr || pins->empty()) continue;
    ++pinned.total;
    if (pinned.shown.size() < telemetry::PinnedSessions::shown_max) pinned.shown.push_back(session->describe_pins());
  }
  return pinned;
}

void PairWorker::watch_drain(const routing::HoldScope& scope, routing::HoldClass hold_class,
                             HoldDesk::OnDrained on_drained) {
  std::unordered_set<Session*> working;
  for (const auto& [address, session] : sessions_) {
    const bool is_waited_for = hold_class == routing::HoldClass::writes ? session->is_writing() : session->is_working();
    if (scope.covers(session->facts().database) && is_waited_for) working.insert(address);
  }
  holds_.watch({scope, hold_class, std::move(working), std::move(on_drained)});
}

void PairWorker::reconfigure(const Terms& terms) {
  options_ = terms.options;
  surroundings_.connect_timeout = terms.options.connect_timeout;
  surroundings_.endpoints = terms.endpoints;
  pool_->set_options(terms.pool);
  if (terms.is_pool_smaller) pool_->close_idle();
  if (terms.table != nullptr) table_ = *terms.table;
  for (const auto& [address, session] : sessions_) session->renew_terms();
  bool is_any_outdated = false;
  for (const routing::Side side : routing::both_sides) {
    surroundings_.encryption.to_backends[side].when = terms.encryption[side];
    if (!terms.is_reached_anew[side]) continue;
    ++surroundings_.generations[side];
    is_any_outdated = true;
  }
  if (!is_any_outdated) return;
  pool_->close_outdated();
  for (const auto& [address, session] : sessions_) session->look_again();
}

void PairWorker::renew_connections(routing::Side side) {
  ++surroundings_.generations[side];
  pool_->close_outdated();
  for (const auto& [address, session] : sessions_) session->look_again();
}

std::size_t PairWorker::end_writing() {
  std::size_t count = 0;
  for (const auto& [address, session] : sessions_) {
    if (!session->is_writing()) continue;
    ++count;
    session->end_writing();
  }
  return count;
}

std::size_t PairWorker::sessions_writing() const {
  std::size_t count = 0;
  for (const auto& [address, session] : sessions_) count += session->is_writing() ? 1U : 0U;
  return count;
}

void PairWorker::stop_sessions(Session::Stop when) {
  for (const auto& [address, session] : sessions_) session->stop(when);
}

telemetry::Inventory PairWorker::inventory() const {
  telemetry::Inventory inventory;
  const runtime::Instant now = environment_.loop.now();
  inventory.clients.reserve(sessions_.size());
  for (const auto& [address, session] : sessions_) {
    inventory.clients.push_back(session->view(now));
    session->add_backends(inventory.backends, now);
  }
  pool_->add_idle(inventory.backends, now);
  inventory.databases = databases_;
  return inventory;
}

telemetry::DatabaseCounters& PairWorker::counters_of(const std::string& database) {
  const auto known = databases_.find(database);
  if (known != databases_.end()) return known->second;
  return databases_[databases_.size() < telemetry::databases_max ? database : std::string(telemetry::other_databases)];
}

void PairWorker::on_side_down(routing::Side side) {
  for (const auto& [address, session] : sessions_) session->on_side_down(side);
}

protocol::CancelKey PairWorker::enrol(Session& session, std::size_t secret_bytes, std::uint32_t server_process) {
  std::uint32_t process_id = server_process < own_mark ? server_process : 0;
  // A server's number may come again while the session that had it before goes on without its connection.
  while (process_id == 0 || enrolled_.count(process_id) != 0) {
    const std::uint32_t number = identity_.process_tag * numbers_of_a_process + next_number_ % numbers_of_a_process;
    process_id = own_mark | (identity_.worker_index << number_bits) | number;
    ++next_number_;
  }
  protocol::CancelKey key;
  key.process_id = process_id;
  while (key.secret.size() < secret_bytes) {
    const std::uint32_t secret = identity_.random_bits();
    for (std::size_t i = 0; i < sizeof secret; ++i) key.secret.push_back(static_cast<std::byte>(secret >> (8 * i)));
  }
  key.secret.resize(secret_bytes);
  enrolled_.emplace(process_id, Enrolled{&session, key.secret});
  return key;
}

std::optional<std::uint32_t> PairWorker::tag_of(const protocol::CancelKey& key) {
  if ((key.process_id & own_mark) == 0) return std::nullopt;
  return (key.process_id & number_mask) / numbers_of_a_process;
}

void PairWorker::leave(const protocol::CancelKey& key) { enrolled_.erase(key.process_id); }

/// A server's process number does not tell whose key it is in: what is not known here may be of another process.
void PairWorker::cancel(const protocol::CancelKey& key, std::function<void()> done) {
  const std::optional<std::uint32_t> tag = tag_of(key);
  const auto& elsewhere = identity_.cancel_elsewhere;
  if (tag && *tag != identity_.process_tag) {
    elsewhere ? elsewhere(key, std::move(done)) : done();
    return;
  }
  if (tag || !elsewhere) {
    cancel_own(key, std::move(done));
    return;
  }
  runtime::Loop& home = environment_.loop;
  cancel_own(key, done, [&home, elsewhere, key, done] { home.post([elsewhere, key, done] { elsewhere(key, done); }); });
}

void PairWorker::cancel_own(const protocol::CancelKey& key, std::function<void()> done, std::function<void()> on_unknown) {
  // A session that cancels its own request may be gone before a question to this very worker would be heard.
  if (Session* own = enrolled_with(key); own != nullptr) {
    cancel_here(*own, std::move(done));
    return;
  }
  runtime::Loop& home = environment_.loop;
  auto done_at_home = [&home, done]() { home.post(done); };
  if (!on_unknown) on_unknown = done_at_home;
  ask_from(0, key, {std::move(done_at_home), std::move(on_unknown)});
}

/// The session of this worker that has the key, or null.
Session* PairWorker::enrolled_with(const protocol::CancelKey& key) const {
  const auto place = enrolled_.find(key.process_id);
  const bool is_its = place != enrolled_.end() && is_equal(place->second.secret, key.secret);
  return is_its ? place->second.session : nullptr;
}

/// Asks the workers from `index` on, one after the other, whose the key is: a server's process may be on any.
void PairWorker::ask_from(std::size_t index, const protocol::CancelKey& key, CancelEnds ends) {
  if (index >= peers_.size()) {
    ends.on_unknown();
    return;
  }
  PairWorker* peer = peers_[index];
  peer->environment_.loop.post([peer, index, key, ends = std::move(ends)]() mutable {
    if (Session* session = peer->enrolled_with(key); session != nullptr) {
      peer->cancel_here(*session, std::move(ends.done));
    } else {
      peer->ask_from(index + 1, key, std::move(ends));
    }
  });
}

void PairWorker::close_idle_everywhere() {
  for (PairWorker* peer : peers_) peer->environment_.loop.post([peer] { peer->close_idle_connections(); });
}

void PairWorker::cancel_here(Session& session, std::function<void()> done) {
  if (cancel_calls_.size() >= cancel_calls_max || session.cancel_console()) {
    done();
    return;
  }
  std::optional<Session::RunningRequest> running = session.running_request();
  if (!running) {
    done();
    return;
  }
  const backend::Encryption::Side& encryption = surroundings_.encryption.to_backends[running->side];
  ++*running->under_way;
  auto call = std::make_unique<CancelCall>(
      environment_.loop, surroundings_.connector.connect(running->endpoint),
      environment_.dialect.make_cancellation(std::move(running->cancel_bytes), wish_of(encryption.when)), encryption.upgrade,
      [this, under_way = std::move(running->under_way), done = std::move(done)](CancelCall& ended) {
        --*under_way;
        pool_->on_cancel_end();
        done();
        environment_.loop.defer([this, address = &ended] { cancel_calls_.erase(address); });
      });
  CancelCall* address = call.get();
  cancel_calls_.emplace(address, std::move(call));
}

}  // namespace proxy::session
