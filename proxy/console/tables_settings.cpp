#include "proxy/console/rows.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace proxy::console {

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

/// Those that somebody has used, and those that are held.
std::set<std::string> databases_of(const Moment& moment) {
  std::set<std::string> names;
  for (const auto& [name, counters] : moment.view.inventory.databases) names.insert(name);
  if (moment.view.hold) {
    for (const auto& [name, held] : moment.view.hold->databases) names.insert(name);
  }
  return names;
}

std::set<std::string> users_of(const Moment& moment) {
  std::set<std::string> names(moment.facts.users.begin(), moment.facts.users.end());
  for (const ClientView& client : moment.view.inventory.clients) {
    if (!client.user.empty()) names.insert(client.user);
  }
  return names;
}

bool is_paused(const Moment& moment, const std::string& database) {
  return moment.view.hold && routing::held_class(*moment.view.hold, database) == routing::HoldClass::everything;
}

std::string percent_text(std::uint32_t hundredths) {
  const std::string decimals = std::to_string(100 + hundredths % 100).substr(1);
  return std::to_string(hundredths / 100) + (hundredths % 100 == 0 ? "" : "." + decimals);
}

}  // namespace

/// Host and port are blue's, green's stand behind.
ConsoleTable databases_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"name"}, {"host"}, {"port", whole}, {"database"}, {"force_user"}, {"pool_size", whole},
                   {"min_pool_size", whole}, {"reserve_pool", whole}, {"pool_mode"}, {"max_connections", whole},
                   {"current_connections", whole}, {"paused", whole}, {"disabled", whole},
                   {"green_host"}, {"green_port", whole}};
  const PairFacts& facts = moment.facts;
  for (const std::string& name : databases_of(moment)) {
    const auto connections = std::ranges::count(moment.view.inventory.backends, name, &BackendView::database);
    const PairFacts::OwnPool own = facts.pool_of(name, {});
    // Whichever of the two is reached first.
    const std::uint32_t connections_max = std::min(own.database_connections_max - 1, facts.connections_max - 1) + 1;
    Row row;
    row << name << facts.sides[Side::blue].host << facts.sides[Side::blue].port << name << "" << own.size << own.size_min << 0
        << own.mode << connections_max << connections << (is_paused(moment, name) ? 1 : 0) << 0
        << facts.sides[Side::green].host << facts.sides[Side::green].port;
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable users_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"name"}, {"pool_mode"}, {"pool_size", whole}, {"max_user_connections", whole}, {"current_connections", whole}};
  for (const std::string& name : users_of(moment)) {
    const PairFacts::OwnPool own = moment.facts.pool_of({}, name);
    Row row;
    row << name << own.mode << own.size << own.user_connections_max
        << std::ranges::count(moment.view.inventory.backends, name, &BackendView::user);
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable lists_table(const Moment& moment) {
  const telemetry::Inventory& inventory = moment.view.inventory;
  std::set<std::pair<std::string_view, std::string_view>> pools;
  for (const ClientView& client : inventory.clients) {
    if (client.state != ClientState::console) pools.emplace(client.database, client.user);
  }
  const auto logging_in = std::ranges::count(inventory.clients, ClientState::logging_in, &ClientView::state);
  const auto idle = std::ranges::count(inventory.backends, BackendState::idle, &BackendView::state);
  const auto used = static_cast<std::ptrdiff_t>(inventory.backends.size()) - idle;
  ConsoleTable table;
  table.columns = {{"list"}, {"items", whole}};
  const auto add = [&table](std::string_view name, auto items) {
    Row row;
    row << name << items;
    table.rows.push_back(row.take());
  };
  add("databases", databases_of(moment).size());
  add("users", users_of(moment).size());
  add("pools", pools.size());
  add("free_clients", 0);
  add("used_clients", inventory.clients.size());
  add("login_clients", logging_in);
  add("free_servers", idle);
  add("used_servers", used);
  for (const std::string_view name : {"dns_names", "dns_zones", "dns_queries", "dns_pending"}) add(name, 0);
  return table;
}

ConsoleTable config_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"key"}, {"value"}, {"default"}, {"changeable"}};
  for (const auto& [key, value] : moment.facts.settings) {
    Row row;
    row << key << value << "" << "no";
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable state_table(const Moment& moment) {
  const bool is_pair_paused = moment.view.hold && moment.view.hold->pair.has_value();
  ConsoleTable table;
  table.columns = {{"key"}, {"value"}};
  const std::array<std::pair<const char*, bool>, 3> states{
      {{"active", !is_pair_paused}, {"paused", is_pair_paused}, {"suspended", false}}};
  for (const auto& [key, is_true] : states) {
    Row row;
    row << key << (is_true ? "yes" : "no");
    table.rows.push_back(row.take());
  }
  return table;
}

ConsoleTable version_table(const Moment& /*moment*/) {
  ConsoleTable table;
  table.columns = {{"version"}};
  Row row;
  row << "Crossfade " CROSSFADE_VERSION;
  table.rows.push_back(row.take());
  return table;
}

ConsoleTable rules_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"rule"}, {"position", whole}, {"reads_blue"}, {"reads_green"}, {"writes"}, {"stickiness"}, {"epoch", large}};
  if (!moment.view.plan) return table;
  std::size_t position = 0;
  for (const routing::Rule& rule : moment.view.plan->rules) {
    Row row;
    row << rule.name << ++position << percent_text(routing::weight_total - rule.reads.green) << percent_text(rule.reads.green)
        << routing::name_of(rule.writes) << routing::name_of(rule.stickiness) << moment.view.plan->epoch;
    table.rows.push_back(row.take());
  }
  return table;
}

/// Of a type that one side lacks, its number there is 0.
ConsoleTable types_table(const Moment& moment) {
  ConsoleTable table;
  table.columns = {{"database"}, {"type"}, {"kind"}, {"blue", large}, {"green", large}};
  for (const telemetry::TypeReport::Database& database : moment.view.types.databases) {
    for (const telemetry::TypeReport::Difference& type : database.shown) {
      Row row;
      row << database.name << type.name << type.kind << type.blue << type.green;
      table.rows.push_back(row.take());
    }
  }
  return table;
}

}  // namespace proxy::console
