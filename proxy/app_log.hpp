#pragma once

#include "config/settings.hpp"
#include "proxy/telemetry/log_options.hpp"

namespace proxy {

[[nodiscard]] inline telemetry::LogLevel log_level_from(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::trace: return telemetry::LogLevel::trace;
    case config::LogLevel::debug: return telemetry::LogLevel::debug;
    case config::LogLevel::info: return telemetry::LogLevel::info;
    case config::LogLevel::warning: return telemetry::LogLevel::warning;
    case config::LogLevel::error: return telemetry::LogLevel::error;
  }
  return telemetry::LogLevel::info;
}

}  // namespace proxy
