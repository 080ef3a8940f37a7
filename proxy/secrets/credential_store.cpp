#include "proxy/secrets/credential_store.hpp"

#include <utility>

namespace proxy::secrets {

void CredentialStore::keep(const std::string& user, protocol::LoginProofPointer proof) {
  if (proof == nullptr) return;
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= users_max_ && !entries_.contains(user)) displace_oldest();
  Entry& entry = entries_[user];
  users_by_login_.erase(entry.last_login);
  entry = Entry{std::move(proof), ++login_count_};
  users_by_login_.emplace(entry.last_login, user);
}

void CredentialStore::displace_oldest() {
  const auto oldest = users_by_login_.begin();
  entries_.erase(oldest->second);
  users_by_login_.erase(oldest);
}

protocol::LoginProofPointer CredentialStore::find(std::string_view user) const {
  const std::lock_guard lock(mutex_);
  const auto place = entries_.find(user);
  return place == entries_.end() ? nullptr : place->second.proof;
}

void CredentialStore::forget(std::string_view user) {
  const std::lock_guard lock(mutex_);
  const auto place = entries_.find(user);
  if (place == entries_.end()) return;
  users_by_login_.erase(place->second.last_login);
  entries_.erase(place);
}

std::size_t CredentialStore::user_count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace proxy::secrets
