#pragma once

#include "proxy/net/address.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace proxy::net {

/// Host names and their addresses, asked for on a thread of its own, so that no loop ever waits for a name
/// service. One for all workers; every function may be called from any thread.
class NameTable {
 public:
  using Addresses = std::shared_ptr<const std::vector<Address>>;
  /// Blocks; empty when the name is unknown or the service does not answer.
  using Resolve = std::function<std::vector<Address>(const std::string& name)>;

  static constexpr std::chrono::seconds refresh_interval{30};
  /// Names come from the configuration; this bounds a mistake.
  static constexpr std::size_t names_count_max = 1024;

  /// `resolve` replaces the system's name service, for tests.
  explicit NameTable(Resolve resolve = resolve_by_system, std::chrono::milliseconds interval = refresh_interval);
  /// Waits for a question under way: as long as the system's resolver takes.
  ~NameTable();
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  /// Asks now, on the calling thread; for start-up, before any loop runs. False: unknown as yet. It is
  /// refreshed from then on either way.
  bool add(const std::string& name);
  /// What is known of `name`, ports zero; null while nothing is. A name never seen is asked for in the
  /// background. Addresses that were known stay known while a refresh fails.
  [[nodiscard]] Addresses find(const std::string& name);

  /// getaddrinfo(), in its order of preference.
  [[nodiscard]] static std::vector<Address> resolve_by_system(const std::string& name);

 private:
  void refresh_for_ever();
  bool ask(const std::string& name);

  const Resolve resolve_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Addresses> entries_;  ///< under mutex_
  std::vector<std::string> asked_for_;        ///< under mutex_: names that find() did not know
  bool is_stopping_ = false;                  ///< under mutex_
  std::thread thread_;                        ///< last: uses all of the above
};

}  // namespace proxy::net
