#pragma once

#include "proxy/cli/demo/file_descriptor.hpp"
#include "proxy/cli/demo/load_client.hpp"

#include <atomic>
#include <thread>

namespace proxy::cli {

/// Drives all clients of the demo from one thread of its own, so that every transaction's latency, error and
/// lost connection is seen exactly.
class LoadDriver {
 public:
  /// Starts at once. `ledger` must outlive this object. Throws DemoFailure.
  LoadDriver(LoadOptions options, LoadLedger& ledger);
  LoadDriver(const LoadDriver&) = delete;
  LoadDriver& operator=(const LoadDriver&) = delete;
  /// Like finish().
  ~LoadDriver();

  /// Lets every transaction under way end, then closes all connections. Bounded by the clients' own time limit.
  void finish();

 private:
  void run();
  [[nodiscard]] bool is_finishing() const { return is_finishing_.load(std::memory_order_relaxed); }

  LoadOptions options_;
  LoadLedger& ledger_;
  FileDescriptor wake_;  ///< an eventfd: written once, by finish()
  std::atomic<bool> is_finishing_{false};
  std::thread thread_;
};

}  // namespace proxy::cli
