#include "proxy/session/pin_watch.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace proxy::session {

void PinWatch::note(const protocol::Pins& pins, runtime::Instant now, telemetry::PairMetrics& metrics) {
  std::vector<Seen> current;
  for (const protocol::Pin& pin : pins) {
    const auto known =
        std::find_if(seen_.begin(), seen_.end(), [&](const Seen& seen) { return seen.pin.reason == pin.reason; });
    if (known == seen_.end()) ++metrics.pins_total[pin.reason];
    current.push_back(Seen{pin, known == seen_.end() ? now : known->since});
  }
  seen_ = std::move(current);
  seen_version_ = pins.version();
}

std::vector<telemetry::PinAge> PinWatch::ages(runtime::Instant now) const {
  std::vector<telemetry::PinAge> ages;
  for (const Seen& seen : seen_) {
    ages.push_back({seen.pin, std::chrono::duration_cast<std::chrono::milliseconds>(now - seen.since)});
  }
  return ages;
}

}  // namespace proxy::session
