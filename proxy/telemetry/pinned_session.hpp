#pragma once

#include "protocol/pin.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace proxy::telemetry {

/// A pin as people see it. Holds no literal of any statement.
struct PinAge {
  protocol::Pin pin;
  std::chrono::milliseconds age{0};
};

/// A session that is tied to a side or a connection now.
struct PinnedSession {
  std::uint64_t session_number = 0;
  std::string user;
  std::string database;
  std::string application_name;
  routing::Side side = routing::Side::blue;  ///< where what it is tied to lives
  std::uint32_t backend_process = 0;         ///< of the server, as the server numbers them; 0: not known
  std::vector<PinAge> pins;
};

/// The pinned sessions of a pair, or as many of them as are shown.
struct PinnedSessions {
  static constexpr std::size_t shown_max = 1000;
  std::size_t total = 0;
  std::vector<PinnedSession> shown;  ///< in the order of their numbers
};

}  // namespace proxy::telemetry
