#include "proxy/cli/demo/stop_signals.hpp"

#include "proxy/cli/demo/failure.hpp"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>

namespace proxy::cli {
namespace {

sigset_t stop_set() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

/// Rounded up, so that a wait never ends before its deadline and then spins.
int milliseconds_until(DemoClock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - DemoClock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = stop_set();
  if (::pthread_sigmask(SIG_BLOCK, &set, &mask_before_) != 0) throw DemoFailure("cannot block signals");
  signals_ = FileDescriptor(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_.is_open()) throw DemoFailure("no signalfd on this system");
}

StopSignals::~StopSignals() {
  // A second Ctrl-C during the clean-up must not kill the process now that everything is done.
  signalfd_siginfo information{};
  while (::read(signals_.get(), &information, sizeof information) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void StopSignals::check() {
  signalfd_siginfo information{};
  if (::read(signals_.get(), &information, sizeof information) > 0) {
    throw Interrupted(static_cast<int>(information.ssi_signo));
  }
}

bool StopSignals::wait_readable(int descriptor, DemoClock::time_point deadline) {
  for (;;) {
    pollfd waits[2] = {{signals_.get(), POLLIN, 0}, {descriptor, POLLIN, 0}};
    const int ready = ::poll(waits, 2, milliseconds_until(deadline));
    check();
    if (ready > 0 && waits[1].revents != 0) return true;
    if (ready == 0 && DemoClock::now() >= deadline) return false;
    if (ready < 0 && errno != EINTR) throw DemoFailure("poll failed");
  }
}

void StopSignals::watch(int descriptor, std::string name) { watched_.push_back({descriptor, std::move(name)}); }

void StopSignals::wait_until(DemoClock::time_point deadline) {
  std::vector<pollfd> waits;
  waits.push_back({signals_.get(), POLLIN, 0});
  for (const Watched& one : watched_) waits.push_back({one.descriptor, POLLIN, 0});
  for (;;) {
    const int ready = ::poll(waits.data(), waits.size(), milliseconds_until(deadline));
    check();
    for (std::size_t i = 0; ready > 0 && i < watched_.size(); ++i) {
      if (waits[i + 1].revents != 0) throw DemoFailure(watched_[i].name + " ended unexpectedly");
    }
    if (ready == 0 && DemoClock::now() >= deadline) return;
    if (ready < 0 && errno != EINTR) throw DemoFailure("poll failed");
  }
}

}  // namespace proxy::cli
