#include "proxy/serve_loop.hpp"

#include "proxy/lifecycle/successor.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace proxy {

using lifecycle::TakeoverServer;
using telemetry::LogLevel;

namespace {

/// While the last sessions end, how often it is looked whether they have.
constexpr std::chrono::milliseconds leaving_interval{50};
constexpr std::chrono::hours idle_interval{1};

}  // namespace

Signals::Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on files is an error of the call, as a full disk is
  std::signal(SIGCHLD, SIG_IGN);  // a new process that fails is nobody's to wait for
  descriptor_ = net::FileDescriptor(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
}

int Signals::take() const {
  signalfd_siginfo info{};
  return ::read(descriptor_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void ServeLoop::run() {
  alive_due_ = Clock::now();
  while (stage_ != Stage::over) {
    tell_alive();
    wait();
    if (takeover_ != nullptr) on_takeover(takeover_->on_time(Clock::now()));
    if (stage_ == Stage::leaving && (app_.clients_open() == 0 || Clock::now() >= leave_deadline_)) stage_ = Stage::over;
  }
}

void ServeLoop::wait() {
  std::vector<pollfd> waited{{signals_.descriptor(), POLLIN, 0}};
  if (app_.cancel_line() >= 0) waited.push_back({app_.cancel_line(), POLLIN, 0});
  if (takeover_ != nullptr) {
    for (const int descriptor : takeover_->descriptors()) waited.push_back({descriptor, POLLIN, 0});
  }
  if (::poll(waited.data(), waited.size(), wait_milliseconds()) <= 0) return;
  if (waited.front().revents != 0) {
    while (const int signal = signals_.take()) on_signal(signal);
  }
  for (std::size_t i = 1; i < waited.size(); ++i) {
    if (waited[i].revents == 0) continue;
    if (waited[i].fd == app_.cancel_line()) {
      app_.answer_cancel();
    } else if (takeover_ != nullptr) {
      on_takeover(takeover_->on_readable(waited[i].fd, [this](std::string& refusal) {
        return app_.hand_over(takeover_->listening(), refusal);
      }));
    }
  }
}

int ServeLoop::wait_milliseconds() const {
  const Clock::time_point now = Clock::now();
  Clock::time_point until = now + idle_interval;
  if (stage_ == Stage::leaving) until = now + leaving_interval;
  if (supervisor_.alive_interval()) until = std::min(until, alive_due_);
  if (takeover_ != nullptr) until = std::min(until, takeover_->deadline().value_or(until));
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - now) + std::chrono::milliseconds(1);
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

/// Only while the workers answer: a service that hangs is to be started anew.
void ServeLoop::tell_alive() {
  const auto interval = supervisor_.alive_interval();
  if (!interval || Clock::now() < alive_due_) return;
  alive_due_ = Clock::now() + *interval / 2;
  if (app_.is_alive()) supervisor_.tell_alive();
}

void ServeLoop::on_signal(int signal) {
  switch (signal) {
    case SIGHUP:
      if (stage_ == Stage::serving) reload();
      return;
    case SIGUSR2:
      if (stage_ == Stage::serving) start_successor();
      return;
    default: stage_ = Stage::over; return;
  }
}

/// From here on it is as if somebody had started it by hand.
void ServeLoop::start_successor() {
  if (takeover_ == nullptr) {
    log_.write(LogLevel::warning, "no new process was started: the configuration names no takeover.socket", {});
    return;
  }
  const protocol::Result<long> started = lifecycle::start_successor(successor_words_);
  if (started) {
    log_.write(LogLevel::info, "a new process was started", {{"process", static_cast<std::int64_t>(*started)}});
  } else {
    log_.write(LogLevel::error, "no new process could be started", {{"cause", std::string_view(started.error().detail)}});
  }
}

void ServeLoop::reload() {
  supervisor_.tell_reloading();
  const admin::ReloadOutcome outcome = app_.reload(admin::ReloadMode::apply);
  const bool is_applied = outcome.verdict == admin::ReloadOutcome::Verdict::applied;
  supervisor_.tell_ready(is_applied ? app_.summary() : "the configuration has errors, the one before stays in force; " + app_.summary());
}

void ServeLoop::on_takeover(TakeoverServer::Event event) {
  const auto process = static_cast<std::int64_t>(takeover_->peer_process());
  switch (event) {
    case TakeoverServer::Event::nothing: return;
    case TakeoverServer::Event::began:
      log_.write(LogLevel::info, "a new process wants to take over", {{"process", process}});
      return;
    case TakeoverServer::Event::failed:
      app_.withdraw();
      log_.write(LogLevel::warning, "the new process did not take over, everything goes on here", {{"process", process}});
      return;
    case TakeoverServer::Event::handed_over:
      supervisor_.tell_main_process(process);
      app_.leave();
      takeover_->tell_left();
      stage_ = Stage::leaving;
      leave_deadline_ = Clock::now() + app_.takeover().session_timeout;
      log_.write(LogLevel::info, "a new process has taken over, the sessions here go on to their end",
                 {{"process", process}, {"clients", static_cast<std::uint64_t>(app_.clients_open())}});
      return;
  }
}

bool ServeLoop::is_impatient() const {
  while (const int signal = signals_.take()) {
    if (signal == SIGTERM || signal == SIGINT) return true;
  }
  return false;
}

}  // namespace proxy
