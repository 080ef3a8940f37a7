#include "config/readers.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace config {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::uint32_t count_max = 1'000'000;
constexpr std::uint32_t pool_size_max = 100'000;
/// Longer names are cut by PostgreSQL and would never match.
constexpr std::size_t database_name_bytes_max = 63;
const std::vector<std::pair<std::string_view, PoolMode>> pool_modes{{"transaction", PoolMode::transaction},
                                                                    {"session", PoolMode::session}};

void read_own_count(Section& section, std::string_view key, std::uint32_t most, std::optional<std::uint32_t>& target) {
  if (!section.has(key)) {
    static_cast<void>(section.take(key));  // known all the same
    return;
  }
  std::uint32_t value = 0;
  section.read_count(key, 0, most, value);
  target = value;
}

void read_own_duration(Section& section, std::string_view key, milliseconds least, std::optional<milliseconds>& target) {
  if (!section.has(key)) {
    static_cast<void>(section.take(key));
    return;
  }
  milliseconds value{0};
  section.read_duration(key, least, 24h * 7, value);
  target = value;
}

}  // namespace

void read_pool(const Node& node, const std::string& path, Reading& reading, Pool& pool) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  section->read_choice<PoolMode>("mode", pool_modes, pool.mode);
  read_own_count(*section, "size", pool_size_max, pool.size);
  section->read_count("size_min", 0, pool_size_max, pool.size_min);
  section->read_count("connections_max", 0, count_max, pool.connections_max);
  section->read_count("queue_clients_max", 0, count_max, pool.queue_clients_max);
  section->read_count("prepared_statements_max", 0, 10'000, pool.prepared_statements_max);
  section->read_duration("queue_timeout", 1ms, 24h, pool.queue_timeout);
  section->read_duration("idle_timeout", 0ms, 24h * 7, pool.idle_timeout);
  section->read_duration("lifetime", 0ms, 24h * 7, pool.lifetime);
  section->read_duration("login_retry", 0ms, 10min, pool.login_retry);
  section->finish();
}

void read_pair_limits(const Node& node, const std::string& path, Reading& reading, PairLimits& limits) {
  auto section = Section::open(node, reading.findings, path);
  if (!section) return;
  section->read_count("user_clients_max", 0, count_max, limits.user_clients_max);
  section->read_count("database_clients_max", 0, count_max, limits.database_clients_max);
  section->read_count("user_connections_max", 0, count_max, limits.user_connections_max);
  section->read_count("database_connections_max", 0, count_max, limits.database_connections_max);
  section->read_duration("query_timeout", 0ms, 24h * 7, limits.query_timeout);
  section->read_duration("transaction_timeout", 0ms, 24h * 7, limits.transaction_timeout);
  section->read_duration("idle_in_transaction_timeout", 0ms, 24h * 7, limits.idle_in_transaction_timeout);
  section->read_duration("client_idle_timeout", 0ms, 24h * 7, limits.client_idle_timeout);
  section->finish();
}

void read_own_limits(Section& section, Reading& reading, OwnLimits& limits) {
  if (const Node* node = section.take("pool")) {
    if (auto pool = Section::open(*node, reading.findings, section.path_of("pool"))) {
      PoolMode mode = PoolMode::session;
      pool->read_choice<PoolMode>("mode", pool_modes, mode);
      if (pool->has("mode")) limits.pool_mode = mode;
      read_own_count(*pool, "size", pool_size_max, limits.pool_size);
      read_own_count(*pool, "size_min", pool_size_max, limits.pool_size_min);
      read_own_duration(*pool, "queue_timeout", 1ms, limits.queue_timeout);
      pool->finish();
    }
  }
  const Node* node = section.take("limits");
  if (node == nullptr) return;
  auto own = Section::open(*node, reading.findings, section.path_of("limits"));
  if (!own) return;
  read_own_count(*own, "clients_max", count_max, limits.clients_max);
  read_own_count(*own, "connections_max", count_max, limits.connections_max);
  read_own_duration(*own, "query_timeout", 0ms, limits.query_timeout);
  read_own_duration(*own, "transaction_timeout", 0ms, limits.transaction_timeout);
  read_own_duration(*own, "idle_in_transaction_timeout", 0ms, limits.idle_in_transaction_timeout);
  read_own_duration(*own, "client_idle_timeout", 0ms, limits.client_idle_timeout);
  own->finish();
}

void read_databases(Section& pair_section, Reading& reading, Pair& pair) {
  const Node* node = pair_section.take("databases");
  const std::string path = pair_section.path_of("databases");
  if (node == nullptr || !expect_kind(*node, Node::Kind::map, path, reading.findings)) return;
  for (const auto& [key, value] : node->entries) {
    if (key.text.empty() || key.text.size() > database_name_bytes_max) {
      reading.findings.error(key.mark, about(path, "the name of a database must have 1 to 63 bytes"));
    }
    auto section = Section::open(value, reading.findings, path + "." + key.text);
    if (!section) continue;
    Database& database = pair.databases.emplace_back();
    database.name = key.text;
    read_own_limits(*section, reading, database.limits);
    section->finish();
  }
}

}  // namespace config
