#pragma once

#include "proxy/cli/demo/file_descriptor.hpp"

#include <signal.h>

#include <chrono>
#include <string>
#include <vector>

namespace proxy::cli {

using DemoClock = std::chrono::steady_clock;

/// Turns SIGINT, SIGTERM and SIGHUP into a value that is looked at where it is safe to stop. From its
/// construction to its end they are blocked in this thread and in every thread started meanwhile.
class StopSignals {
 public:
  /// Throws DemoFailure.
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  /// Waits until `descriptor` is readable (true) or the deadline has passed (false). With -1 it only waits.
  /// Throws Interrupted as soon as a stop signal arrives.
  bool wait_readable(int descriptor, DemoClock::time_point deadline);
  /// Throws Interrupted if a stop signal has arrived.
  void check();

  /// A process whose end ends the demo. `descriptor` is a pidfd, loaned until unwatch_all().
  void watch(int descriptor, std::string name);
  void unwatch_all() { watched_.clear(); }
  /// Waits for the deadline. Throws Interrupted, or DemoFailure when a watched process ends first.
  void wait_until(DemoClock::time_point deadline);

 private:
  struct Watched {
    int descriptor;
    std::string name;
  };

  FileDescriptor signals_;
  sigset_t mask_before_{};
  std::vector<Watched> watched_;
};

}  // namespace proxy::cli
