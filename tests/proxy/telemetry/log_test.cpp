#include "proxy/telemetry/log.hpp"

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <chrono>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

using proxy::telemetry::Log;
using proxy::telemetry::log_format_from;
using proxy::telemetry::log_level_from;
using proxy::telemetry::LogFormat;
using proxy::telemetry::LogLevel;
using proxy::telemetry::LogOptions;

namespace {

/// A log into memory with a clock that is set by hand.
struct Written {
  explicit Written(LogOptions options)
      : log(options, std::make_shared<spdlog::sinks::ostream_sink_mt>(stream), [this] { return now; }) {}

  /// The lines without their time.
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    std::istringstream input(stream.str());
    for (std::string line; std::getline(input, line);) {
      const std::size_t zone = line.find("Z");
      all.push_back(line.substr(zone == std::string::npos ? 0 : zone + 1));
    }
    return all;
  }

  std::ostringstream stream;
  std::chrono::steady_clock::time_point now{};
  Log log;
};

LogOptions options_of(LogFormat format) {
  LogOptions options;
  options.format = format;
  return options;
}

}  // namespace

TEST_CASE("log: text → event and fields on one line") {
  Written written(options_of(LogFormat::text));
  written.log.write(LogLevel::warning, "backend lost",
                    {{"pair", "shop"}, {"sessions", std::uint64_t{7}}, {"delta", std::int64_t{-1}}, {"is_ready", false}, {"share", 0.5}});
  CHECK(written.lines() == std::vector<std::string>{
                               " warning backend lost pair=\"shop\" sessions=7 delta=-1 is_ready=false share=0.5"});
}

TEST_CASE("log: json → one object per line") {
  Written written(options_of(LogFormat::json));
  written.log.write(LogLevel::error, "backend lost", {{"pair", "shop"}, {"share", std::numeric_limits<double>::infinity()}});
  CHECK(written.stream.str().starts_with("{\"time\":\""));
  CHECK(written.lines() ==
        std::vector<std::string>{R"(","level":"error","event":"backend lost","pair":"shop","share":"inf"})"});
}

TEST_CASE("log: values that would forge lines or speak to a terminal → escaped, long ones cut") {
  for (const LogFormat format : {LogFormat::text, LogFormat::json}) {
    Written written(options_of(format));
    written.log.write(LogLevel::info, "login", {{"user", "a\n{\"x\"}\x1B[31m\\\x9B{}"}, {"application", std::string(5000, 'x')}});
    REQUIRE(written.lines().size() == 1);
    CHECK(written.lines()[0].find(R"("a\u000a{\"x\"}\u001b[31m\\\u009b{}")") != std::string::npos);
    CHECK(written.stream.str().size() < 1000);
  }
}

TEST_CASE("log: a field that is named like a secret → never its value") {
  Written written(options_of(LogFormat::text));
  written.log.write(LogLevel::info, "login", {{"password", "hunter2"}, {"bearer_token", "hunter2"}, {"client_proof", "hunter2"}});
  CHECK(written.stream.str().find("hunter2") == std::string::npos);
  CHECK(written.stream.str().find("password=\"***\"") != std::string::npos);
}

TEST_CASE("log: below the level → nothing, and the level can be changed") {
  Written written(options_of(LogFormat::text));
  written.log.write(LogLevel::debug, "detail");
  CHECK(written.lines().empty());
  written.log.set_level(LogLevel::debug);
  written.log.write(LogLevel::debug, "detail");
  CHECK(written.lines().size() == 1);
}

TEST_CASE("log: one event in a loop → as many as its window allows, then the count of the rest") {
  LogOptions options;
  options.events_per_window_max = 3;
  options.window = std::chrono::seconds(10);
  Written written(options);
  for (int i = 0; i < 100; ++i) written.log.write(LogLevel::warning, "login failed");
  written.log.write(LogLevel::warning, "another event");
  CHECK(written.lines().size() == 4);
  written.now += std::chrono::seconds(10);
  written.log.write(LogLevel::warning, "login failed");
  written.log.write(LogLevel::warning, "login failed");
  REQUIRE(written.lines().size() == 6);
  CHECK(written.lines()[4] == " warning login failed suppressed=97");
  CHECK(written.lines()[5] == " warning login failed");
}

TEST_CASE("log: more kinds of events than are kept apart → they share a budget, memory stays bounded") {
  LogOptions options;
  options.events_per_window_max = 1;
  Written written(options);
  for (std::size_t i = 0; i < 10 * Log::rated_events_max; ++i) written.log.write(LogLevel::info, "event " + std::to_string(i));
  CHECK(written.lines().size() == Log::rated_events_max + 1);
}

TEST_CASE("log: names of levels and formats → read back") {
  for (const LogLevel level : {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
    CHECK(log_level_from(name_of(level)) == level);
  }
  CHECK_FALSE(log_level_from("loud"));
  CHECK(log_format_from("json") == LogFormat::json);
  CHECK_FALSE(log_format_from("xml"));
}
