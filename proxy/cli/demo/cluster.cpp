#include "proxy/cli/demo/cluster.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/demo/scratch_directory.hpp"

#include <libpq-fe.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

namespace proxy::cli {
namespace {

constexpr std::chrono::seconds initialise_timeout{60};
constexpr std::chrono::seconds start_timeout{30};
constexpr std::chrono::seconds load_timeout{300};
/// A free port can be taken by somebody else before the server binds it.
constexpr int start_count_max = 3;

struct ConnectionCloser {
  void operator()(PGconn* connection) const { ::PQfinish(connection); }
};
struct ResultClearer {
  void operator()(PGresult* result) const { ::PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, ConnectionCloser>;
using QueryResult = std::unique_ptr<PGresult, ResultClearer>;

bool holds_programs(const std::filesystem::path& directory) {
  return std::ranges::all_of(std::array<const char*, 3>{"postgres", "initdb", "pgbench"}, [&](const char* program) {
    return ::access((directory / program).c_str(), X_OK) == 0;
  });
}

/// The first number in the parent's name: 15 of /usr/lib/postgresql/15/bin and of /usr/pgsql-15/bin.
int version_in(const std::filesystem::path& directory) {
  const std::string parent = directory.parent_path().filename().string();
  const std::size_t start = parent.find_first_of("0123456789");
  int version = 0;
  if (start != std::string::npos) std::from_chars(parent.data() + start, parent.data() + parent.size(), version);
  return version;
}

std::vector<std::filesystem::path> installed_programs() {
  std::vector<std::filesystem::path> found;
  std::error_code ignored;
  const auto add_below = [&](const char* root, std::string_view prefix) {
    for (const auto& entry : std::filesystem::directory_iterator(root, ignored)) {
      if (!entry.path().filename().string().starts_with(prefix)) continue;
      if (holds_programs(entry.path() / "bin")) found.push_back(entry.path() / "bin");
    }
  };
  add_below("/usr/lib/postgresql", "");  // Debian
  add_below("/usr", "pgsql-");           // packages of the PostgreSQL project for other systems
  return found;
}

}  // namespace

std::optional<std::filesystem::path> newest_of(const std::vector<std::filesystem::path>& candidates) {
  const auto newest = std::ranges::max_element(candidates, {}, version_in);
  if (newest == candidates.end()) return std::nullopt;
  return *newest;
}

std::filesystem::path find_server_programs(std::string_view search_path) {
  if (const auto newest = newest_of(installed_programs())) return *newest;
  while (!search_path.empty()) {
    const std::size_t end = std::min(search_path.find(':'), search_path.size());
    const std::filesystem::path directory(search_path.substr(0, end));
    if (directory.is_absolute() && holds_programs(directory)) return directory;
    search_path.remove_prefix(std::min(end + 1, search_path.size()));
  }
  throw DemoFailure(
      "no PostgreSQL server found (postgres, initdb and pgbench in /usr/lib/postgresql/*/bin or on the PATH); "
      "on Debian: apt-get install postgresql");
}

std::uint16_t free_port() {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!socket.is_open() || ::bind(socket.get(), generic, size) != 0 ||
      ::getsockname(socket.get(), generic, &size) != 0) {
    throw DemoFailure("no free port on 127.0.0.1");
  }
  return ntohs(address.sin_port);
}

Cluster::Cluster(ClusterOptions options) : options_(std::move(options)) {}

Command Cluster::command(const char* program, std::vector<std::string> arguments) const {
  Command command;
  command.name = options_.name + "'s " + program;
  command.argv.push_back((options_.programs / program).string());
  for (std::string& argument : arguments) command.argv.push_back(std::move(argument));
  command.account = options_.account;
  command.directory = options_.directory;
  command.log = log((std::string(program) + ".log").c_str());
  return command;
}

void Cluster::begin_initialise() {
  task_ = std::make_unique<ChildProcess>(
      command("initdb", {"-D", store().string(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}));
}

void Cluster::finish_initialise(StopSignals& signals) {
  task_->expect_success(signals, DemoClock::now() + initialise_timeout);
  task_.reset();
}

void Cluster::write_settings() const {
  // No durability: everything is thrown away at the end. Shared memory of parallel queries as files in the
  // store, so that nothing is left in /dev/shm even by a server that had to be killed.
  write_file(store() / "postgresql.auto.conf",
             "listen_addresses = '127.0.0.1'\n"
             "port = " + std::to_string(port_) + "\n"
             "unix_socket_directories = '" + options_.directory.string() + "'\n"
             "max_connections = " + std::to_string(options_.connections_max) + "\n"
             "shared_buffers = 128MB\n"
             "dynamic_shared_memory_type = mmap\n"
             "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
             "wal_level = minimal\nmax_wal_senders = 0\nmax_wal_size = 2GB\n"
             "jit = off\n"
             "cluster_name = '" + options_.name + "'\n");
  write_file(store() / "pg_hba.conf",
             "# type database user address method\n"
             "local all all trust\n"
             "host demo demo 127.0.0.1/32 trust\n"
             "host all keeper 127.0.0.1/32 scram-sha-256\n");
}

std::string Cluster::socket_conninfo(const char* database) const {
  return "host='" + options_.directory.string() + "' port=" + std::to_string(port_) + " user=postgres dbname=" +
         database + " connect_timeout=5 application_name=crossfade-demo-setup";
}

bool Cluster::start_once(StopSignals& signals) {
  port_ = free_port();
  write_settings();
  Command postgres = command("postgres", {"-D", store().string()});
  postgres.name = options_.name + "'s server";
  postgres.stop_signal = SIGQUIT;  // immediate shutdown: there is nothing to save
  server_ = std::make_unique<ChildProcess>(std::move(postgres));
  const auto deadline = DemoClock::now() + start_timeout;
  const std::string conninfo = socket_conninfo("postgres");
  while (::PQping(conninfo.c_str()) != PQPING_OK) {
    if (signals.wait_readable(server_->exit_descriptor(), DemoClock::now() + std::chrono::milliseconds(30))) return false;
    if (DemoClock::now() > deadline) throw DemoFailure(server_->complaint("does not come up"));
  }
  return true;
}

void Cluster::start(StopSignals& signals) {
  int count = 1;
  while (!start_once(signals)) {
    if (count++ == start_count_max) throw DemoFailure(server_->complaint("does not start"));
  }
  execute("postgres", "CREATE ROLE demo LOGIN");
  execute("postgres", "CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '" + options_.keeper_password + "'");
  execute("postgres", "CREATE DATABASE demo OWNER demo");
}

void Cluster::begin_load(unsigned scale) {
  task_ = std::make_unique<ChildProcess>(
      command("pgbench", {"-i", "-q", "-s", std::to_string(scale), "-h", "127.0.0.1", "-p", std::to_string(port_),
                          "-U", "demo", "demo"}));
}

void Cluster::finish_load(StopSignals& signals) {
  task_->expect_success(signals, DemoClock::now() + load_timeout);
  task_.reset();
  execute("demo", "CREATE TABLE demo_side AS SELECT text '" + options_.name + "' AS name");
  execute("demo", "ALTER TABLE demo_side ADD PRIMARY KEY (name)");
  execute("demo", "ALTER TABLE demo_side OWNER TO demo");
}

void Cluster::execute(const char* database, const std::string& sql) const {
  const Connection connection(::PQconnectdb(socket_conninfo(database).c_str()));
  const QueryResult result(::PQexec(connection.get(), sql.c_str()));
  if (::PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
    throw DemoFailure(options_.name + ": " + sql + ": " + ::PQerrorMessage(connection.get()));
  }
}

std::string Cluster::ask(const std::string& sql) const {
  const Connection connection(::PQconnectdb(socket_conninfo("demo").c_str()));
  const QueryResult result(::PQexec(connection.get(), sql.c_str()));
  if (::PQresultStatus(result.get()) != PGRES_TUPLES_OK || ::PQntuples(result.get()) != 1) {
    throw DemoFailure(options_.name + ": " + sql + ": " + ::PQerrorMessage(connection.get()));
  }
  return ::PQgetvalue(result.get(), 0, 0);
}

}  // namespace proxy::cli
