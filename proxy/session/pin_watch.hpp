#pragma once

#include "protocol/pin.hpp"
#include "proxy/runtime/loop.hpp"
#include "proxy/telemetry/metrics.hpp"
#include "proxy/telemetry/pinned_session.hpp"

#include <cstdint>
#include <vector>

namespace proxy::session {

/// Since when each pin of a session is there: protocols have no clock.
class PinWatch {
 public:
  /// Cheap while nothing has changed. Pins that have begun are counted in `metrics`.
  void look_at(const protocol::Pins& pins, runtime::Instant now, telemetry::PairMetrics& metrics) {
    if (pins.version() != seen_version_) note(pins, now, metrics);
  }
  [[nodiscard]] std::vector<telemetry::PinAge> ages(runtime::Instant now) const;

 private:
  void note(const protocol::Pins& pins, runtime::Instant now, telemetry::PairMetrics& metrics);

  struct Seen {
    protocol::Pin pin;
    runtime::Instant since;
  };
  std::vector<Seen> seen_;
  std::uint32_t seen_version_ = 0;
};

}  // namespace proxy::session
