#include "proxy/backend/connection_counts.hpp"

#include <utility>

namespace proxy::backend {

ConnectionCounts::Reservation& ConnectionCounts::Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  counts_ = std::exchange(other.counts_, nullptr);
  pool_ = std::move(other.pool_);
  side_ = other.side_;
  return *this;
}

void ConnectionCounts::Reservation::give_back() {
  if (ConnectionCounts* counts = std::exchange(counts_, nullptr)) counts->give_back(*pool_, side_);
}

ConnectionCounts::Reservation ConnectionCounts::reserve(const std::shared_ptr<const std::string>& pool,
                                                        routing::Side side, const ConnectionTerms& terms) {
  const std::lock_guard lock(mutex_);
  if (limits_.per_side != 0 && sides_[side] >= limits_.per_side) return {};
  std::uint32_t& count = pools_[*pool][side];
  if (terms.pool_max != 0 && count >= terms.pool_max) return {};
  ++count;
  ++sides_[side];
  return Reservation(*this, pool, side);
}

void ConnectionCounts::give_back(const std::string& pool, routing::Side side) {
  {
    const std::lock_guard lock(mutex_);
    --sides_[side];
    const auto place = pools_.find(pool);
    --place->second[side];
    if (place->second[routing::Side::blue] == 0 && place->second[routing::Side::green] == 0) pools_.erase(place);
  }
  if (!is_anyone_short()) return;
  for (const Ears& worker : workers_) worker.on_room();
}

std::size_t ConnectionCounts::add_worker(Ears ears) {
  workers_.push_back(std::move(ears));
  return workers_.size() - 1;
}

void ConnectionCounts::ask_others(std::size_t asking, const std::vector<Need>& needs) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (i != asking) workers_[i].on_shortage(needs);
  }
}

}  // namespace proxy::backend
