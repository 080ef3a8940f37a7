#pragma once

#include "proxy/mirror/desk.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace proxy::mirror {

/// Reads that wait until the follower has what their session wrote last (`causal_wait`). A session has one at most, so there are
/// never more than clients. Not thread safe.
class WaitingReads {
 public:
  using Ticket = std::uint64_t;  ///< 0: none
  using WhenDue = std::function<void()>;

  [[nodiscard]] Ticket add(CommitSequence position, WhenDue when_due) {
    const Ticket ticket = ++last_ticket_;
    waiting_.emplace(Key{position, ticket}, std::move(when_due));
    positions_.emplace(ticket, position);
    return ticket;
  }
  /// False: it does not wait any more.
  bool remove(Ticket ticket) {
    const auto found = positions_.find(ticket);
    if (found == positions_.end()) return false;
    waiting_.erase(Key{found->second, ticket});
    positions_.erase(found);
    return true;
  }
  /// Those whose position the follower has, all that is up to `through`.
  [[nodiscard]] std::vector<WhenDue> take_due(CommitSequence through) {
    std::vector<WhenDue> due;
    while (!waiting_.empty() && waiting_.begin()->first.first <= through) {
      positions_.erase(waiting_.begin()->first.second);
      due.push_back(std::move(waiting_.begin()->second));
      waiting_.erase(waiting_.begin());
    }
    return due;
  }
  [[nodiscard]] bool empty() const { return waiting_.empty(); }

 private:
  using Key = std::pair<CommitSequence, Ticket>;
  std::map<Key, WhenDue> waiting_;
  std::map<Ticket, CommitSequence> positions_;
  Ticket last_ticket_ = 0;
};

}  // namespace proxy::mirror
