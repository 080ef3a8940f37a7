#pragma once

#include "proxy/cli/demo/account.hpp"
#include "proxy/cli/demo/child_process.hpp"
#include "proxy/cli/demo/stop_signals.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::cli {

/// The directory that holds `postgres`, `initdb` and `pgbench`: of the newest server installed where
/// distributions put them, else the first on `search_path` (the form of $PATH).
/// Throws DemoFailure, with what to install, when there is none.
[[nodiscard]] std::filesystem::path find_server_programs(std::string_view search_path);

/// From candidates like /usr/lib/postgresql/15/bin the one with the highest version. Pure; for tests.
[[nodiscard]] std::optional<std::filesystem::path> newest_of(const std::vector<std::filesystem::path>& candidates);

/// A TCP port of the loopback address that was free a moment ago. Throws DemoFailure.
[[nodiscard]] std::uint16_t free_port();

struct ClusterOptions {
  std::string name;                   ///< "blue", "green": also the content of the table demo_side
  std::filesystem::path programs;     ///< from find_server_programs()
  std::filesystem::path directory;    ///< of this cluster's own; must exist and belong to `account`
  std::optional<Account> account;
  unsigned connections_max = 100;
  std::string keeper_password;        ///< of the superuser `keeper`, as whom the proxy mirrors and switches over
};

/// A throw-away PostgreSQL server: made, filled, and gone with this object. It listens on the loopback
/// address for the user `demo`, who owns the database `demo` and nothing else, and by password for `keeper`; its other superuser
/// can come in only through the local socket inside a directory that nobody else can enter. Work is split into steps, so that
/// two clusters do theirs at the same time. The steps throw DemoFailure and Interrupted.
class Cluster {
 public:
  explicit Cluster(ClusterOptions options);

  void begin_initialise();
  void finish_initialise(StopSignals& signals);
  /// Starts the server and makes the user and the database.
  void start(StopSignals& signals);
  void begin_load(unsigned scale);
  void finish_load(StopSignals& signals);

  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const ChildProcess& server() const { return *server_; }
  /// For libpq: the local socket, as the superuser.
  [[nodiscard]] std::string socket_conninfo(const char* database) const;
  /// The one value that `sql` gives, asked directly over the local socket as the superuser.
  [[nodiscard]] std::string ask(const std::string& sql) const;

 private:
  [[nodiscard]] std::filesystem::path store() const { return options_.directory / "store"; }
  [[nodiscard]] std::filesystem::path log(const char* name) const { return options_.directory / name; }
  [[nodiscard]] Command command(const char* program, std::vector<std::string> arguments) const;
  void write_settings() const;
  [[nodiscard]] bool start_once(StopSignals& signals);
  void execute(const char* database, const std::string& sql) const;

  ClusterOptions options_;
  std::uint16_t port_ = 0;
  std::unique_ptr<ChildProcess> server_;
  std::unique_ptr<ChildProcess> task_;  ///< initdb or pgbench at work; declared last, ends first
};

}  // namespace proxy::cli
