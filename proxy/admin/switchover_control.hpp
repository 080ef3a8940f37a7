#pragma once

#include "protocol/base/result.hpp"
#include "routing/side.hpp"
#include "routing/switchover_attempt.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace proxy::admin {

/// A change of traffic that was carried out.
struct NotedChange {
  std::string pair;  ///< empty: of all
  std::string what;  ///< "weights", "pause" …
  std::string from;
  std::string to;
  routing::ChangeAsker asker;
  routing::LastChange kind = routing::LastChange::nothing;  ///< what a rollback takes back from now on; nothing: as before
};

enum class Freezing : std::uint8_t {
  frozen,  ///< weights and the authority stay as they are
  thawed,
};

/// Between the admin endpoint and the switchovers of all pairs. Nothing waits for a step. Errors: configuration_invalid for an
/// unknown pair, one without a durable state, and what cannot be now.
class SwitchoverControl {
 public:
  virtual ~SwitchoverControl() = default;
  /// The number of the attempt, which goes on by itself.
  [[nodiscard]] virtual protocol::Result<std::uint64_t> switch_over(const std::string& pair, const routing::SwitchoverRequest& request) = 0;
  [[nodiscard]] virtual protocol::Result<routing::SwitchoverStanding> standing(const std::string& pair) = 0;
  [[nodiscard]] virtual protocol::Status abort(const std::string& pair, const routing::ChangeAsker& asker) = 0;
  /// An operator says who has the authority, where nobody knows.
  [[nodiscard]] virtual protocol::Status set_authority(const std::string& pair, routing::Side side, const routing::ChangeAsker& asker) = 0;
  [[nodiscard]] virtual protocol::Status freeze(const std::string& pair, Freezing freezing, const routing::ChangeAsker& asker) = 0;
  /// Somebody has compared all rows of both sides.
  [[nodiscard]] virtual protocol::Status verify(const std::string& pair, bool is_equal, const routing::ChangeAsker& asker) = 0;
  /// Earlier attempts, oldest first, each a JSON object on a line.
  [[nodiscard]] virtual protocol::Result<std::vector<std::string>> history(const std::string& pair) = 0;
  /// For the audit, and so that a rollback knows what was last.
  virtual void note_change(const NotedChange& change) = 0;
};

}  // namespace proxy::admin
