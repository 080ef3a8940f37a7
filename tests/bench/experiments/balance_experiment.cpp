// How evenly do two workers share their clients? SO_REUSEPORT, where the kernel hashes addresses, against one
// listener that deals accepted sockets out in turn. Prints the busier worker's share: mean and worst of many
// trials; 50 % is perfect.

#include "proxy/net/listener.hpp"
#include "proxy/runtime/worker.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <condition_variable>
#include <vector>

namespace {

using namespace proxy::net;
using proxy::runtime::Worker;

/// Connections by worker, and a way to wait for all of them.
class Tally {
 public:
  void count(std::size_t worker) {
    const std::lock_guard lock(mutex_);
    ++counts_[worker];
    changed_.notify_one();
  }
  std::size_t wait_for(std::size_t total) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return counts_[0] + counts_[1] == total; });
    return std::max(std::exchange(counts_[0], 0), std::exchange(counts_[1], 0));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::size_t, 2> counts_{};
};

/// Runs `work` on the worker and waits for it.
void on_worker(Worker& worker, const std::function<void()>& work) {
  std::promise<void> is_done;
  worker.loop().post([&] {
    work();
    is_done.set_value();
  });
  is_done.get_future().wait();
}

std::size_t busiest_of_trial(Tally& tally, std::uint16_t port, std::size_t clients_count) {
  sockaddr_storage storage{};
  const socklen_t length = Address::parse("127.0.0.1", port)->to_sockaddr(storage);
  std::vector<FileDescriptor> clients;
  for (std::size_t i = 0; i < clients_count; ++i) {
    clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(clients.back().get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) std::abort();
  }
  return tally.wait_for(clients_count);
}

void measure(const char* name, PortSharing sharing, std::size_t clients_count, int trials) {
  std::array<Worker, 2> workers{Worker("balance 0"), Worker("balance 1")};
  for (Worker& worker : workers) worker.start();
  Tally tally;
  std::array<std::unique_ptr<Listener>, 2> listeners;
  ListenerOptions options;
  options.endpoint = {"127.0.0.1", 0};
  options.sharing = sharing;
  const auto counted_by = [&tally](std::size_t worker) {
    return [&tally, worker](std::unique_ptr<Stream>, const Address&) { tally.count(worker); };
  };
  on_worker(workers[0], [&] {
    std::vector<Listener::Target> targets;
    targets.push_back({&workers[0].loop(), counted_by(0)});
    if (sharing == PortSharing::exclusive) targets.push_back({&workers[1].loop(), counted_by(1)});
    auto opened = Listener::open(workers[0].loop(), options, std::move(targets));
    if (!opened) std::abort();
    listeners[0] = std::move(*opened);
  });
  options.endpoint.port = listeners[0]->port();
  if (sharing == PortSharing::shared) {
    on_worker(workers[1], [&] {
      auto opened = Listener::open(workers[1].loop(), options, counted_by(1));
      if (!opened) std::abort();
      listeners[1] = std::move(*opened);
    });
  }

  double sum = 0;
  double worst = 0;
  for (int i = 0; i < trials; ++i) {
    const double share = static_cast<double>(busiest_of_trial(tally, options.endpoint.port, clients_count)) /
                         static_cast<double>(clients_count);
    sum += share;
    worst = std::max(worst, share);
  }
  std::printf("%-14s %4zu clients: busier worker has %5.1f %% on average, %5.1f %% at worst (%d trials)\n", name,
              clients_count, 100 * sum / trials, 100 * worst, trials);
  for (std::size_t i = 0; i < 2; ++i) on_worker(workers[i], [&] { listeners[i].reset(); });
}

}  // namespace

int main() {
  measure("SO_REUSEPORT", PortSharing::shared, 8, 200);
  measure("dealt in turn", PortSharing::exclusive, 8, 200);
  measure("SO_REUSEPORT", PortSharing::shared, 500, 20);
  measure("dealt in turn", PortSharing::exclusive, 500, 20);
}
