#pragma once

#include "proxy/catalogue/load_catalogue.hpp"

#include <chrono>
#include <compare>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace proxy::catalogue {

struct CatalogueKey {
  std::string pair;
  std::string database;
  std::string server = {};  ///< which of those that have it; any word
  auto operator<=>(const CatalogueKey&) const = default;
};

/// Keeps catalogues fresh on a thread of its own: a database is loaded at once when it is first asked for,
/// then again after every interval and soon after somebody says that its schema changed.
class CatalogueRefresher {
 public:
  struct Options {
    std::string query;  ///< what is run; see load_catalogue
    std::chrono::milliseconds interval{60'000};
    /// Between two loads of one database, however often a refresh is asked for.
    std::chrono::milliseconds pause_min{1'000};
    /// After a load that failed.
    std::chrono::milliseconds retry_pause{5'000};
    std::chrono::milliseconds load_timeout{10'000};
    /// Databases of servers beyond this number are not loaded: clients choose the names.
    std::size_t databases_max = 128;
  };
  using Rows = std::vector<protocol::CatalogueRow>;
  /// Called on the refresher's thread after every load, rows or error. Must not call back into the
  /// refresher's destructor; may call everything else.
  using OnLoaded = std::function<void(const CatalogueKey&, protocol::Result<Rows>)>;
  /// Replaces load_catalogue in tests.
  using Loader = std::function<protocol::Result<Rows>(const CatalogueSource&, const std::stop_token&)>;

  enum class Demand { scheduled, known, refused };

  CatalogueRefresher(Options options, OnLoaded on_loaded);
  CatalogueRefresher(Options options, OnLoaded on_loaded, Loader loader);
  CatalogueRefresher(const CatalogueRefresher&) = delete;
  CatalogueRefresher& operator=(const CatalogueRefresher&) = delete;
  /// Stops a load under way and joins.
  ~CatalogueRefresher();

  /// Loads `key` from `source` at once if it is new or its source has changed. refused: databases_max is
  /// reached.
  Demand demand(const CatalogueKey& key, const CatalogueSource& source);
  /// The schema of `key` changed: loads it as soon as pause_min allows. Unknown keys are ignored.
  void request_refresh(const CatalogueKey& key);
  /// How often from now on; and where, for every database whose source `revise` changes, which is then loaded at once.
  void reconfigure(std::chrono::milliseconds interval, const std::function<void(const CatalogueKey&, CatalogueSource&)>& revise);
  /// No longer wanted.
  void forget(const CatalogueKey& key);

 private:
  using Clock = std::chrono::steady_clock;

  struct Entry {
    CatalogueSource source;
    Clock::time_point due;
    Clock::time_point started;      ///< of the last load
    bool is_changed_since = false;  ///< a refresh was asked for while a load was under way
  };

  void run(const std::stop_token& stop);
  /// The entry that is due first; null if there is none.
  [[nodiscard]] std::map<CatalogueKey, Entry>::iterator find_next();
  void load(std::unique_lock<std::mutex>& lock, const CatalogueKey& key, const std::stop_token& stop);

  Options options_;
  OnLoaded on_loaded_;
  Loader loader_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<CatalogueKey, Entry> entries_;
  std::jthread thread_;  ///< last: it uses all of the above
};

}  // namespace proxy::catalogue
