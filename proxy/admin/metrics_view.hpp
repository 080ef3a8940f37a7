#pragma once

#include "proxy/admin/control.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace proxy::admin {

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

/// The page of /metrics: the counters of the pairs, and as gauges the traffic that the plans ask for.
[[nodiscard]] std::string metrics_view(const Status& status, const std::vector<PairMetrics>& pairs);

}  // namespace proxy::admin
