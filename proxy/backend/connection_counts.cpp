#include "proxy/backend/connection_counts.hpp"

#include "proxy/backend/award.hpp"

#include <algorithm>
#include <utility>

namespace proxy::backend {

using routing::Side;

namespace {

template <class Counts>
std::uint32_t count_of(const Counts& counts, const std::string& name, Side side) {
  const auto place = counts.find(name);
  return place == counts.end() ? 0 : place->second.count[side];
}

template <class Counts>
void take_one(Counts& counts, const std::string& name, Side side) {
  const auto place = counts.find(name);
  --place->second.count[side];
  if (place->second.is_bare()) counts.erase(place);
}

bool is_below(std::uint32_t count, std::uint32_t max) { return max == 0 || count < max; }

}  // namespace

ConnectionCounts::Reservation& ConnectionCounts::Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  counts_ = std::exchange(other.counts_, nullptr);
  pool_ = std::move(other.pool_);
  side_ = other.side_;
  worker_ = other.worker_;
  return *this;
}

void ConnectionCounts::Reservation::give_back() {
  if (ConnectionCounts* counts = std::exchange(counts_, nullptr)) counts->give_back(*this);
}

void ConnectionCounts::set_limits(ConnectionLimits limits) {
  limits_.side_max = limits.side_max;
  limits_.queue_max = limits.queue_max;
}

std::size_t ConnectionCounts::add_worker(Ears ears) {
  const std::lock_guard lock(mutex_);
  workers_.push_back(std::move(ears));
  return workers_.size() - 1;
}

bool ConnectionCounts::has_room(const PoolIdentity& pool, Side side) const {
  return is_below(sides_[side], limits_.side_max) && is_below(count_of(pools_, pool.key, side), pool.terms.pool_max) &&
         is_below(count_of(users_, pool.user, side), pool.terms.user_max) &&
         is_below(count_of(databases_, pool.database, side), pool.terms.database_max);
}

void ConnectionCounts::count(const PoolIdentity& pool, Side side, std::size_t worker) {
  PoolCounted& counted = pools_[pool.key];
  counted.of_worker.resize(std::max(counted.of_worker.size(), worker + 1));
  ++counted.of_worker[worker][side];
  ++counted.count[side];
  ++users_[pool.user].count[side];
  ++databases_[pool.database].count[side];
  ++sides_[side];
}

void ConnectionCounts::discount(const PoolIdentity& pool, Side side, std::size_t worker) {
  --pools_.find(pool.key)->second.of_worker[worker][side];
  take_one(pools_, pool.key, side);
  take_one(users_, pool.user, side);
  take_one(databases_, pool.database, side);
  --sides_[side];
}

ConnectionCounts::Reservation ConnectionCounts::reserve(const PoolPointer& pool, Side side, std::size_t worker) {
  const std::lock_guard lock(mutex_);
  return reserve_counted(pool, side, worker);
}

ConnectionCounts::Reservation ConnectionCounts::reserve_for_minimum(const PoolPointer& pool, Side side, std::size_t worker) {
  const std::lock_guard lock(mutex_);
  if (count_of(pools_, pool->key, side) >= pool->terms.pool_min) return {};
  return reserve_counted(pool, side, worker);
}

std::uint32_t ConnectionCounts::surplus_of(const PoolIdentity& pool, Side side) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t count = count_of(pools_, pool.key, side);
  return count > pool.terms.pool_min ? count - pool.terms.pool_min : 0;
}

ConnectionCounts::Reservation ConnectionCounts::reserve_counted(const PoolPointer& pool, Side side, std::size_t worker) {
  Reservation reservation;
  if (!has_room(*pool, side)) return reservation;
  count(*pool, side, worker);
  reservation.counts_ = this;
  reservation.pool_ = pool;
  reservation.side_ = side;
  reservation.worker_ = worker;
  return reservation;
}

bool ConnectionCounts::pass_on(Reservation& reservation, const PoolPointer& pool, std::size_t worker) {
  const std::lock_guard lock(mutex_);
  discount(*reservation.pool_, reservation.side_, reservation.worker_);
  const bool is_passed = has_room(*pool, reservation.side_);
  if (is_passed) {
    reservation.pool_ = pool;
    reservation.worker_ = worker;
  }
  count(*reservation.pool_, reservation.side_, reservation.worker_);
  return is_passed;
}

/// What has become free goes to who waits, as far as it goes: one connection can have stood in the way of several.
void ConnectionCounts::give_back(Reservation& reservation) {
  std::vector<std::pair<std::shared_ptr<Award>, NeedPointer>> awards;
  {
    const std::lock_guard lock(mutex_);
    const Side side = reservation.side_;
    discount(*reservation.pool_, side, reservation.worker_);
    while (!needs_.empty()) {
      const NeedPointer need = first_in_turn(side, [&](const Need& each) { return has_room(*each.pool, side); });
      if (need == nullptr) break;
      auto award = std::make_shared<Award>();
      award->need = need;
      award->reservation.counts_ = this;
      award->reservation.side_ = side;
      count(*need->pool, side, need->worker);
      award->reservation.pool_ = need->pool;
      award->reservation.worker_ = need->worker;
      ++need->promised_count;
      awards.emplace_back(std::move(award), need);
    }
  }
  reservation.pool_.reset();
  for (auto& [award, need] : awards) deliver(std::move(award), *need);
}

std::uint32_t ConnectionCounts::connections_of(const PoolIdentity& pool, Side side, std::size_t worker) {
  const std::lock_guard lock(mutex_);
  const auto place = pools_.find(pool.key);
  if (place == pools_.end()) return 0;
  return worker < place->second.of_worker.size() ? place->second.of_worker[worker][side] : 0;
}

bool ConnectionCounts::enter_queue() {
  const std::uint32_t before = queue_count_.fetch_add(1, std::memory_order_relaxed);
  if (is_below(before, limits_.queue_max)) return true;
  leave_queue();
  return false;
}

void ConnectionCounts::enrol(const NeedPointer& need) {
  {
    const std::lock_guard lock(mutex_);
    needs_.push_back(need);
    need_counts_[need->side].fetch_add(1);
  }
  // What a worker puts aside from now on, it asks first; what lies there already, it must be asked for.
  ask(need);
}

void ConnectionCounts::ask(const NeedPointer& need) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (i != need->worker) workers_[i].on_need(need);
  }
}

void ConnectionCounts::withdraw(const NeedPointer& need) {
  const std::lock_guard lock(mutex_);
  if (std::erase(needs_, need) != 0) need_counts_[need->side].fetch_sub(1);
}

std::uint32_t ConnectionCounts::user_load(const PoolIdentity& pool, Side side) const {
  return count_of(users_, pool.user, side);
}

/// What a pool's sessions on a worker have, at the level at which they differ from those of another.
std::uint32_t ConnectionCounts::load_beside(const PoolIdentity& pool, std::size_t worker, Side side,
                                            const PoolIdentity& other_pool) const {
  if (pool.user != other_pool.user) return user_load(pool, side);
  const auto place = pools_.find(pool.key);
  if (place == pools_.end()) return 0;
  if (pool.key != other_pool.key) return place->second.count[side];
  return worker < place->second.of_worker.size() ? place->second.of_worker[worker][side] : 0;
}

/// Whether sessions elsewhere should have the connection that those behind `own` could have.
bool ConnectionCounts::is_due_before(const Need& need, const Reservation& held, const Need& own,
                                     runtime::Instant now) const {
  const Side side = held.side_;
  const std::uint32_t theirs = load_beside(*need.pool, need.worker, side, *own.pool);
  const std::uint32_t ours = load_beside(*own.pool, own.worker, side, *need.pool);
  if (theirs + 2 <= ours) return true;  // and then nobody is worse off than they are now
  if (now - need.served_at() < turn) return false;
  return need.pool->user == own.pool->user || theirs <= ours;
}

NeedPointer ConnectionCounts::first_in_turn(Side side, const std::function<bool(const Need&)>& is_fitting) const {
  NeedPointer first;
  std::uint32_t first_load = 0;
  for (const NeedPointer& need : needs_) {
    if (need->side != side || need->promised_count.load() >= need->waiting_count.load() || !is_fitting(*need)) continue;
    const std::uint32_t load = user_load(*need->pool, side);
    if (first != nullptr && (load > first_load || (load == first_load && need->served_at() >= first->served_at()))) continue;
    first = need;
    first_load = load;
  }
  return first;
}

/// Precondition: counted as the old one's.
void ConnectionCounts::relabel(Reservation& reservation, const Need& need) {
  discount(*reservation.pool_, reservation.side_, reservation.worker_);
  reservation.pool_ = need.pool;
  reservation.worker_ = need.worker;
  count(*reservation.pool_, reservation.side_, reservation.worker_);
}

NeedPointer ConnectionCounts::yield(Reservation& reservation, Need* own, runtime::Instant now) {
  const std::lock_guard lock(mutex_);
  const Side side = reservation.side_;
  const PoolPointer held = reservation.pool_;
  // Room as it is without this one, loads as they are with it.
  const auto is_fitting = [&](const Need& need) {
    if (&need == own || (own != nullptr && !is_due_before(need, reservation, *own, now))) return false;
    if (need.pool->key == held->key) return true;
    discount(*held, side, reservation.worker_);
    const bool is_room = has_room(*need.pool, side);
    count(*held, side, reservation.worker_);
    return is_room;
  };
  NeedPointer need = first_in_turn(side, is_fitting);
  if (need == nullptr) return nullptr;
  relabel(reservation, *need);
  ++need->promised_count;
  need->served.store(now.time_since_epoch().count());
  return need;
}

bool ConnectionCounts::yield_to(Reservation& reservation, Need& need) {
  const std::lock_guard lock(mutex_);
  const bool is_enrolled = std::any_of(needs_.begin(), needs_.end(), [&](const NeedPointer& each) { return each.get() == &need; });
  if (!is_enrolled || need.side != reservation.side_ || need.promised_count.load() >= need.waiting_count.load()) return false;
  const PoolPointer held = reservation.pool_;
  const std::size_t holder = reservation.worker_;
  discount(*held, need.side, holder);
  const bool is_room = has_room(*need.pool, need.side);
  if (is_room) {
    reservation.pool_ = need.pool;
    reservation.worker_ = need.worker;
    ++need.promised_count;
  }
  count(*reservation.pool_, need.side, reservation.worker_);
  return is_room;
}

}  // namespace proxy::backend
