#include "proxy/serve.hpp"

#include "config/load.hpp"
#include "config/problem.hpp"
#include "protocol/postgres/locked_memory.hpp"
#include "proxy/app.hpp"
#include "proxy/app_users.hpp"
#include "proxy/cli/exit_code.hpp"
#include "proxy/telemetry/log.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace proxy {

namespace {

/// SIGTERM, SIGINT and SIGHUP as values. Blocked before any thread begins, so that only wait() sees them.
class StopRequest {
 public:
  StopRequest() {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals_, signal);
    sigset_t blocked = signals_;
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  /// Until one comes; `on_hangup` is called for every SIGHUP before.
  void wait(const std::function<void()>& on_hangup) const {
    sigset_t waited_for = signals_;
    sigaddset(&waited_for, SIGHUP);
    int signal = 0;
    while (sigwait(&waited_for, &signal) != 0 || signal == SIGHUP) {
      if (std::exchange(signal, 0) == SIGHUP) on_hangup();
    }
  }
  /// Whether another one has come.
  [[nodiscard]] bool has_come_again() const {
    const timespec now{};
    return sigtimedwait(&signals_, nullptr, &now) > 0;
  }

 private:
  sigset_t signals_{};
};

/// Two descriptors per session and some: as many as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// Whoever waits for the file finds it whole or not at all.
void write_ready_file(const std::string& path, const std::string& text) {
  const std::string unfinished = path + ".part";
  {
    std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
    file << text;
    file.flush();
    if (!file) throw std::runtime_error("cannot write the ready file " + path);
  }
  std::filesystem::rename(unfinished, path);
}

telemetry::LogOptions log_options_from(const config::Log& log) {
  telemetry::LogOptions options;
  switch (log.level) {
    case config::LogLevel::trace: options.level = telemetry::LogLevel::trace; break;
    case config::LogLevel::debug: options.level = telemetry::LogLevel::debug; break;
    case config::LogLevel::info: options.level = telemetry::LogLevel::info; break;
    case config::LogLevel::warning: options.level = telemetry::LogLevel::warning; break;
    case config::LogLevel::error: options.level = telemetry::LogLevel::error; break;
  }
  options.format = log.format == config::LogFormat::json ? telemetry::LogFormat::json : telemetry::LogFormat::text;
  return options;
}

int code(cli::ExitCode exit_code) { return static_cast<int>(exit_code); }

}  // namespace

int check_configuration(const std::string& path) {
  const config::Outcome outcome = config::load(path);
  std::cerr << config::format_problems(outcome.problems);
  if (!outcome.settings) return code(cli::ExitCode::configuration_invalid);
  bool is_usable = true;
  for (const config::Pair& pair : outcome.settings->pairs) {
    const protocol::Status usable = AppPair::check_certificates(pair);
    if (usable) continue;
    is_usable = false;
    std::cerr << path << ": error: `pairs." << pair.name << "`: " << usable.error().detail << "\n";
  }
  if (!is_usable) return code(cli::ExitCode::configuration_invalid);
  std::cout << "ok: " << outcome.settings->pairs.size() << (outcome.settings->pairs.size() == 1 ? " pair" : " pairs");
  for (const config::Pair& pair : outcome.settings->pairs) {
    std::cout << "\n  " << pair.name << ": " << pair.plan.rules.size() << " rules, " << pair.users.size() << " users";
  }
  std::cout << std::endl;
  return code(cli::ExitCode::done);
}

int check_configuration_and_users(const std::string& path) {
  const config::Outcome outcome = config::load(path);
  std::cerr << config::format_problems(outcome.problems);
  if (!outcome.settings) return code(cli::ExitCode::configuration_invalid);
  return code(check_users(*outcome.settings, std::cout) ? cli::ExitCode::done : cli::ExitCode::refused);
}

int serve(const cli::RunOptions& options) {
  config::Outcome outcome = config::load(options.path);
  std::cerr << config::format_problems(outcome.problems);
  if (!outcome.settings) return code(cli::ExitCode::configuration_invalid);
  const StopRequest stop;
  raise_descriptor_limit();
  telemetry::Log log(log_options_from(outcome.settings->log));
  if (!protocol::postgres::reserve_locked_memory()) {
    log.write(telemetry::LogLevel::info, "keys of logins may be swapped out: the system locks no memory for this process", {});
  }
  try {
    App app(std::move(*outcome.settings), log);
    const protocol::Status started = app.start();
    if (!started) {
      log.write(telemetry::LogLevel::error, "cannot start", {{"cause", std::string_view(started.error().detail)}});
      return code(cli::ExitCode::refused);
    }
    if (!options.ready_file.empty()) write_ready_file(options.ready_file, app.ready_text());
    stop.wait([&app] { app.reload_certificates(); });
    app.drain([&stop] { return stop.has_come_again(); });
  } catch (const std::exception& failure) {
    log.write(telemetry::LogLevel::error, "cannot go on", {{"cause", std::string_view(failure.what())}});
    return code(cli::ExitCode::refused);
  }
  return code(cli::ExitCode::done);
}

}  // namespace proxy
