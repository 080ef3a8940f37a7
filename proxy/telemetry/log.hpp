#pragma once

#include "proxy/telemetry/log_options.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace spdlog {
class logger;
namespace sinks {
class sink;
}
}  // namespace spdlog

namespace proxy::telemetry {

[[nodiscard]] std::string_view name_of(LogLevel level);
/// "trace", "debug", "info", "warning" or "error".
[[nodiscard]] std::optional<LogLevel> log_level_from(std::string_view name);
/// "text" or "json".
[[nodiscard]] std::optional<LogFormat> log_format_from(std::string_view name);

/// One fact beside an event. Loans for the length of the call.
struct LogField {
  std::string_view key;
  std::variant<std::string_view, std::uint64_t, std::int64_t, double, bool> value;
};

using LogFields = std::initializer_list<LogField>;

/// Structured lines on standard error (text, or one JSON object each): an event and its fields. Safe to use from
/// every thread; writing takes a lock, so it is not for the path of every request.
///
/// What comes from outside cannot forge lines: control characters are escaped, values are cut at
/// `field_bytes_max`. A field whose key speaks of a password, secret, token or proof is written as "***".
class Log {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  static constexpr std::size_t field_bytes_max = 512;
  static constexpr std::size_t rated_events_max = 256;  ///< more kinds of events than these share one budget

  explicit Log(const LogOptions& options);
  /// For tests: another sink, another clock.
  Log(const LogOptions& options, std::shared_ptr<spdlog::sinks::sink> sink, Clock clock);

  /// `event` is a constant text of the source, the same for every occurrence: rates are limited by it.
  void write(LogLevel level, std::string_view event, LogFields fields = {});
  void set_level(LogLevel level);

 private:
  struct Rate {
    std::chrono::steady_clock::time_point window_start;
    std::uint32_t written = 0;
    std::uint64_t suppressed = 0;
  };

  /// How many were suppressed since the last that was written; nothing: this one is suppressed too.
  std::optional<std::uint64_t> admit(std::string_view event);

  LogOptions options_;
  Clock clock_;
  std::shared_ptr<spdlog::logger> logger_;
  std::mutex rates_mutex_;
  std::map<std::string, Rate, std::less<>> rates_;
};

}  // namespace proxy::telemetry
