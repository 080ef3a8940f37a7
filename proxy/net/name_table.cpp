#include "proxy/net/name_table.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace proxy::net {

NameTable::NameTable(Resolve resolve, std::chrono::milliseconds interval)
    : resolve_(std::move(resolve)), interval_(interval), thread_([this] { refresh_for_ever(); }) {}

NameTable::~NameTable() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool NameTable::add(const std::string& name) { return ask(name); }

NameTable::Addresses NameTable::find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(name);
  if (entry != entries_.end()) return entry->second;
  if (entries_.size() >= names_count_max) return nullptr;
  entries_.emplace(name, nullptr);
  asked_for_.push_back(name);
  changed_.notify_all();
  return nullptr;
}

bool NameTable::ask(const std::string& name) {
  std::vector<Address> found = resolve_(name);
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= names_count_max && !entries_.contains(name)) return false;
  Addresses& known = entries_[name];
  if (!found.empty()) known = std::make_shared<const std::vector<Address>>(std::move(found));
  return known != nullptr;
}

void NameTable::refresh_for_ever() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    changed_.wait_for(lock, interval_, [this] { return is_stopping_ || !asked_for_.empty(); });
    std::vector<std::string> names = std::exchange(asked_for_, {});
    if (names.empty()) {
      for (const auto& [name, addresses] : entries_) names.push_back(name);
    }
    for (const std::string& name : names) {
      if (is_stopping_) return;
      lock.unlock();
      ask(name);
      lock.lock();
    }
  }
}

std::vector<Address> NameTable::resolve_by_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return {};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);

  std::vector<Address> result;
  for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
    if (item->ai_family != AF_INET && item->ai_family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, item->ai_addr, std::min<std::size_t>(item->ai_addrlen, sizeof storage));
    const Address address = Address::from_sockaddr(storage);
    if (std::find(result.begin(), result.end(), address) == result.end()) result.push_back(address);
  }
  return result;
}

}  // namespace proxy::net
