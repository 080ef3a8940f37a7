#include "proxy/catalogue/refresher.hpp"

#include <algorithm>
#include <utility>

namespace proxy::catalogue {

CatalogueRefresher::CatalogueRefresher(Options options, OnLoaded on_loaded)
    : CatalogueRefresher(options, std::move(on_loaded),
                         [query = options.query, timeout = options.load_timeout](
                             const CatalogueSource& source, const std::stop_token& stop) {
                           return load_catalogue(source, source.query.empty() ? query : source.query, timeout, stop);
                         }) {}

CatalogueRefresher::CatalogueRefresher(Options options, OnLoaded on_loaded, Loader loader)
    : options_(std::move(options)), on_loaded_(std::move(on_loaded)), loader_(std::move(loader)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

CatalogueRefresher::~CatalogueRefresher() = default;

CatalogueRefresher::Demand CatalogueRefresher::demand(const CatalogueKey& key,
                                                      const CatalogueSource& source) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end() && found->second.source == source) return Demand::known;
  if (found == entries_.end() && entries_.size() >= options_.databases_max) return Demand::refused;
  entries_[key] = Entry{source, Clock::now(), Clock::time_point::min(), false};
  changed_.notify_one();
  return Demand::scheduled;
}

void CatalogueRefresher::request_refresh(const CatalogueKey& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.is_changed_since = true;
  if (entry.started != Clock::time_point::min())
    entry.due = std::min(entry.due, entry.started + options_.pause_min);
  changed_.notify_one();
}

void CatalogueRefresher::reconfigure(std::chrono::milliseconds interval,
                                     const std::function<void(const CatalogueKey&, CatalogueSource&)>& revise) {
  const std::lock_guard lock(mutex_);
  options_.interval = interval;
  for (auto& [key, entry] : entries_) {
    CatalogueSource revised = entry.source;
    revise(key, revised);
    entry.due = std::min(entry.due, Clock::now() + interval);
    if (revised == entry.source) continue;
    entry = Entry{revised, Clock::now(), Clock::time_point::min(), false};
  }
  changed_.notify_one();
}

void CatalogueRefresher::forget(const CatalogueKey& key) {
  const std::lock_guard lock(mutex_);
  entries_.erase(key);
}

std::map<CatalogueKey, CatalogueRefresher::Entry>::iterator CatalogueRefresher::find_next() {
  return std::min_element(entries_.begin(), entries_.end(),
                          [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
}

void CatalogueRefresher::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto next = find_next();
    if (next == entries_.end()) {
      changed_.wait(lock, stop, [this] { return !entries_.empty(); });
    } else if (const Clock::time_point due = next->second.due; due > Clock::now()) {
      changed_.wait_until(lock, stop, due,
                          [this, due] { return entries_.empty() || find_next()->second.due < due; });
    } else {
      load(lock, CatalogueKey(next->first), stop);
    }
  }
}

void CatalogueRefresher::load(std::unique_lock<std::mutex>& lock, const CatalogueKey& key,
                              const std::stop_token& stop) {
  Entry& begun = entries_[key];
  const CatalogueSource source = begun.source;
  begun.started = Clock::now();
  begun.due = begun.started + options_.interval;
  begun.is_changed_since = false;
  lock.unlock();
  protocol::Result<Rows> rows = loader_(source, stop);
  const bool has_failed = !rows;
  if (!stop.stop_requested()) on_loaded_(key, std::move(rows));
  lock.lock();
  const auto found = entries_.find(key);
  // Forgotten or given another source meanwhile: whatever is due is due already.
  if (found == entries_.end() || !(found->second.source == source)) return;
  Entry& entry = found->second;
  const Clock::time_point now = Clock::now();
  // What began before the change may not show it.
  if (entry.is_changed_since) {
    entry.due = std::max(now, entry.started + options_.pause_min);
  } else {
    entry.due = now + (has_failed ? options_.retry_pause : options_.interval);
  }
}

}  // namespace proxy::catalogue
