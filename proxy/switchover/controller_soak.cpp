#include "proxy/switchover/controller.hpp"

#include <utility>

// The time after a switchover: what is looked at, and what follows.
namespace proxy::switchover {

using routing::Side;
using routing::SwitchoverOutcome;
using routing::SwitchoverStep;
using telemetry::LogLevel;

namespace {

/// Of all questions of a soak together.
constexpr std::chrono::seconds test_timeout{5};

}  // namespace

/// What is not as it should be with the new authority, and the way back from it.
std::optional<std::string> Controller::look(Side authority, const std::stop_token& stop) {
  const routing::Pulse pulse = around_.traffic.pulse(authority, options_.soak.guard.latency_max);
  if (!guard_) guard_.emplace(options_.soak.guard, pulse);
  if (auto trouble = guard_->look(pulse)) return trouble;
  if (auto trouble = around_.sync.trouble(routing::other(authority))) return trouble;
  if (options_.soak.questions.empty()) return std::nullopt;
  const protocol::Status tested = around_.databases.test(authority, options_.soak.questions, Clock::now() + test_timeout, stop);
  around_.databases.rest();
  if (tested) return std::nullopt;
  return tested.error().detail;
}

/// Under mutex_, which is let go of while the sides are asked.
void Controller::watch_soak(std::unique_lock<std::mutex>& lock) {
  if (machine_.step() != SwitchoverStep::soak) {
    soak_.reset();
    guard_.reset();
    return;
  }
  if (is_attempt_told_ && Clock::now() >= soak_look_at_ && now() < soak_->deadline) {
    const std::uint64_t number = soak_->number;
    const Side authority = record_.authority;
    order_stop_ = std::stop_source();
    const std::stop_token stop = order_stop_.get_token();
    lock.unlock();
    std::optional<std::string> trouble = look(authority, stop);
    lock.lock();
    soak_look_at_ = Clock::now() + soak_look_interval;
    // Another switchover may have begun meanwhile.
    if (!soak_ || soak_->number != number || machine_.step() != SwitchoverStep::soak) return;
    if (trouble && !stop.stop_requested()) return end_soak(*trouble);
  }
  if (now() < soak_->deadline) return;
  machine_.note(soak_->number, SwitchoverOutcome::done, {}, now());
  soak_.reset();
  guard_.reset();
}

/// Under mutex_: somebody is told, and where the operator wants it, the authority goes back.
void Controller::end_soak(const std::string& trouble) {
  const Side back = routing::other(record_.authority);
  // What has come back stays, whatever is found there: otherwise the authority would go to and fro.
  const bool is_reversing = options_.soak.on_breach == routing::OnBreach::reverse && !std::exchange(is_brought_back_, false);
  const bool is_freezing = options_.soak.on_breach == routing::OnBreach::freeze;
  machine_.note(soak_->number, SwitchoverOutcome::failed, trouble, now());
  soak_.reset();
  guard_.reset();
  if (attempt_) attempt_->breach = trouble;
  around_.log.write(LogLevel::error, "what was looked at after a switchover is not as it should be",
                    {{"pair", std::string_view(options_.pair)},
                     {"authority", routing::name_of(record_.authority)},
                     {"cause", std::string_view(trouble)},
                     {"follows", is_reversing ? "the authority goes back" : is_freezing ? "the traffic stays as it is" : "nothing"}});
  if (is_freezing) {
    const protocol::Status frozen = write_frozen("after the switchover: " + trouble);
    if (!frozen) around_.log.write(LogLevel::error, "the traffic is frozen, but would not be after a restart", {{"pair", std::string_view(options_.pair)}});
  }
  if (options_.on_breach) options_.on_breach(trouble);
  if (!is_reversing) return;
  Request request;
  request.to = back;
  request.asker = {"crossfade", "after the switchover: " + trouble};
  routing::SwitchoverWish wish;
  wish.to = back;
  if (machine_.begin(wish, now())) return;
  is_brought_back_ = true;
  begin_attempt(request);
}

}  // namespace proxy::switchover
