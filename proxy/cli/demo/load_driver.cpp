#include "proxy/cli/demo/load_driver.hpp"

#include "proxy/cli/demo/failure.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <algorithm>
#include <vector>

namespace proxy::cli {
namespace {

/// How long the thread waits when no client has a deadline.
constexpr std::chrono::seconds idle_wait{1};

timespec span_until(DemoClock::time_point deadline) {
  const auto left = std::max(DemoClock::duration::zero(), deadline - DemoClock::now());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds);
  return timespec{static_cast<time_t>(seconds.count()), static_cast<long>(rest.count())};
}

}  // namespace

LoadDriver::LoadDriver(LoadOptions options, LoadLedger& ledger)
    : options_(std::move(options)), ledger_(ledger), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_.is_open()) throw DemoFailure("no eventfd on this system");
  thread_ = std::thread([this] { run(); });
}

LoadDriver::~LoadDriver() { finish(); }

void LoadDriver::finish() {
  if (!thread_.joinable()) return;
  is_finishing_.store(true, std::memory_order_relaxed);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void LoadDriver::run() {
  std::vector<std::unique_ptr<LoadClient>> clients;
  for (unsigned number = 0; number < options_.client_count; ++number) {
    clients.push_back(std::make_unique<LoadClient>(options_, number, ledger_));
  }
  std::vector<pollfd> waits(clients.size() + 1);
  for (;;) {
    if (is_finishing()) {
      for (const auto& client : clients) client->finish();
      if (std::ranges::all_of(clients, [](const auto& client) { return client->is_idle(); })) return;
    }
    auto deadline = DemoClock::now() + idle_wait;
    waits[0] = {is_finishing() ? -1 : wake_.get(), POLLIN, 0};
    for (std::size_t i = 0; i < clients.size(); ++i) {
      waits[i + 1] = {clients[i]->descriptor(), clients[i]->events(), 0};
      deadline = std::min(deadline, clients[i]->wake_at());
    }
    // A resting client that may not begin again has nothing to wake for.
    if (is_finishing()) deadline = std::max(deadline, DemoClock::now() + std::chrono::milliseconds(1));
    const timespec span = span_until(deadline);
    ::ppoll(waits.data(), waits.size(), &span, nullptr);
    const auto now = DemoClock::now();
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const short ready = waits[i + 1].fd >= 0 ? waits[i + 1].revents : short{0};
      if (ready != 0 || now >= clients[i]->wake_at()) clients[i]->advance(now, ready);
    }
  }
}

}  // namespace proxy::cli
