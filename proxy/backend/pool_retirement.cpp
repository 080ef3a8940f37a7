#include "proxy/backend/pool.hpp"
#include "proxy/backend/pool_group.hpp"

// Connections that are not any more what a new one would be: what a role or a database gives to its sessions was changed.
namespace proxy::backend {

using routing::Side;

void Pool::note_login_changes(const std::vector<protocol::LoginChange>& changes) {
  if (surroundings_.login_changes == nullptr) return;
  surroundings_.login_changes->note(changes);
  heed_login_changes();
}

/// Before anything is lent or kept: what was noted on another worker is heeded here from the next use on.
void Pool::heed_login_changes() {
  const LoginChanges* changes = surroundings_.login_changes;
  if (changes == nullptr || changes->epoch() == heeded_epoch_) return;
  heeded_epoch_ = changes->heed_since(heeded_epoch_, [this](const protocol::LoginChange& change, std::uint64_t now) { retire(change, now); });
}

void Pool::retire(const protocol::LoginChange& change, std::uint64_t epoch) {
  for (const auto& [key, group] : groups_) {
    if (group->login == nullptr) continue;
    if (!change.database.empty() && change.database != group->login->database) continue;
    const auto is_concerned = [&](Side side) {
      return change.role.empty() || surroundings_.credentials.credentials_for(*group->login, side).user == change.role;
    };
    if (!is_concerned(Side::blue) && !is_concerned(Side::green)) continue;
    group->login_epoch_min = epoch;
    for (const Side side : routing::both_sides) {
      group->shelves[side].trouble->retry_at = {};  // the role may be there now
      std::erase_if(group->shelves[side].idle,
                    [&](const std::unique_ptr<Connection>& idle) { return is_retired(*group, *idle); });
    }
  }
}

bool Pool::is_retired(const Group& group, const Connection& connection) { return connection.login_epoch() < group.login_epoch_min; }

}  // namespace proxy::backend
