#include "proxy/catalogue/refresher.hpp"

#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

namespace proxy::catalogue {
namespace {

using namespace std::chrono_literals;
using Rows = CatalogueRefresher::Rows;

/// What was loaded and told, in order; waits until there is enough of it.
class Log {
 public:
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    grown_.notify_all();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    grown_.wait(lock, [&] { return lines_.size() >= count; });
    return lines_;
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return lines_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable grown_;
  std::vector<std::string> lines_;
};

/// Nothing comes due by itself within a test.
CatalogueRefresher::Options quiet_options() {
  CatalogueRefresher::Options options;
  options.interval = 24h;
  options.retry_pause = 24h;
  options.pause_min = 0ms;
  options.databases_max = 2;
  return options;
}

CatalogueRefresher::OnLoaded tell(Log& log) {
  return [&log](const CatalogueKey& key, protocol::Result<Rows> rows) {
    log.add(key.pair + "/" + key.database + ": " +
            (rows ? std::to_string(rows->size()) : std::string("failed")));
  };
}

CatalogueSource source_named(const std::string& database) {
  return {"blue", 5432, "u", "p", database};
}

TEST_CASE("refresher: first demand → loaded once, told once") {
  Log log;
  CatalogueRefresher refresher(
      quiet_options(), tell(log), [](const CatalogueSource& source, const std::stop_token&) {
        return protocol::Result<Rows>(Rows{{"function", "s", source.database, "", true}});
      });
  CHECK(refresher.demand({"main", "a"}, source_named("a")) == CatalogueRefresher::Demand::scheduled);
  CHECK(log.wait_for(1) == std::vector<std::string>{"main/a: 1"});
  CHECK(refresher.demand({"main", "a"}, source_named("a")) == CatalogueRefresher::Demand::known);
  CHECK(refresher.demand({"main", "b"}, source_named("b")) == CatalogueRefresher::Demand::scheduled);
  CHECK(log.wait_for(2) == std::vector<std::string>{"main/a: 1", "main/b: 1"});
}

TEST_CASE("refresher: another source for a known database → loaded again") {
  Log log;
  CatalogueRefresher refresher(quiet_options(), tell(log),
                               [](const CatalogueSource& source, const std::stop_token&) {
                                 return protocol::Result<Rows>(Rows(source.port == 1 ? 1 : 2));
                               });
  CatalogueSource source = source_named("a");
  source.port = 1;
  refresher.demand({"main", "a"}, source);
  log.wait_for(1);
  source.port = 2;
  CHECK(refresher.demand({"main", "a"}, source) == CatalogueRefresher::Demand::scheduled);
  CHECK(log.wait_for(2) == std::vector<std::string>{"main/a: 1", "main/a: 2"});
}

TEST_CASE("refresher: more databases than allowed → refused; one forgotten → room again") {
  Log log;
  CatalogueRefresher refresher(
      quiet_options(), tell(log),
      [](const CatalogueSource&, const std::stop_token&) { return protocol::Result<Rows>(Rows{}); });
  refresher.demand({"main", "a"}, source_named("a"));
  refresher.demand({"main", "b"}, source_named("b"));
  CHECK(refresher.demand({"main", "c"}, source_named("c")) == CatalogueRefresher::Demand::refused);
  refresher.forget({"main", "a"});
  CHECK(refresher.demand({"main", "c"}, source_named("c")) == CatalogueRefresher::Demand::scheduled);
}

TEST_CASE("refresher: refresh asked for → loaded again; for an unknown database → nothing") {
  Log log;
  CatalogueRefresher refresher(
      quiet_options(), tell(log),
      [](const CatalogueSource&, const std::stop_token&) { return protocol::Result<Rows>(Rows{}); });
  refresher.request_refresh({"main", "nobody"});
  refresher.demand({"main", "a"}, source_named("a"));
  log.wait_for(1);
  refresher.request_refresh({"main", "a"});
  CHECK(log.wait_for(2) == std::vector<std::string>{"main/a: 0", "main/a: 0"});
}

TEST_CASE("refresher: refresh asked for during a load → loaded once more after it") {
  Log log;
  Log begun;
  std::mutex gate;
  gate.lock();
  CatalogueRefresher refresher(quiet_options(), tell(log),
                               [&](const CatalogueSource&, const std::stop_token&) {
                                 begun.add("load");
                                 const std::lock_guard wait(gate);
                                 return protocol::Result<Rows>(Rows{});
                               });
  refresher.demand({"main", "a"}, source_named("a"));
  begun.wait_for(1);
  refresher.request_refresh({"main", "a"});
  refresher.request_refresh({"main", "a"});
  gate.unlock();
  begun.wait_for(2);
  log.wait_for(2);
  CHECK(begun.size() == 2);
}

TEST_CASE("refresher: load fails → told, and tried again") {
  Log log;
  CatalogueRefresher::Options options = quiet_options();
  options.retry_pause = 0ms;
  int attempts = 0;
  CatalogueRefresher refresher(
      options, tell(log), [&](const CatalogueSource&, const std::stop_token&) -> protocol::Result<Rows> {
        if (++attempts == 1)
          return protocol::failure(protocol::ErrorCode::backend_unreachable, protocol::Blame::backend, "no");
        return Rows{};
      });
  refresher.demand({"main", "a"}, source_named("a"));
  CHECK(log.wait_for(2) == std::vector<std::string>{"main/a: failed", "main/a: 0"});
}

TEST_CASE("refresher: destroyed during a load → the load is asked to stop, nobody is told") {
  Log log;
  Log begun;
  {
    CatalogueRefresher refresher(quiet_options(), tell(log),
                                 [&](const CatalogueSource&, const std::stop_token& stop) {
                                   begun.add("load");
                                   std::mutex mutex;
                                   std::unique_lock lock(mutex);
                                   std::condition_variable_any never;
                                   never.wait(lock, stop, [] { return false; });
                                   return protocol::Result<Rows>(Rows{});
                                 });
    refresher.demand({"main", "a"}, source_named("a"));
    begun.wait_for(1);
  }
  CHECK(log.size() == 0);
}

}  // namespace
}  // namespace proxy::catalogue
