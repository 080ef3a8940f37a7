#pragma once

#include "proxy/telemetry/pinned_session.hpp"
#include "routing/facts.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::telemetry {

/// What there is at one moment: the sessions and connections of a pair, one by one, and the sums of its databases.
/// Made by each worker of its own, merged by whoever asks.

/// Plain counters of one database. All totals count since the process began.
struct DatabaseCounters {
  std::uint64_t transaction_count = 0;
  std::uint64_t query_count = 0;
  std::uint64_t received_bytes = 0;  ///< of clients, on their way to a backend
  std::uint64_t sent_bytes = 0;      ///< to clients
  std::chrono::microseconds transaction_time{0};
  std::chrono::microseconds query_time{0};
  std::chrono::microseconds wait_time{0};  ///< for a connection, or for the end of a hold
  bool operator==(const DatabaseCounters&) const = default;
};

/// Names of databases come from clients, if only from such as a backend has let in: beyond this many, all others are
/// counted under one name.
inline constexpr std::size_t databases_max = 512;
inline constexpr std::string_view other_databases = "(others)";

enum class ClientState : std::uint8_t {
  logging_in,
  idle,     ///< between two transactions
  active,   ///< a backend works for it, or it is in a transaction
  waiting,  ///< for a connection
  held,     ///< for the end of a hold
  console,
};
[[nodiscard]] std::string_view name_of(ClientState state);

struct ClientView {
  std::uint64_t number = 0;  ///< of the session, unique in the pair
  std::string user;
  std::string database;
  std::string application_name;
  routing::ClientAddress address{};
  ClientState state = ClientState::idle;
  std::chrono::microseconds age{0};
  std::chrono::microseconds request_age{0};  ///< since its last request began; its age before the first
  std::chrono::microseconds wait{0};         ///< how long it has been waiting; 0 unless it waits
  bool is_encrypted = false;
  std::vector<PinAge> pins;  ///< the strictest first
  std::optional<routing::Side> side;  ///< where its connection is, while it has one
};

enum class BackendState : std::uint8_t { connecting, active, idle };

struct BackendView {
  routing::Side side = routing::Side::blue;
  std::string user;  ///< the client's
  std::string database;
  std::string application_name;  ///< of the session that has it
  BackendState state = BackendState::idle;
  std::chrono::microseconds age{0};
  std::chrono::microseconds idle_age{0};       ///< since it was given back; its age while in use
  std::optional<std::uint64_t> client_number;  ///< of the session that has it
  std::uint32_t process_id = 0;                ///< as the server told it; 0: it did not
  bool is_encrypted = false;
};

struct Inventory {
  std::vector<ClientView> clients;
  std::vector<BackendView> backends;
  std::map<std::string, DatabaseCounters, std::less<>> databases;
};

void add(DatabaseCounters& sum, const DatabaseCounters& part);
void add(Inventory& sum, Inventory part);

}  // namespace proxy::telemetry
