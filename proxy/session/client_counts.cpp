#include "proxy/session/client_counts.hpp"

#include <utility>

namespace proxy::session {

namespace {

bool is_full(const ClientCounts::Counts& counts, const std::string& name, std::uint32_t max) {
  const auto place = counts.find(name);
  return max != 0 && place != counts.end() && place->second >= max;
}

void give_back_one(ClientCounts::Counts& counts, ClientCounts::Counts::iterator place) {
  if (--place->second == 0) counts.erase(place);
}

}  // namespace

ClientCounts::Place& ClientCounts::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  counts_ = std::exchange(other.counts_, nullptr);
  is_user_counted_ = other.is_user_counted_;
  is_database_counted_ = other.is_database_counted_;
  user_ = other.user_;
  database_ = other.database_;
  return *this;
}

void ClientCounts::Place::give_back() {
  if (ClientCounts* counts = std::exchange(counts_, nullptr)) counts->leave(*this);
}

ClientCounts::Outcome ClientCounts::admit(const Claim& claim, Place& place) {
  place.give_back();
  if (claim.user_max == 0 && claim.database_max == 0) return Outcome::admitted;
  const std::lock_guard lock(mutex_);
  if (is_full(users_, claim.user, claim.user_max)) return Outcome::user_full;
  if (is_full(databases_, claim.database, claim.database_max)) return Outcome::database_full;
  place.counts_ = this;
  place.is_user_counted_ = claim.user_max != 0;
  place.is_database_counted_ = claim.database_max != 0;
  if (place.is_user_counted_) ++(place.user_ = users_.try_emplace(claim.user, 0).first)->second;
  if (place.is_database_counted_) ++(place.database_ = databases_.try_emplace(claim.database, 0).first)->second;
  return Outcome::admitted;
}

void ClientCounts::leave(Place& place) {
  const std::lock_guard lock(mutex_);
  if (place.is_user_counted_) give_back_one(users_, place.user_);
  if (place.is_database_counted_) give_back_one(databases_, place.database_);
}

}  // namespace proxy::session
