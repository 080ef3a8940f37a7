#pragma once

#include <chrono>
#include <cstdint>

namespace proxy::telemetry {

enum class LogLevel : std::uint8_t { trace, debug, info, warning, error };
enum class LogFormat : std::uint8_t { text, json };

struct LogOptions {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  /// The same event may be written so often within a window; what is more is counted and told with the next
  /// that passes. A client in a loop must not be able to fill a disk.
  std::uint32_t events_per_window_max = 20;
  std::chrono::seconds window{10};
};

}  // namespace proxy::telemetry
