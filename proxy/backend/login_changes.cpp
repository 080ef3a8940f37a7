#include "proxy/backend/login_changes.hpp"

namespace proxy::backend {

void LoginChanges::note(const std::vector<protocol::LoginChange>& changes) {
  const std::lock_guard lock(mutex_);
  for (const protocol::LoginChange& change : changes) {
    remembered_.push_back(change);
    if (remembered_.size() > remembered_max) remembered_.pop_front();
  }
  epoch_.fetch_add(changes.size(), std::memory_order_release);
}

std::uint64_t LoginChanges::heed_since(std::uint64_t epoch, const Heed& heed) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t now = epoch_.load(std::memory_order_relaxed);
  const std::uint64_t missed = now - epoch;
  if (missed > remembered_.size()) {
    heed({}, now);
    return now;
  }
  for (std::size_t i = remembered_.size() - static_cast<std::size_t>(missed); i < remembered_.size(); ++i) heed(remembered_[i], now);
  return now;
}

}  // namespace proxy::backend
