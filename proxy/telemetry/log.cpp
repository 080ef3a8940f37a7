#include "proxy/telemetry/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace proxy::telemetry {

namespace {

constexpr std::string_view text_pattern = "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v";
constexpr std::string_view json_pattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";
constexpr std::string_view redacted = "***";
constexpr std::array<std::string_view, 5> secret_words{"password", "secret", "token", "proof", "authorization"};

constexpr std::array<std::pair<LogLevel, std::string_view>, 5> level_names{{{LogLevel::trace, "trace"},
                                                                             {LogLevel::debug, "debug"},
                                                                             {LogLevel::info, "info"},
                                                                             {LogLevel::warning, "warning"},
                                                                             {LogLevel::error, "error"}}};

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace: return spdlog::level::trace;
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

bool is_secret(std::string_view key) {
  return std::ranges::any_of(secret_words, [&](std::string_view word) { return key.find(word) != std::string_view::npos; });
}

/// As inside a JSON string; the text format uses the same, so that a line is always one line.
void append_escaped(std::string& target, std::string_view text) {
  static constexpr std::string_view digits = "0123456789abcdef";
  const bool is_cut = text.size() > Log::field_bytes_max;
  for (const char c : text.substr(0, Log::field_bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      target += '\\';
      target += c;
    } else if (byte < 0x20 || byte >= 0x7F) {
      // Bytes beyond ASCII too: what a client sent need not be UTF-8, and a terminal obeys some of it.
      target.append("\\u00");
      target += digits[byte >> 4];
      target += digits[byte & 0x0F];
    } else {
      target += c;
    }
  }
  if (is_cut) target += "...";
}

void append_quoted(std::string& target, std::string_view text) {
  target += '"';
  append_escaped(target, text);
  target += '"';
}

struct ValueWriter {
  std::string& target;

  void operator()(std::string_view text) const { append_quoted(target, text); }
  void operator()(std::uint64_t number) const { target += std::to_string(number); }
  void operator()(std::int64_t number) const { target += std::to_string(number); }
  void operator()(bool flag) const { target += flag ? "true" : "false"; }
  void operator()(double number) const {
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
    const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    if (text.find_first_of("in") == std::string_view::npos) target += text;
    else append_quoted(target, text);  // "inf" and "nan" are no JSON numbers
  }
};

void append_value(std::string& target, const LogField& field) {
  if (is_secret(field.key)) append_quoted(target, redacted);
  else std::visit(ValueWriter{target}, field.value);
}

std::string json_line(std::string_view event, LogFields fields, std::uint64_t suppressed) {
  std::string line = "\"event\":";
  append_quoted(line, event);
  for (const LogField& field : fields) {
    line += ',';
    append_quoted(line, field.key);
    line += ':';
    append_value(line, field);
  }
  if (suppressed != 0) line += ",\"suppressed\":" + std::to_string(suppressed);
  return line;
}

std::string text_line(std::string_view event, LogFields fields, std::uint64_t suppressed) {
  std::string line(event);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=");
    append_value(line, field);
  }
  if (suppressed != 0) line += " suppressed=" + std::to_string(suppressed);
  return line;
}

}  // namespace

std::string_view name_of(LogLevel level) {
  return std::ranges::find(level_names, level, &std::pair<LogLevel, std::string_view>::first)->second;
}

std::optional<LogLevel> log_level_from(std::string_view name) {
  const auto known = std::ranges::find(level_names, name, &std::pair<LogLevel, std::string_view>::second);
  return known == level_names.end() ? std::nullopt : std::optional(known->first);
}

std::optional<LogFormat> log_format_from(std::string_view name) {
  if (name == "text") return LogFormat::text;
  if (name == "json") return LogFormat::json;
  return std::nullopt;
}

Log::Log(const LogOptions& options)
    : Log(options, std::make_shared<spdlog::sinks::stderr_sink_mt>(), [] { return std::chrono::steady_clock::now(); }) {}

Log::Log(const LogOptions& options, std::shared_ptr<spdlog::sinks::sink> sink, Clock clock)
    : options_(options),
      clock_(std::move(clock)),
      logger_(std::make_shared<spdlog::logger>("crossfade", std::move(sink))) {
  const bool is_json = options.format == LogFormat::json;
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(std::string(is_json ? json_pattern : text_pattern),
                                                                     spdlog::pattern_time_type::utc));
  logger_->set_level(spdlog_level(options.level));
  logger_->flush_on(spdlog::level::trace);
}

void Log::set_level(LogLevel level) { logger_->set_level(spdlog_level(level)); }

void Log::write(LogLevel level, std::string_view event, LogFields fields) {
  if (!logger_->should_log(spdlog_level(level))) return;
  const auto suppressed = admit(event);
  if (!suppressed) return;
  const bool is_json = options_.format == LogFormat::json;
  logger_->log(spdlog_level(level), is_json ? json_line(event, fields, *suppressed) : text_line(event, fields, *suppressed));
}

std::optional<std::uint64_t> Log::admit(std::string_view event) {
  const auto now = clock_();
  const std::lock_guard lock(rates_mutex_);
  auto known = rates_.find(event);
  if (known == rates_.end()) {
    const bool fits = rates_.size() < rated_events_max;
    known = rates_.try_emplace(fits ? std::string(event) : std::string(), Rate{now}).first;
  }
  Rate& rate = known->second;
  if (now - rate.window_start >= options_.window) {
    rate.window_start = now;
    rate.written = 0;
  }
  if (rate.written >= options_.events_per_window_max) {
    ++rate.suppressed;
    return std::nullopt;
  }
  ++rate.written;
  return std::exchange(rate.suppressed, 0);
}

}  // namespace proxy::telemetry
