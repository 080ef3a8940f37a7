#include "proxy/backend/pool.hpp"

#include "proxy/backend/award.hpp"
#include "proxy/backend/pool_group.hpp"

#include <algorithm>
#include <utility>

namespace proxy::backend {

using routing::Side;

namespace {

/// How many idle connections are looked at for one that needs no restoring.
constexpr std::size_t looked_at_max = 16;
constexpr std::chrono::milliseconds sweep_interval{5'000};
/// Whoever has all idle connections closed wants the server, or a database, to be left alone for a moment.
constexpr std::chrono::milliseconds no_filling{10'000};

}  // namespace

Pool::Group& Pool::enter(const protocol::Login& login, const ConnectionTerms& terms) {
  std::string key = surroundings_.dialect.pool_key(login);
  std::unique_ptr<Group>& group = groups_[key];
  if (!group || group->identity->terms != terms) {
    auto identity = std::make_shared<const PoolIdentity>(PoolIdentity{std::move(key), login.user, login.database, terms});
    group ? static_cast<void>(group->identity = std::move(identity)) : static_cast<void>(group = std::make_unique<Group>(std::move(identity)));
  }
  const bool has_other_proof = group->login == nullptr || group->login->proof != login.proof;
  if (has_other_proof) {
    for (Shelf& shelf : group->shelves.values) shelf.trouble->retry_at = {};  // what was refused was another one
  }
  group->login = std::make_shared<const protocol::Login>(login);
  ++group->session_count;
  if (terms.pool_min != 0) arm_sweep();
  return *group;
}

void Pool::revise(Group& group, const ConnectionTerms& terms) {
  const PoolIdentity& now = *group.identity;
  if (now.terms == terms) return;
  group.identity = std::make_shared<const PoolIdentity>(PoolIdentity{now.key, now.user, now.database, terms});
}

void Pool::leave(Group& group) {
  --group.session_count;
  if (group.is_empty()) arm_sweep();
}

std::unique_ptr<Connection> Pool::take(Group& group, Side side, const protocol::ClientHalf* half,
                                       net::StreamListener& borrower, Waiter& waiter) {
  heed_login_changes();
  if (waiter.side_ != side) leave_queue(waiter);  // the route has changed in the meantime
  waiter.is_turned_away_ = false;
  if (waiter.connection_ != nullptr) return std::exchange(waiter.connection_, nullptr);
  ConnectionCounts::Reservation reservation = std::move(waiter.reservation_);
  if (group.shelves[side].waiting.empty()) {
    if (std::unique_ptr<Connection> idle = take_idle(group, side, half)) {
      idle->lend_to(borrower);
      return idle;
    }
    if (!reservation) reservation = counts_.reserve(group.identity, side, worker_number_);
    if (!reservation) reservation = take_room_of_idle(group, side);
  }
  if (!reservation && !waiter.is_queued_) {
    if (!counts_.enter_queue()) {
      waiter.is_turned_away_ = true;
      return nullptr;
    }
    queue(group, side, borrower, waiter);
    // Room that became free before the queue was known was told to nobody.
    if (group.shelves[side].waiting.size() == 1) reservation = counts_.reserve(group.identity, side, worker_number_);
    if (reservation) leave_queue(waiter);
  }
  return reservation ? open(group, side, borrower, std::move(reservation)) : nullptr;
}

std::unique_ptr<Connection> Pool::open(Group& group, Side side, net::StreamListener& borrower,
                                       ConnectionCounts::Reservation reservation) {
  const std::shared_ptr<LoginTrouble>& trouble = group.shelves[side].trouble;
  if (trouble->retry_at > surroundings_.loop.now()) return std::make_unique<Connection>(surroundings_, side, *trouble);
  auto connection = std::make_unique<Connection>(surroundings_, side, group.login, borrower);
  connection->keep(std::move(reservation));
  if (options_.login_retry.count() != 0) connection->report_to(trouble, options_.login_retry);
  return connection;
}

/// One that has been idle for a while may have been ended without the loop having told yet: one look at the socket then.
/// One that was used a moment ago is lent unseen, so that the busy pay nothing.
bool Pool::is_still_good(Connection& connection) const {
  if (surroundings_.loop.now() - connection.idle_since() < options_.check_after) return true;
  return !connection.channel().has_news() || connection.absorb();
}

/// The one used last of those that need no restoring, or the one used last.
std::unique_ptr<Connection> Pool::take_idle(Group& group, Side side, const protocol::ClientHalf* half) {
  std::vector<std::unique_ptr<Connection>>& idle = group.shelves[side].idle;
  while (!idle.empty()) {
    std::size_t chosen = idle.size() - 1;
    const std::size_t last = idle.size() - std::min(idle.size(), looked_at_max);
    for (std::size_t i = idle.size(); half != nullptr && i > last; --i) {
      if (!half->is_in_line(idle[i - 1]->half())) continue;
      chosen = i - 1;
      break;
    }
    std::unique_ptr<Connection> connection = std::move(idle[chosen]);
    idle.erase(idle.begin() + static_cast<std::ptrdiff_t>(chosen));
    if (is_still_good(*connection)) return connection;
  }
  return nullptr;
}

void Pool::queue(Group& group, Side side, net::StreamListener& borrower, Waiter& waiter) {
  Shelf& shelf = group.shelves[side];
  waiter.is_queued_ = true;
  waiter.group_ = &group;
  waiter.borrower_ = &borrower;
  waiter.side_ = side;
  shelf.waiting.push_back(&waiter);
  if (shelf.need != nullptr) {
    note_waiting(shelf);
    return;
  }
  shelf.need = std::make_shared<Need>(worker_number_, group.identity, side, surroundings_.loop.now());
  note_waiting(shelf);
  counts_.enrol(shelf.need);
}

/// Who waits on a shelf has become more or fewer.
void Pool::note_waiting(Shelf& shelf) {
  shelf.need->waiting_count.store(static_cast<std::uint32_t>(shelf.waiting.size()));
  if (shelf.waiting.empty()) end_need(shelf);
}

void Pool::end_need(Shelf& shelf) {
  if (const NeedPointer need = std::exchange(shelf.need, nullptr)) counts_.withdraw(need);
}

void Pool::grant(Shelf& shelf, std::unique_ptr<Connection> connection, ConnectionCounts::Reservation reservation,
                 runtime::Instant now) {
  Waiter& waiter = *shelf.waiting.front();
  shelf.waiting.pop_front();
  shelf.need->served.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  note_waiting(shelf);
  counts_.leave_queue();
  waiter.is_queued_ = false;
  if (connection != nullptr) connection->lend_to(*waiter.borrower_);
  waiter.connection_ = std::move(connection);
  waiter.reservation_ = std::move(reservation);
  waiter.on_pool_turn();
}

bool Pool::is_worn(const Connection& connection) const {
  if (connection.is_outdated()) return true;
  return options_.lifetime.count() != 0 && surroundings_.loop.now() - connection.born() > options_.lifetime;
}

void Pool::put_back(Group& group, std::unique_ptr<Connection> connection) {
  const bool is_sound = connection->phase() == Connection::Phase::ready && connection->half().is_at_boundary() &&
                        connection->channel().state() == net::Channel::State::open &&
                        !connection->channel().is_clogged() && connection->channel().held_bytes() == 0;
  if (!is_sound || is_worn(*connection)) return;
  heed_login_changes();
  if (is_retired(group, *connection)) return;
  if (connection->is_cancel_under_way()) {
    connection->leave_to(*this);
    ++group.kept_back_count;
    kept_back_.push_back(KeptBack{&group, std::move(connection)});
    return;
  }
  hand_over(group, std::move(connection));
}

void Pool::set_options(Options options) {
  options_ = options;
  arm_sweep();
}

void Pool::close_outdated() {
  const auto is_outdated = [](const std::unique_ptr<Connection>& idle) { return idle->is_outdated(); };
  for (const auto& [key, group] : groups_) {
    for (const Side side : routing::both_sides) std::erase_if(group->shelves[side].idle, is_outdated);
  }
  arm_sweep();
}

void Pool::hand_over(Group& group, std::unique_ptr<Connection> connection) {
  const Side side = connection->side();
  Shelf& shelf = group.shelves[side];
  connection->leave_to(*this);
  if (try_give_others(group, connection)) return;
  if (!shelf.waiting.empty()) {
    const runtime::Instant now = connection->idle_since();
    grant(shelf, std::move(connection), {}, now);
    return;
  }
  shelf.idle.push_back(std::move(connection));
  arm_sweep();
}

void Pool::leave_queue(Waiter& waiter) {
  if (waiter.is_queued_) {
    Shelf& shelf = waiter.group_->shelves[waiter.side_];
    shelf.waiting.erase(std::find(shelf.waiting.begin(), shelf.waiting.end(), &waiter));
    note_waiting(shelf);
    counts_.leave_queue();
    waiter.is_queued_ = false;
  }
  if (waiter.connection_ != nullptr) put_back(*waiter.group_, std::exchange(waiter.connection_, nullptr));
  waiter.reservation_ = {};
}

void Pool::on_cancel_end() {
  std::vector<KeptBack> free;
  for (std::size_t i = kept_back_.size(); i > 0; --i) {
    if (kept_back_[i - 1].connection->is_cancel_under_way()) continue;
    free.push_back(std::move(kept_back_[i - 1]));
    kept_back_.erase(kept_back_.begin() + static_cast<std::ptrdiff_t>(i - 1));
  }
  for (KeptBack& kept : free) {
    --kept.group->kept_back_count;
    put_back(*kept.group, std::move(kept.connection));
  }
}

void Pool::on_idle_ready(Connection& connection) {
  if (connection.absorb()) return;
  if (surroundings_.health != nullptr) {
    surroundings_.health->note_sign(connection.side(), HealthSign::lost, surroundings_.loop.now());
  }
  const auto is_it = [&](const std::unique_ptr<Connection>& idle) { return idle.get() == &connection; };
  for (const auto& [key, group] : groups_) {
    std::vector<std::unique_ptr<Connection>>& idle = group->shelves[connection.side()].idle;
    const auto place = std::find_if(idle.begin(), idle.end(), is_it);
    if (place == idle.end()) continue;
    idle.erase(place);
    return;
  }
  const auto kept = std::find_if(kept_back_.begin(), kept_back_.end(),
                                 [&](const KeptBack& each) { return each.connection.get() == &connection; });
  if (kept == kept_back_.end()) return;
  --kept->group->kept_back_count;
  kept_back_.erase(kept);
}

void Pool::add_idle(std::vector<telemetry::BackendView>& backends, runtime::Instant now) const {
  for (const auto& [key, group] : groups_) {
    for (const Side side : routing::both_sides) {
      for (const std::unique_ptr<Connection>& connection : group->shelves[side].idle) {
        telemetry::BackendView& view = backends.emplace_back(connection->view(now));
        view.user = group->login->user;
        view.database = group->login->database;
        view.state = telemetry::BackendState::idle;
        view.idle_age = std::chrono::duration_cast<std::chrono::microseconds>(now - connection->idle_since());
      }
    }
  }
}

void Pool::close_idle() {
  fill_from_ = surroundings_.loop.now() + no_filling;
  for (const auto& [key, group] : groups_) {
    for (const Side side : routing::both_sides) group->shelves[side].idle.clear();
  }
}

void Pool::arm_sweep() {
  if (is_sweep_armed_) return;
  is_sweep_armed_ = true;
  sweep_timer_->arm(surroundings_.loop.now() + sweep_interval);
}

/// What is worn goes; what idles for too long, as far as it is more than the pool is to have.
void Pool::drop_old(Group& group, Side side, runtime::Instant now) {
  std::vector<std::unique_ptr<Connection>>& idle = group.shelves[side].idle;
  std::erase_if(idle, [&](const std::unique_ptr<Connection>& each) { return is_worn(*each); });
  const auto is_idle_too_long = [&](const std::unique_ptr<Connection>& each) {
    return options_.idle_timeout.count() != 0 && now - each->idle_since() > options_.idle_timeout;
  };
  if (std::ranges::none_of(idle, is_idle_too_long)) return;
  std::uint32_t surplus = counts_.surplus_of(*group.identity, side);
  std::erase_if(idle, [&](const std::unique_ptr<Connection>& each) {
    if (surplus == 0 || !is_idle_too_long(each)) return false;
    --surplus;
    return true;
  });
}

void Pool::sweep() {
  is_sweep_armed_ = false;
  heed_login_changes();
  bool is_needed = false;
  const runtime::Instant now = surroundings_.loop.now();
  for (auto place = groups_.begin(); place != groups_.end();) {
    Group& group = *place->second;
    for (const Side side : routing::both_sides) {
      drop_old(group, side, now);
      fill(group, side);
      is_needed = is_needed || !group.shelves[side].idle.empty();
    }
    is_needed = is_needed || (group.session_count != 0 && group.identity->terms.pool_min != 0);
    place = group.is_empty() ? groups_.erase(place) : std::next(place);
  }
  if (is_needed) arm_sweep();
}

}  // namespace proxy::backend
