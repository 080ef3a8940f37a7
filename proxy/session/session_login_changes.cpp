#include "proxy/session/session.hpp"

// What a statement changes for logins to come: pooled connections whose login lies before it are not lent again.
namespace proxy::session {

namespace {

/// A transaction that changes more roles than this is taken to change everybody.
constexpr std::size_t login_changes_max = 16;

}  // namespace

void Session::add_login_changes(const std::vector<protocol::LoginChange>& changes) {
  login_changes_.insert(login_changes_.end(), changes.begin(), changes.end());
  if (login_changes_.size() > login_changes_max) login_changes_.assign(1, {});
}

/// Before the client hears that it is committed: whoever connects after that, here or on another worker, is given nothing older.
void Session::note_login_changes(routing::Side side) {
  const protocol::BackendHalf& half = links_[side]->half();
  if (half.is_transaction_open()) return;
  environment_.pool.note_login_changes(login_changes_);
  if (half.is_at_boundary()) login_changes_.clear();  // otherwise some of them may be under way yet
}

}  // namespace proxy::session
