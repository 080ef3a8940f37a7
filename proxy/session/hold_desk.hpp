#pragma once

#include "proxy/session/hold_publisher.hpp"
#include "routing/hold.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <unordered_set>
#include <vector>

namespace proxy::session {

class Session;

/// How the wait for a drain ends.
enum class DrainOutcome : std::uint8_t {
  drained,   ///< nobody in scope works any more, and nobody begins to
  released,  ///< the hold was taken back first
};

/// One worker's view of its pair's hold: what is held, who waits for the release, and who still works although held.
///
///     a change is published → no session begins what is held (one atomic load per batch)
///     watch() on every worker → called back once each session in scope has come to a boundary
///     another change, on_change() on every worker → whoever waits judges again, in order of arrival
class HoldDesk {
 public:
  using OnDrained = std::function<void(DrainOutcome)>;
  /// A wish to be told, on the worker's loop and once, that everybody in scope is at a boundary.
  struct Watch {
    routing::HoldScope scope;
    routing::HoldClass hold_class;
    std::unordered_set<Session*> working;  ///< the sessions in scope that are not at a boundary now
    OnDrained on_drained;
  };

  explicit HoldDesk(const HoldPublisher& publisher) : publisher_(publisher), hold_(publisher.snapshot()) {}
  HoldDesk(const HoldDesk&) = delete;
  HoldDesk& operator=(const HoldDesk&) = delete;

  /// The hold in force; null while nothing is held at all.
  [[nodiscard]] const routing::Hold* in_force() {
    if (publisher_.epoch() != hold_->epoch) hold_ = publisher_.snapshot();
    return hold_->is_empty() ? nullptr : hold_.get();
  }
  [[nodiscard]] std::uint64_t epoch() const { return publisher_.epoch(); }

  void enter(Session& session) { waiting_.push_back(&session); }
  /// Also of a session that does not wait.
  void leave(Session& session) { waiting_.remove(&session); }
  [[nodiscard]] std::size_t waiting_count() const { return waiting_.size(); }
  /// The hold has changed: whoever waits judges again.
  void on_change();
  void watch(Watch watch);
  [[nodiscard]] bool is_watching() const { return !watches_.empty(); }
  /// A session has come to a boundary, or to its end (`everything`), or to where it only reads (`writes`).
  void note_boundary(Session& session, routing::HoldClass hold_class);

 private:
  const HoldPublisher& publisher_;
  routing::HoldSnapshot hold_;
  std::list<Session*> waiting_;  ///< in order of arrival
  std::vector<Watch> watches_;
};

}  // namespace proxy::session
