#include "proxy/cli/demo/cluster.hpp"
#include "proxy/cli/demo/equality.hpp"
#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/demo/load_driver.hpp"
#include "proxy/cli/demo/scratch_directory.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <optional>

using proxy::cli::Cluster;
using proxy::cli::ClusterOptions;
using proxy::cli::DemoClock;
using proxy::cli::LoadDriver;
using proxy::cli::LoadLedger;
using proxy::cli::LoadOptions;
using routing::Side;

namespace {

/// One real cluster, loaded; shared by the cases of this file because it takes seconds to make.
struct LiveCluster {
  std::optional<proxy::cli::Account> account = proxy::cli::unprivileged_account();
  proxy::cli::ScratchDirectory scratch{account};
  proxy::cli::StopSignals signals;
  Cluster cluster;

  LiveCluster() : cluster(options()) {
    cluster.begin_initialise();
    cluster.finish_initialise(signals);
    cluster.start(signals);
    cluster.begin_load(1);
    cluster.finish_load(signals);
  }

  [[nodiscard]] ClusterOptions options() const {
    ClusterOptions made;
    made.name = "blue";
    made.programs = proxy::cli::find_server_programs(std::getenv("PATH"));
    made.directory = scratch.path();
    made.account = account;
    made.keeper_password = "0123456789abcdef";
    return made;
  }

  [[nodiscard]] LoadOptions load_options() const {
    LoadOptions made;
    made.conninfo = "host=127.0.0.1 user=demo dbname=demo port=" + std::to_string(cluster.port());
    made.scale = 1;
    made.client_count = 6;
    return made;
  }
};

LiveCluster& live() {
  static const auto one = std::make_unique<LiveCluster>();
  return *one;
}

/// Waits until the ledger holds so much of everything that all kinds and modes have had their turn.
void await_work(const LoadLedger& ledger) {
  const auto deadline = DemoClock::now() + std::chrono::seconds(30);
  while (ledger.total().write_count() < 100 && ledger.total().errors == 0 && DemoClock::now() < deadline) {
    live().signals.wait_until(DemoClock::now() + std::chrono::milliseconds(10));
  }
}

}  // namespace

TEST_CASE("load: a healthy server → no error, and every commit that a client saw is in the table") {
  LoadLedger ledger;
  {
    LoadDriver driver(live().load_options(), ledger);
    await_work(ledger);
  }
  const auto total = ledger.total();
  CHECK(ledger.first_trouble().empty());
  CHECK(total.errors == 0);
  CHECK(total.dropped == 0);
  CHECK(total.reads[Side::blue] > total.writes[Side::blue]);
  CHECK(total.reads[Side::green] + total.writes[Side::green] == 0);
  CHECK(total.worst.count() > 0);
  CHECK(live().cluster.ask("SELECT count(*) FROM pgbench_history") == std::to_string(total.writes[Side::blue]));
}

TEST_CASE("load: the server ends every connection → each loss is counted and work goes on") {
  LoadLedger ledger;
  LoadDriver driver(live().load_options(), ledger);
  await_work(ledger);
  const std::string ended = live().cluster.ask(
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'demo'");
  CHECK(ended == "6");
  const auto deadline = DemoClock::now() + std::chrono::seconds(30);
  const auto before = ledger.total();
  while (ledger.total().write_count() < before.write_count() + 20 && DemoClock::now() < deadline) {
    live().signals.wait_until(DemoClock::now() + std::chrono::milliseconds(10));
  }
  driver.finish();
  CHECK(ledger.total().dropped == 6);
  CHECK(ledger.total().write_count() >= before.write_count() + 20);
  CHECK_FALSE(ledger.first_trouble().empty());
}

TEST_CASE("cluster: a connection from another user or to another database → refused") {
  const std::string base = "host=127.0.0.1 port=" + std::to_string(live().cluster.port());
  for (const char* wish : {" user=postgres dbname=demo", " user=demo dbname=postgres"}) {
    PGconn* connection = ::PQconnectdb((base + wish).c_str());
    CHECK(::PQstatus(connection) == CONNECTION_BAD);
    ::PQfinish(connection);
  }
}

TEST_CASE("cluster: the keeper without his password → refused, with it → a superuser") {
  const std::string base = "host=127.0.0.1 user=keeper dbname=demo port=" + std::to_string(live().cluster.port());
  PGconn* without = ::PQconnectdb((base + " password=guessed").c_str());
  CHECK(::PQstatus(without) == CONNECTION_BAD);
  ::PQfinish(without);
  PGconn* with = ::PQconnectdb((base + " password=0123456789abcdef").c_str());
  CHECK(::PQstatus(with) == CONNECTION_OK);
  ::PQfinish(with);
}

TEST_CASE("sides: a database against itself → every table equal; against one with other rows → they are counted") {
  const std::string conninfo = live().cluster.socket_conninfo("demo");
  for (const auto& each : proxy::cli::compare_tables(conninfo, conninfo, live().signals)) {
    CAPTURE(each.table);
    CHECK(each.differing == 0);
  }
  const std::string first = "host=127.0.0.1 user=keeper password=0123456789abcdef port=" + std::to_string(live().cluster.port()) + " dbname=";
  PGconn* connection = ::PQconnectdb((first + "demo").c_str());
  for (const char* statement : {"CREATE DATABASE one", "CREATE DATABASE other"}) ::PQclear(::PQexec(connection, statement));
  ::PQfinish(connection);
  for (const char* database : {"one", "other"}) {
    PGconn* made = ::PQconnectdb((first + database).c_str());
    ::PQclear(::PQexec(made, "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL)"));
    if (std::string(database) == "other") ::PQclear(::PQexec(made, "DELETE FROM t WHERE a = 2; INSERT INTO t VALUES (1, 'x'), (3, '')"));
    ::PQfinish(made);
  }
  const auto compared = proxy::cli::compare_tables(first + "one", first + "other", live().signals);
  REQUIRE(compared.size() == 1);
  CHECK(compared.front().table == "public.t");
  CHECK(compared.front().rows == 2);
  CHECK(compared.front().differing == 3);
}

TEST_CASE("cluster: its object ends → no process, no directory") {
  std::filesystem::path directory;
  pid_t pid = -1;
  {
    LiveCluster second;
    directory = second.scratch.path();
    pid = second.cluster.server().pid();
    CHECK(::kill(pid, 0) == 0);
  }
  CHECK(::kill(pid, 0) == -1);
  CHECK_FALSE(std::filesystem::exists(directory));
}
