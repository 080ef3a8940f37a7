#pragma once

#include "proxy/app.hpp"
#include "proxy/lifecycle/supervisor.hpp"
#include "proxy/lifecycle/takeover_server.hpp"
#include "proxy/net/file_descriptor.hpp"
#include "proxy/telemetry/log.hpp"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace proxy {

/// SIGTERM, SIGINT, SIGHUP and SIGUSR2 as values to wait for. Blocked before any thread begins, so that nobody else sees them.
class Signals {
 public:
  Signals();
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  /// The next one that has come; 0 when none has.
  [[nodiscard]] int take() const;

 private:
  net::FileDescriptor descriptor_;
};

/// The main thread's life while everything runs: signals, the supervisor, new processes that want to take over,
/// cancel requests that they pass on.
class ServeLoop {
 public:
  /// `takeover` may be null; `successor_words` begin a new process that takes over. All outlive it.
  ServeLoop(App& app, const Signals& signals, const lifecycle::Supervisor& supervisor,
            lifecycle::TakeoverServer* takeover, std::vector<std::string> successor_words, telemetry::Log& log)
      : app_(app),
        signals_(signals),
        supervisor_(supervisor),
        takeover_(takeover),
        successor_words_(std::move(successor_words)),
        log_(log) {}

  /// Until told to stop, or until another process has taken over and the sessions here are gone or out of time; what
  /// is left is then for App::drain().
  void run();
  /// Whether it was told to stop once more.
  [[nodiscard]] bool is_impatient() const;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage : std::uint8_t { serving, leaving, over };
  void wait();
  void on_signal(int signal);
  void on_takeover(lifecycle::TakeoverServer::Event event);
  void reload();
  void start_successor();
  void tell_alive();
  [[nodiscard]] int wait_milliseconds() const;

  App& app_;
  const Signals& signals_;
  const lifecycle::Supervisor& supervisor_;
  lifecycle::TakeoverServer* takeover_;
  const std::vector<std::string> successor_words_;
  telemetry::Log& log_;
  Stage stage_ = Stage::serving;
  Clock::time_point leave_deadline_{};
  Clock::time_point alive_due_{};
};

}  // namespace proxy
