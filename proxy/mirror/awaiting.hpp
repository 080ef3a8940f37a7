#pragma once

#include "proxy/mirror/desk.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace proxy::mirror {

/// Those whose clients are answered when the follower has their unit. Who gives up several times in a row shows that
/// waiting is no use: then nobody waits any more, until the follower keeps up again. Time is passed in; not thread safe.
class Awaiting {
 public:
  using Clock = std::chrono::steady_clock;
  using WhenApplied = std::function<void(bool)>;

  Awaiting(std::chrono::milliseconds timeout, std::uint32_t failures_max) : timeout_(timeout), failures_max_(failures_max) {}

  [[nodiscard]] bool is_worth_it() const { return failures_ < failures_max_; }
  void add(CommitSequence sequence, Clock::time_point now, WhenApplied when_applied) {
    waiting_[sequence] = {now + timeout_, std::move(when_applied)};
  }
  /// The follower has it: who is to be told so. `age` is how long it took.
  [[nodiscard]] WhenApplied take(CommitSequence sequence, std::chrono::milliseconds age) {
    if (age <= timeout_) failures_ = 0;
    const auto found = waiting_.find(sequence);
    if (found == waiting_.end()) return nullptr;
    WhenApplied when_applied = std::move(found->second.when_applied);
    waiting_.erase(found);
    return when_applied;
  }
  struct Late {
    CommitSequence sequence = 0;
    WhenApplied when_applied;
  };
  /// Whose time is over.
  [[nodiscard]] std::vector<Late> take_late(Clock::time_point now) {
    std::vector<Late> late;
    for (auto place = waiting_.begin(); place != waiting_.end();) {
      if (place->second.deadline > now) {
        ++place;
        continue;
      }
      late.push_back({place->first, std::move(place->second.when_applied)});
      place = waiting_.erase(place);
      if (failures_ < failures_max_) ++failures_;
    }
    return late;
  }
  /// When take_late() has something to do; nothing: nobody waits.
  [[nodiscard]] std::optional<Clock::time_point> next_deadline() const {
    std::optional<Clock::time_point> next;
    for (const auto& [sequence, each] : waiting_) next = std::min(next.value_or(each.deadline), each.deadline);
    return next;
  }
  [[nodiscard]] std::vector<Late> take_all() { return take_late(Clock::time_point::max()); }

 private:
  struct Waiting {
    Clock::time_point deadline;
    WhenApplied when_applied;
  };
  std::chrono::milliseconds timeout_;
  std::uint32_t failures_max_;
  std::uint32_t failures_ = 0;
  std::map<CommitSequence, Waiting> waiting_;
};

}  // namespace proxy::mirror
