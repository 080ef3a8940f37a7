#include "proxy/app.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace proxy {

using session::DrainOutcome;

namespace {

/// Collects the outcomes of all workers of a pair; the last one, or the first that was released, tells the whole.
class DrainCount {
 public:
  DrainCount(std::size_t worker_count, std::function<void(DrainOutcome)> on_end)
      : remaining_(worker_count), on_end_(std::move(on_end)) {}
  void note(DrainOutcome outcome) {
    if (outcome == DrainOutcome::released) {
      if (!is_over_.exchange(true)) on_end_(outcome);
    } else if (remaining_.fetch_sub(1) == 1 && !is_over_.exchange(true)) {
      on_end_(outcome);
    }
  }

 private:
  std::atomic<std::size_t> remaining_;
  std::atomic<bool> is_over_{false};
  std::function<void(DrainOutcome)> on_end_;
};

}  // namespace

/// Connections that nobody has on loan are closed once all is still: a server can then be shut down, and a database
/// dropped or copied.
admin::HoldChange App::hold(AppPair& pair, const routing::HoldScope& scope, std::function<void(DrainOutcome)> on_end) {
  const auto before = std::chrono::steady_clock::now();
  admin::HoldChange change;
  change.hold = pair.hold().publish([&](const routing::Hold& now) {
    return routing::with_hold(now, scope, routing::HoldClass::everything);
  });
  const auto count = std::make_shared<DrainCount>(
      workers_.size(), [this, &pair, on_end = std::move(on_end)](DrainOutcome outcome) {
        if (outcome == DrainOutcome::drained) {
          for (std::size_t i = 0; i < workers_.size(); ++i) {
            workers_[i]->loop().post([worker = &pair.worker(i)] { worker->close_idle_connections(); });
          }
        }
        if (on_end) on_end(outcome);
      });
  change.is_acknowledged_by_all = ask_workers([&pair, scope, count](std::size_t index) {
    pair.worker(index).watch_drain(scope, routing::HoldClass::everything,
                                   [count](DrainOutcome outcome) { count->note(outcome); });
  });
  change.acknowledged_after =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - before);
  return change;
}

admin::HoldChange App::release(AppPair& pair, const routing::HoldScope& scope) {
  const auto before = std::chrono::steady_clock::now();
  admin::HoldChange change;
  change.hold = pair.hold().publish([&](const routing::Hold& now) { return routing::without_hold(now, scope); });
  change.is_acknowledged_by_all = ask_workers([&pair](std::size_t index) { pair.worker(index).on_hold_change(); });
  change.acknowledged_after =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - before);
  return change;
}

protocol::Result<admin::HoldChange> App::pause(const std::string& name, const routing::HoldScope& scope) {
  const std::lock_guard lock(control_mutex_);
  if (auto refusal = refusal_of_changes()) return *refusal;
  AppPair* pair = find_pair(name);
  if (pair == nullptr) return unknown_pair(name);
  admin::HoldChange change = hold(*pair, scope, {});
  note_sessions(name, change);
  return change;
}

protocol::Result<admin::HoldChange> App::resume(const std::string& name, const routing::HoldScope& scope) {
  const std::lock_guard lock(control_mutex_);
  AppPair* pair = find_pair(name);
  if (pair == nullptr) return unknown_pair(name);
  admin::HoldChange change = release(*pair, scope);
  note_sessions(name, change);
  return change;
}

void App::note_sessions(const std::string& pair, admin::HoldChange& change) {
  const std::vector<admin::PairMetrics> counted = count();
  const auto place = std::ranges::find(counted, pair, &admin::PairMetrics::pair);
  if (place == counted.end()) return;
  change.sessions_working = place->sessions_working;
  change.sessions_held = place->sessions_held;
}

}  // namespace proxy
