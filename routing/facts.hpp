#pragma once

#include "protocol/statement.hpp"
#include "routing/side.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace routing {

/// An IPv4 (as ::ffff:a.b.c.d) or IPv6 address in network order; all zeros for a local socket.
using ClientAddress = std::array<std::uint8_t, 16>;

/// What is known of a session from its login; constant for its life but for application_name.
struct SessionFacts {
  std::string user;
  std::string database;
  std::string application_name;
  ClientAddress client{};
  /// Running number of the session within its pair, process-wide, from 0. Spread evenly by sample.hpp.
  std::uint64_t session_number = 0;
};

/// What binds the next batch beyond its own text.
struct Circumstances {
  std::optional<Side> current;            ///< the side that the session talks to now
  bool is_transaction_open = false;       ///< on `current`
  protocol::PinReason pin = protocol::PinReason::none;  ///< not none: reads, too, stay on `held_on`, or `current`
  std::optional<Side> behind = {};        ///< a side that lacks what the session itself has written: it answers no read of its
  PerSide<bool> is_unavailable{};         ///< could not be reached lately: reads avoid it if the other may stand in
  std::uint64_t batch_number = 0;         ///< running number of routed batches of this session; for stickiness `statement`
  /// Where something of the session lives that no other connection has, LISTEN say; all but plain reads goes there.
  std::optional<Side> held_on = {};
  /// The transaction that is open began on a side where the session's writes do not belong, for the sake of a pin: whatever
  /// has become of that, it writes nothing there.
  bool is_transaction_misplaced = false;
  bool is_transaction_read_only = false;  ///< the transaction that is open, or may be: nothing in it can write
};

}  // namespace routing
