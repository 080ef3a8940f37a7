#include "proxy/runtime/worker.hpp"

#include <pthread.h>
#include <signal.h>

#include <cassert>
#include <utility>

namespace proxy::runtime {

namespace {

/// Signals are for the main thread; a worker keeps only those that report its own faults.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Worker::Worker(std::string name)
    : name_(std::move(name)), scratch_(std::make_unique_for_overwrite<std::byte[]>(receive_scratch_bytes)) {}

Worker::~Worker() {
  stop();
  join();
}

void Worker::start(std::function<void()> on_start, std::function<void()> on_end) {
  assert(!thread_.joinable() && "a worker starts once");
  const SignalsBlocked inherited_by_the_thread;
  thread_ = std::thread([this, on_start = std::move(on_start), on_end = std::move(on_end)] { run(on_start, on_end); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run(const std::function<void()>& on_start, const std::function<void()>& on_end) {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  if (on_start) on_start();
  loop_.run();
  if (on_end) on_end();
}

}  // namespace proxy::runtime
