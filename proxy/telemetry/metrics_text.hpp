#pragma once

#include "proxy/telemetry/exposition.hpp"
#include "proxy/telemetry/metrics.hpp"

#include <string>
#include <vector>

namespace proxy::telemetry {

/// Writes every counter of every pair as `crossfade_<noun>_<unit>_total` and `…_seconds`, with the labels pair,
/// side, class, sqlstate and reason. Series that have never counted (a class nobody sent, say) are left out of
/// histograms, because each would be twenty lines of zeros; counters are always there.
void write_pairs(Exposition& page, const std::vector<PairMetrics>& pairs);

/// The same as a page of its own.
[[nodiscard]] std::string metrics_text(const std::vector<PairMetrics>& pairs);

}  // namespace proxy::telemetry
