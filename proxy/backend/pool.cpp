#include "proxy/backend/pool.hpp"

#include <algorithm>
#include <utility>

namespace proxy::backend {

using routing::Side;

namespace {

/// How many idle connections are looked at for one that needs no restoring.
constexpr std::size_t looked_at_max = 16;
constexpr std::chrono::milliseconds sweep_interval{5'000};
/// How often the other workers are asked for what sessions wait for.
constexpr std::chrono::milliseconds need_interval{5};

}  // namespace

/// The idle connections of a group to one side, the one used last at the end, and who waits for one.
struct Pool::Shelf {
  std::vector<std::unique_ptr<Connection>> idle;
  std::deque<Waiter*> waiting;
};

class Pool::Group {
 public:
  explicit Group(std::string pool_key) : key(std::make_shared<const std::string>(std::move(pool_key))) {}

  [[nodiscard]] bool is_empty() const {
    const auto is_bare = [](const Shelf& shelf) { return shelf.idle.empty() && shelf.waiting.empty(); };
    return session_count == 0 && kept_back_count == 0 && is_bare(shelves[Side::blue]) && is_bare(shelves[Side::green]);
  }

  std::shared_ptr<const std::string> key;
  std::shared_ptr<const protocol::Login> login;  ///< the last one, whose proof of who it is is the freshest
  ConnectionTerms terms;
  std::size_t session_count = 0;
  std::size_t kept_back_count = 0;
  routing::PerSide<Shelf> shelves;
};

Pool::Pool(Surroundings& surroundings, ConnectionCounts& counts, Options options)
    : surroundings_(surroundings),
      counts_(counts),
      options_(options),
      sweep_timer_(surroundings.loop.make_timer([this] { sweep(); })),
      need_timer_(surroundings.loop.make_timer([this] { tell_need(); })),
      self_(std::make_shared<Pool*>(this)) {
  const auto post = [&loop = surroundings_.loop, self = std::weak_ptr<Pool*>(self_)](auto call) {
    loop.post([self, call = std::move(call)] {
      if (const std::shared_ptr<Pool*> pool = self.lock()) call(**pool);
    });
  };
  worker_number_ = counts_.add_worker(
      {[post] { post([](Pool& pool) { pool.on_room(); }); },
       [post](std::vector<ConnectionCounts::Need> needs) {
         post([needs = std::move(needs)](Pool& pool) { pool.on_shortage(needs); });
       }});
}

Pool::~Pool() { note_waiting(0); }

Pool::Group& Pool::enter(const protocol::Login& login, const ConnectionTerms& terms) {
  std::string key = surroundings_.dialect.pool_key(login);
  std::unique_ptr<Group>& group = groups_[key];
  if (!group) group = std::make_unique<Group>(std::move(key));
  group->login = std::make_shared<const protocol::Login>(login);
  group->terms = terms;
  ++group->session_count;
  return *group;
}

void Pool::leave(Group& group) {
  --group.session_count;
  if (group.is_empty()) arm_sweep();
}

std::unique_ptr<Connection> Pool::take(Group& group, Side side, const protocol::ClientHalf* half,
                                       net::StreamListener& borrower, Waiter& waiter) {
  if (waiter.side_ != side) leave_queue(waiter);  // the route has changed in the meantime
  Shelf& shelf = group.shelves[side];
  if (waiter.connection_ != nullptr) return std::exchange(waiter.connection_, nullptr);
  std::unique_ptr<Connection> connection;
  const bool is_nobody_before = shelf.waiting.empty();
  if (is_nobody_before && !shelf.idle.empty()) {
    std::size_t chosen = shelf.idle.size() - 1;
    const std::size_t last = shelf.idle.size() - std::min(shelf.idle.size(), looked_at_max);
    for (std::size_t i = shelf.idle.size(); half != nullptr && i > last; --i) {
      if (!half->is_in_line(shelf.idle[i - 1]->half())) continue;
      chosen = i - 1;
      break;
    }
    waiter.reservation_ = {};
    connection = std::move(shelf.idle[chosen]);
    shelf.idle.erase(shelf.idle.begin() + static_cast<std::ptrdiff_t>(chosen));
    connection->lend_to(borrower);
    return connection;
  }
  ConnectionCounts::Reservation reservation = std::move(waiter.reservation_);
  if (!reservation && is_nobody_before) reservation = counts_.reserve(group.key, side, group.terms);
  if (!reservation && is_nobody_before && counts_.has_limit_per_side() && close_any_idle(side)) {
    reservation = counts_.reserve(group.key, side, group.terms);
  }
  if (reservation) {
    connection = std::make_unique<Connection>(surroundings_, side, group.login, borrower);
    connection->keep(std::move(reservation));
    return connection;
  }
  if (waiter.is_queued_) return nullptr;
  waiter.is_queued_ = true;
  waiter.group_ = &group;
  waiter.borrower_ = &borrower;
  waiter.side_ = side;
  shelf.waiting.push_back(&waiter);
  note_waiting(waiting_count_ + 1);
  return nullptr;
}

void Pool::note_waiting(std::size_t count) {
  const bool was_short = waiting_count_ != 0;
  waiting_count_ = count;
  if (!was_short && count != 0) {
    counts_.begin_shortage();
    tell_need();
  }
  if (was_short && count == 0) {
    counts_.end_shortage();
    need_timer_->disarm();
  }
}

/// While sessions wait, what they need may lie idle on other workers.
void Pool::tell_need() {
  std::vector<ConnectionCounts::Need> needs;
  for (const auto& [key, group] : groups_) {
    for (const Side side : routing::both_sides) {
      if (!group->shelves[side].waiting.empty()) needs.push_back({group->key, side});
    }
  }
  counts_.ask_others(worker_number_, needs);
  need_timer_->arm(surroundings_.loop.now() + need_interval);
}

void Pool::on_shortage(const std::vector<ConnectionCounts::Need>& needs) {
  for (const ConnectionCounts::Need& need : needs) {
    const auto place = groups_.find(*need.pool);
    if (place != groups_.end() && close_one_idle(*place->second, need.side)) continue;
    if (counts_.has_limit_per_side()) close_any_idle(need.side);
  }
}

bool Pool::close_any_idle(Side side) {
  return std::any_of(groups_.begin(), groups_.end(), [&](const auto& entry) { return close_one_idle(*entry.second, side); });
}

/// The one that was used longest ago.
bool Pool::close_one_idle(Group& group, Side side) {
  Shelf& shelf = group.shelves[side];
  if (shelf.idle.empty()) return false;
  shelf.idle.erase(shelf.idle.begin());
  return true;
}

void Pool::grant(Shelf& shelf, std::unique_ptr<Connection> connection, ConnectionCounts::Reservation reservation) {
  Waiter& waiter = *shelf.waiting.front();
  shelf.waiting.pop_front();
  waiter.is_queued_ = false;
  if (connection != nullptr) connection->lend_to(*waiter.borrower_);
  waiter.connection_ = std::move(connection);
  waiter.reservation_ = std::move(reservation);
  note_waiting(waiting_count_ - 1);
  waiter.on_pool_turn();
}

bool Pool::is_worn(const Connection& connection) const {
  return options_.lifetime.count() != 0 && surroundings_.loop.now() - connection.born() > options_.lifetime;
}

void Pool::put_back(Group& group, std::unique_ptr<Connection> connection) {
  const bool is_sound = connection->phase() == Connection::Phase::ready && connection->half().is_at_boundary() &&
                        connection->channel().state() == net::Channel::State::open &&
                        !connection->channel().is_clogged() && connection->channel().held_bytes() == 0;
  if (!is_sound || is_worn(*connection)) return;
  if (connection->is_cancel_under_way()) {
    connection->leave_to(*this);
    ++group.kept_back_count;
    kept_back_.push_back(KeptBack{&group, std::move(connection)});
    return;
  }
  hand_over(group, std::move(connection));
}

void Pool::hand_over(Group& group, std::unique_ptr<Connection> connection) {
  Shelf& shelf = group.shelves[connection->side()];
  connection->leave_to(*this);
  if (!shelf.waiting.empty()) {
    grant(shelf, std::move(connection), {});
    return;
  }
  // Closed where another worker, or with a limit per side another pool of this one, has use for the room.
  if (counts_.is_anyone_short() && (waiting_count_ == 0 || counts_.has_limit_per_side())) return;
  shelf.idle.push_back(std::move(connection));
  arm_sweep();
}

void Pool::leave_queue(Waiter& waiter) {
  if (waiter.is_queued_) {
    std::deque<Waiter*>& waiting = waiter.group_->shelves[waiter.side_].waiting;
    waiting.erase(std::find(waiting.begin(), waiting.end(), &waiter));
    waiter.is_queued_ = false;
    note_waiting(waiting_count_ - 1);
  }
  if (waiter.connection_ != nullptr) put_back(*waiter.group_, std::exchange(waiter.connection_, nullptr));
  waiter.reservation_ = {};
}

bool Pool::is_anyone_waiting(const Group& group, Side side) const { return !group.shelves[side].waiting.empty(); }

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

/// Gives the rights to open connections that have become free, in each queue to who came first.
void Pool::on_room() {
  for (const auto& [key, group] : groups_) {
    for (const Side side : routing::both_sides) {
      Shelf& shelf = group->shelves[side];
      while (!shelf.waiting.empty()) {
        ConnectionCounts::Reservation reservation = counts_.reserve(group->key, side, group->terms);
        if (!reservation) break;
        grant(shelf, nullptr, std::move(reservation));
      }
    }
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
  for (const auto& [key, group] : groups_) {
    for (const Side side : routing::both_sides) group->shelves[side].idle.clear();
  }
}

void Pool::arm_sweep() {
  if (is_sweep_armed_) return;
  is_sweep_armed_ = true;
  sweep_timer_->arm(surroundings_.loop.now() + sweep_interval);
}

void Pool::sweep() {
  is_sweep_armed_ = false;
  bool is_needed = false;
  const runtime::Instant now = surroundings_.loop.now();
  for (auto place = groups_.begin(); place != groups_.end();) {
    Group& group = *place->second;
    for (const Side side : routing::both_sides) {
      std::erase_if(group.shelves[side].idle, [&](const std::unique_ptr<Connection>& idle) {
        const bool is_idle_too_long = options_.idle_timeout.count() != 0 && now - idle->idle_since() > options_.idle_timeout;
        return is_idle_too_long || is_worn(*idle);
      });
      is_needed = is_needed || !group.shelves[side].idle.empty();
    }
    place = group.is_empty() ? groups_.erase(place) : std::next(place);
  }
  if (is_needed) arm_sweep();
}

}  // namespace proxy::backend
