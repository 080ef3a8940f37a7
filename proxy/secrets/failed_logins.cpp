#include "proxy/secrets/failed_logins.hpp"

#include <algorithm>

namespace proxy::secrets {

FailedLogins::Key FailedLogins::key_of(const routing::ClientAddress& address, std::string_view user) {
  constexpr std::size_t network_bytes = 8;
  routing::ClientAddress masked = address;
  const bool is_ipv4_or_local = std::all_of(masked.begin(), masked.begin() + network_bytes, [](auto byte) { return byte == 0; });
  if (!is_ipv4_or_local) std::fill(masked.begin() + network_bytes, masked.end(), std::uint8_t{0});
  return {masked, std::string(user)};
}

std::chrono::milliseconds FailedLogins::note_failure(const routing::ClientAddress& address, std::string_view user,
                                                     runtime::Instant now) {
  const std::lock_guard lock(mutex_);
  drop_old(now);
  const Key key = key_of(address, user);
  Entry& entry = entries_[key];
  keys_by_age_.erase(entry.number);
  const std::uint32_t count = ++entry.count;
  entry.last = now;
  entry.number = ++failure_count_;
  keys_by_age_.emplace(entry.number, key);
  if (entries_.size() > options_.entries_max) {
    const auto oldest = keys_by_age_.begin();
    entries_.erase(oldest->second);
    keys_by_age_.erase(oldest);
  }
  // Beyond twenty doublings every delay is at its maximum.
  const std::uint32_t doublings = std::min(count - 1, 20U);
  return std::min(options_.delay_max, options_.delay_first * (std::int64_t{1} << doublings));
}

bool FailedLogins::is_barred(const routing::ClientAddress& address, std::string_view user, runtime::Instant now) {
  const std::lock_guard lock(mutex_);
  if (options_.failures_max == 0) return false;
  drop_old(now);
  const auto place = entries_.find(key_of(address, user));
  return place != entries_.end() && place->second.count >= options_.failures_max;
}

void FailedLogins::set_options(Options options) {
  const std::lock_guard lock(mutex_);
  options_ = options;
}

void FailedLogins::drop_old(runtime::Instant now) {
  while (!keys_by_age_.empty()) {
    const auto oldest = keys_by_age_.begin();
    const auto place = entries_.find(oldest->second);
    if (place->second.last + options_.forget_after > now) return;
    entries_.erase(place);
    keys_by_age_.erase(oldest);
  }
}

std::size_t FailedLogins::entry_count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace proxy::secrets
