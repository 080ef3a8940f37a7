#include "proxy/telemetry/inventory.hpp"

#include <iterator>
#include <utility>

namespace proxy::telemetry {

std::string_view name_of(ClientState state) {
  switch (state) {
    case ClientState::logging_in: return "login";
    case ClientState::idle: return "idle";
    case ClientState::active: return "active";
    case ClientState::waiting: return "waiting";
    case ClientState::held: return "held";
    case ClientState::console: return "console";
  }
  return "unknown";
}

void add(DatabaseCounters& sum, const DatabaseCounters& part) {
  sum.transaction_count += part.transaction_count;
  sum.query_count += part.query_count;
  sum.received_bytes += part.received_bytes;
  sum.sent_bytes += part.sent_bytes;
  sum.transaction_time += part.transaction_time;
  sum.query_time += part.query_time;
  sum.wait_time += part.wait_time;
}

void add(Inventory& sum, Inventory part) {
  sum.clients.insert(sum.clients.end(), std::move_iterator(part.clients.begin()), std::move_iterator(part.clients.end()));
  sum.backends.insert(sum.backends.end(), std::move_iterator(part.backends.begin()), std::move_iterator(part.backends.end()));
  for (const auto& [name, counters] : part.databases) add(sum.databases[name], counters);
}

}  // namespace proxy::telemetry
