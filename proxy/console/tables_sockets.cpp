#include "proxy/console/rows.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <tuple>

namespace proxy::console {

using protocol::ConsoleColumn;
using protocol::ConsoleTable;
using protocol::ConsoleType;
using routing::Side;
using telemetry::BackendState;
using telemetry::BackendView;
using telemetry::ClientState;
using telemetry::ClientView;

namespace {

constexpr auto whole = ConsoleType::integer;
constexpr auto large = ConsoleType::bigint;

bool is_waiting(const ClientView& client) { return client.state == ClientState::waiting || client.state == ClientState::held; }

/// Of one user to one database.
struct PoolSums {
  std::uint64_t active_clients = 0;
  std::uint64_t waiting_clients = 0;
  std::uint64_t held_clients = 0;
  std::uint64_t pinned_clients = 0;
  std::uint64_t connecting = 0;
  routing::PerSide<std::uint64_t> active{};
  routing::PerSide<std::uint64_t> idle{};
  std::chrono::microseconds wait_max{0};
};

std::map<std::pair<std::string, std::string>, PoolSums> pools_of(const Moment& moment) {
  std::map<std::pair<std::string, std::string>, PoolSums> pools;
  for (const ClientView& client : moment.view.inventory.clients) {
    if (client.state == ClientState::console || client.user.empty()) continue;
    PoolSums& pool = pools[{client.database, client.user}];
    is_waiting(client) ? ++pool.waiting_clients : ++pool.active_clients;
    if (client.state == ClientState::held) ++pool.held_clients;
    if (!client.pins.empty()) ++pool.pinned_clients;
    pool.wait_max = std::max(pool.wait_max, client.wait);
  }
  for (const BackendView& backend : moment.view.inventory.backends) {
    PoolSums& pool = pools[{backend.database, backend.user}];
    switch (backend.state) {
      case BackendState::connecting: ++pool.connecting; break;
      case BackendState::active: ++pool.active[backend.side]; break;
      case BackendState::idle: ++pool.idle[backend.side]; break;
    }
  }
  return pools;
}

/// The columns that CLIENTS and SERVERS share, as PgBouncer has them.
std::vector<ConsoleColumn> socket_columns() {
  return {{"type"},         {"user"},         {"database"}, {"state"},          {"addr"},         {"port", whole},
          {"local_addr"},   {"local_port", whole}, {"connect_time"}, {"request_time"}, {"wait", whole}, {"wait_us", whole},
          {"close_needed", whole}, {"ptr"},   {"link"},     {"remote_pid", whole}, {"tls"},       {"application_name"}};
}

std::string client_name(std::uint64_t number) { return "client:" + std::to_string(number); }
std::string backend_name(const BackendView& backend) {
  return std::string(routing::name_of(backend.side)) + ":" + std::to_string(backend.process_id);
}

/// As `explain` and the admin endpoint write it; empty: no statement caused the pin.
std::string digest_text(std::uint64_t fingerprint) {
  constexpr char hexadecimal[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; fingerprint != 0 && shift >= 0; shift -= 4) text += hexadecimal[(fingerprint >> shift) & 0xF];
  return text;
}

constexpr std::int64_t microseconds_per_second = 1'000'000;

}  // namespace

std::string address_text(const routing::ClientAddress& address) {
  static constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (std::ranges::all_of(address, [](std::uint8_t byte) { return byte == 0; })) return "unix";
  if (std::equal(mapped.begin(), mapped.end(), address.begin())) {
    inet_ntop(AF_INET, address.data() + mapped.size(), text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, address.data(), text.data(), text.size());
  }
  return text.data();
}

std::string time_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

/// One row per database and user, both sides in one sum, so that who watches by these two finds each once.
ConsoleTable pools_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"database"}, {"user"}, {"cl_active", whole}, {"cl_waiting", whole}, {"cl_active_cancel_req", whole},
                   {"cl_waiting_cancel_req", whole}, {"sv_active", whole}, {"sv_active_cancel", whole},
                   {"sv_being_canceled", whole}, {"sv_idle", whole}, {"sv_used", whole}, {"sv_tested", whole},
                   {"sv_login", whole}, {"maxwait", whole}, {"maxwait_us", whole}, {"pool_mode"},
                   {"cl_held", whole}, {"cl_pinned", whole}, {"blue_active", whole}, {"blue_idle", whole},
                   {"green_active", whole}, {"green_idle", whole}, {"pool_size", whole}};
  for (const auto& [key, pool] : pools_of(moment)) {
    const PairFacts::OwnPool own = moment.facts.pool_of(key.first, key.second);
    Row row;
    row << key.first << key.second << pool.active_clients << pool.waiting_clients << 0 << 0;
    row << pool.active[Side::blue] + pool.active[Side::green] << 0 << 0 << pool.idle[Side::blue] + pool.idle[Side::green];
    row << 0 << 0 << pool.connecting << pool.wait_max.count() / microseconds_per_second
        << pool.wait_max.count() % microseconds_per_second << own.mode;
    row << pool.held_clients << pool.pinned_clients << pool.active[Side::blue] << pool.idle[Side::blue]
        << pool.active[Side::green] << pool.idle[Side::green] << own.size;
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable clients_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = socket_columns();
  for (const ConsoleColumn& own : {ConsoleColumn{"doing"}, {"side"}, {"pin"}, {"session", large}}) table.columns.push_back(own);
  std::map<std::pair<std::uint64_t, Side>, std::string> links;
  for (const BackendView& backend : moment.view.inventory.backends) {
    if (backend.client_number) links[{*backend.client_number, backend.side}] = backend_name(backend);
  }
  for (const ClientView& client : moment.view.inventory.clients) {
    Row row;
    row << "C" << client.user << client.database << (is_waiting(client) ? "waiting" : "active") << address_text(client.address) << 0;
    row << moment.facts.listen_host << moment.facts.listen_port << time_text(moment.wall_time - client.age)
        << time_text(moment.wall_time - client.request_age) << client.wait.count() / microseconds_per_second
        << client.wait.count() % microseconds_per_second << 0 << client_name(client.number);
    row << (client.side ? links[{client.number, *client.side}] : std::string()) << 0 << (client.is_encrypted ? "TLS" : "")
        << client.application_name;
    row << telemetry::name_of(client.state) << (client.side ? routing::name_of(*client.side) : "")
        << (client.pins.empty() ? "" : protocol::name_of(client.pins[0].pin.reason)) << client.number;
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable servers_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = socket_columns();
  table.columns.push_back({"side"});
  for (const BackendView& backend : moment.view.inventory.backends) {
    const PairFacts::Endpoint& endpoint = moment.facts.sides[backend.side];
    const char* state = backend.state == BackendState::active ? "active" : backend.state == BackendState::idle ? "idle" : "new";
    Row row;
    row << "S" << backend.user << backend.database << state << endpoint.host << endpoint.port << "" << 0;
    row << time_text(moment.wall_time - backend.age) << time_text(moment.wall_time - backend.idle_age) << 0 << 0 << 0
        << backend_name(backend) << (backend.client_number ? client_name(*backend.client_number) : std::string())
        << backend.process_id << (backend.is_encrypted ? "TLS" : "") << backend.application_name;
    row << routing::name_of(backend.side);
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable pins_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"session", large}, {"user"}, {"database"}, {"application_name"}, {"addr"}, {"side"}, {"reason"}, {"since"},
                   {"digest"}, {"cleared_by"}};
  for (const ClientView& client : moment.view.inventory.clients) {
    for (const telemetry::PinAge& pinned : client.pins) {
      Row row;
      row << client.number << client.user << client.database << client.application_name << address_text(client.address)
          << (client.side ? routing::name_of(*client.side) : "") << protocol::name_of(pinned.pin.reason)
          << time_text(moment.wall_time - pinned.age) << digest_text(pinned.pin.fingerprint)
          << protocol::clearing_of(pinned.pin.reason);
      table.rows.push_back(row.take());
    }
  }
  return table;
}

}  // namespace proxy::console
