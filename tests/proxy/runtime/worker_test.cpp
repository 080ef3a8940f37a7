#include "proxy/runtime/worker.hpp"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>

#include <future>
#include <string>
#include <thread>

using proxy::runtime::Worker;

TEST_CASE("worker: started, given work, stopped → start, work and end run on its own thread in that order") {
  Worker worker("test worker with a long name");
  std::string order;
  std::thread::id seen[3];
  worker.start(
      [&] {
        order += "s";
        seen[0] = std::this_thread::get_id();
      },
      [&] {
        order += "e";
        seen[2] = std::this_thread::get_id();
      });
  std::promise<std::string> name;
  worker.loop().post([&] {
    order += "w";
    seen[1] = std::this_thread::get_id();
    char buffer[16] = {};
    pthread_getname_np(pthread_self(), buffer, sizeof buffer);
    name.set_value(buffer);
  });
  CHECK(name.get_future().get() == "test worker wit");
  worker.stop();
  worker.join();
  CHECK(order == "swe");
  CHECK(seen[0] == seen[1]);
  CHECK(seen[1] == seen[2]);
  CHECK(seen[0] != std::this_thread::get_id());
  CHECK(worker.receive_scratch().size() == Worker::receive_scratch_bytes);
}

TEST_CASE("worker: its thread → takes no signals; the starting thread keeps its own mask") {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Worker worker("signals");
  std::promise<bool> is_blocked;
  worker.start([&] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    is_blocked.set_value(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGSEGV) == 0);
  });
  CHECK(is_blocked.get_future().get());
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  CHECK(sigismember(&before, SIGTERM) == sigismember(&after, SIGTERM));
}

TEST_CASE("worker: destroyed while running, and never started → joins, returns") {
  const Worker never("never");
  Worker running("running");
  running.start();
}
