#pragma once

#include "protocol/console.hpp"
#include "proxy/console/averages.hpp"
#include "proxy/console/machine.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace proxy::console {

/// One moment, as SHOW tells it. Loans for the length of a call.
struct Moment {
  const PairFacts& facts;
  const PairView& view;
  const StatsPeriods& periods;
  std::chrono::system_clock::time_point wall_time;  ///< when the view was taken
  StatsPeriods::Instant time;
};

/// The table of SHOW `subject`: the columns of PgBouncer 1.18 in its order, and ours behind them. Nothing: there is no such
/// table.
/// Source: PgBouncer 1.18, usage.md, "Show commands", and what that version answers.
[[nodiscard]] std::optional<protocol::ConsoleTable> show_table(std::string_view subject, const Moment& moment);

/// The usage, one line per command.
[[nodiscard]] std::string help_text();

}  // namespace proxy::console
