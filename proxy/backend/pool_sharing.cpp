#include "proxy/backend/award.hpp"
#include "proxy/backend/pool.hpp"
#include "proxy/backend/pool_group.hpp"

#include <utility>

namespace proxy::backend {

using routing::Side;

namespace {

/// While sessions of a group wait here, those elsewhere are thought of this often, not with each connection.
constexpr std::chrono::milliseconds check_interval{5};

}  // namespace

bool Pool::is_anyone_waiting(const Group& group, Side side) const {
  const Shelf& shelf = group.shelves[side];
  if (!shelf.waiting.empty()) return true;
  return counts_.has_rivals(side, nullptr) && surroundings_.loop.now() >= shelf.next_check;
}

/// A connection that has become idle goes to sessions of other workers and pools when it is their turn.
bool Pool::try_give_others(Group& group, std::unique_ptr<Connection>& connection) {
  const Side side = connection->side();
  Shelf& shelf = group.shelves[side];
  if (!counts_.has_rivals(side, shelf.need.get())) return false;
  const runtime::Instant now = connection->idle_since();
  if (!shelf.waiting.empty() && now < shelf.next_check) return false;
  shelf.next_check = now + check_interval;
  const NeedPointer need = counts_.yield(connection->reservation(), shelf.need.get(), now);
  if (need == nullptr) return false;
  give(std::move(connection), need, *group.identity);
  return true;
}

/// The connection itself where it can be of use, else the room that it took.
void Pool::give(std::unique_ptr<Connection> connection, const NeedPointer& need, const PoolIdentity& pool) {
  auto award = std::make_shared<Award>();
  award->need = need;
  if (need->pool->key == pool.key) award->parcel = Connection::pack(*connection);
  if (!award->parcel) award->reservation = std::move(connection->reservation());
  connection.reset();
  counts_.deliver(std::move(award), *need);
}

void Pool::receive(Award& award) {
  --award.need->promised_count;
  const auto place = groups_.find(award.need->pool->key);
  if (place == groups_.end()) return;
  Group& group = *place->second;
  Shelf& shelf = group.shelves[award.need->side];
  if (award.parcel) {
    auto connection = std::make_unique<Connection>(surroundings_, std::move(*award.parcel), static_cast<Keeper&>(*this));
    heed_login_changes();
    if (!is_retired(group, *connection)) hand_over(group, std::move(connection));
  } else if (!shelf.waiting.empty()) {
    grant(shelf, nullptr, std::move(award.reservation), surroundings_.loop.now());
  }
  // While this was on its way the others took the need for met.
  if (shelf.need != nullptr) counts_.ask(shelf.need);
}

/// Sessions elsewhere have begun to wait.
void Pool::offer_idle(const NeedPointer& need) {
  const auto offer = [&](Group& group) {
    std::vector<std::unique_ptr<Connection>>& idle = group.shelves[need->side].idle;
    while (!idle.empty()) {
      if (!counts_.yield_to(idle.front()->reservation(), *need)) return;
      std::unique_ptr<Connection> connection = std::move(idle.front());
      idle.erase(idle.begin());
      give(std::move(connection), need, *group.identity);
    }
  };
  const auto own = groups_.find(need->pool->key);
  if (own != groups_.end()) offer(*own->second);
  if (!counts_.is_sharing_room(*need->pool)) return;
  for (const auto& [key, group] : groups_) offer(*group);
}

/// An idle connection of another group is closed where that makes room for one of this one.
ConnectionCounts::Reservation Pool::take_room_of_idle(Group& group, Side side) {
  if (!counts_.is_sharing_room(*group.identity)) return {};
  for (const auto& [key, other] : groups_) {
    std::vector<std::unique_ptr<Connection>>& idle = other->shelves[side].idle;
    if (idle.empty() || !counts_.pass_on(idle.front()->reservation(), group.identity, worker_number_)) continue;
    ConnectionCounts::Reservation reservation = std::move(idle.front()->reservation());
    idle.erase(idle.begin());
    return reservation;
  }
  return {};
}

}  // namespace proxy::backend
