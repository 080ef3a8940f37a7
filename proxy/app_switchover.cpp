#include "proxy/app_switchover.hpp"

#include "proxy/app.hpp"
#include "proxy/app_users.hpp"
#include "proxy/switchover/wall_clock.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace proxy {

using protocol::Blame;
using protocol::ErrorCode;
using protocol::Status;
using routing::Side;
using routing::SwitchoverFinding;
using session::DrainOutcome;
using switchover::AuthorityRecord;
using switchover::Clock;
using Weight = routing::SwitchoverFinding::Weight;

namespace {

/// Between two looks whether an abort was asked for.
constexpr std::chrono::milliseconds stop_look_interval{20};
/// For transactions that are ended to be gone.
constexpr std::chrono::milliseconds ending_time{500};
/// Between two looks whether connections are there.
constexpr std::chrono::milliseconds warm_look_interval{5};

/// How a drain stands, on all workers of a pair; shared with them.
class DrainWait {
 public:
  explicit DrainWait(std::size_t worker_count) : remaining_(worker_count) {}
  void note(DrainOutcome outcome) {
    const std::lock_guard lock(mutex_);
    if (outcome == DrainOutcome::released) is_released_ = true;
    if (outcome == DrainOutcome::drained && remaining_ > 0) --remaining_;
    changed_.notify_all();
  }
  /// True: nobody writes any more.
  bool wait(Clock::time_point deadline, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (remaining_ != 0 && !is_released_ && !stop.stop_requested() && Clock::now() < deadline) {
      changed_.wait_until(lock, std::min(deadline, Clock::now() + stop_look_interval));
    }
    return remaining_ == 0 && !is_released_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t remaining_;
  bool is_released_ = false;
};

std::optional<config::BackendLogin> login_of(const config::Pair& pair) {
  if (pair.switchover.login) return pair.switchover.login;
  if (pair.catalogue.login) return pair.catalogue.login;
  if (pair.auth_query) return pair.auth_query->login;
  return pair.health.login;
}

routing::SwitchoverTerms terms_of(const config::Switchover& configured) {
  routing::SwitchoverTerms terms;
  terms.check = configured.check_timeout;
  terms.drain = configured.drain_timeout;
  terms.fence = configured.fence_timeout;
  terms.hold_max = configured.hold_max;
  terms.soak = configured.soak;
  terms.cooldown = configured.cooldown;
  return terms;
}

}  // namespace

/// The databases of the pair as its settings have them when an attempt begins.
class AppSwitchover::PairDatabases final : public switchover::Databases {
 public:
  explicit PairDatabases(const AppPair& pair) : pair_(pair) {}

  std::vector<SwitchoverFinding> findings(Side from, const switchover::OwnProcesses& ours, Clock::time_point deadline,
                                          const std::stop_token& stop) override {
    databases_.reset();
    if (const Status there = prepare(); !there) return {{"no_login", there.error().detail}};
    return databases_->findings(from, ours, deadline, stop);
  }
  Status fence(Side side, const switchover::OwnProcesses& ours, Clock::time_point deadline, const std::stop_token& stop) override {
    if (Status there = prepare(); !there) return there;
    return databases_->fence(side, ours, deadline, stop);
  }
  protocol::Result<bool> is_fenced(Side side, Clock::time_point deadline, const std::stop_token& stop) override {
    if (const Status there = prepare(); !there) return there.error();
    return databases_->is_fenced(side, deadline, stop);
  }
  Status confirm_fence(Side side, const switchover::OwnProcesses& ours, Clock::time_point deadline, const std::stop_token& stop) override {
    if (Status there = prepare(); !there) return there;
    return databases_->confirm_fence(side, ours, deadline, stop);
  }
  Status open(Side side, Clock::time_point deadline, const std::stop_token& stop) override {
    if (Status there = prepare(); !there) return there;
    return databases_->open(side, deadline, stop);
  }
  Status carry_sequences(Side to, Clock::time_point deadline, const std::stop_token& stop) override {
    if (Status there = prepare(); !there) return there;
    return databases_->carry_sequences(to, deadline, stop);
  }
  Status test(Side side, const std::vector<std::string>& questions, Clock::time_point deadline, const std::stop_token& stop) override {
    if (Status there = prepare(); !there) return there;
    return databases_->test(side, questions, deadline, stop);
  }
  void rest() override { databases_.reset(); }

 private:
  Status prepare() {
    if (databases_) return {};
    const std::shared_ptr<const config::Pair> pair = pair_.settings().pair;
    const std::optional<config::BackendLogin> login = login_of(*pair);
    if (!login) {
      return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                               "nobody is named who could switch over: set `switchover.user` of the pair");
    }
    migrate::PairDatabases::Options options;
    for (const Side side : routing::both_sides) options.targets[side] = question_target(*pair, side, *login, pair->switchover.database);
    options.home = pair->switchover.database;
    if (pair->mirror) options.applier = pair->mirror->login.user;
    options.databases = pair->switchover.databases;
    options.transaction_age_max = pair->switchover.drain_timeout;
    options.sequence_headroom = pair->switchover.sequence_headroom;
    databases_.emplace(std::move(options));
    return {};
  }

  const AppPair& pair_;
  std::optional<migrate::PairDatabases> databases_;
};

AppSwitchover::AppSwitchover(App& app, AppPair& pair, Options options, telemetry::Log& log) : app_(app), pair_(pair), log_(log) {
  databases_ = std::make_unique<PairDatabases>(pair);
  if (pair.mirror_control() != nullptr) {
    sync_ = std::make_unique<switchover::MirrorPath>(*pair.mirror_control());
  } else {
    sync_ = std::make_unique<switchover::NoSync>();
  }
  const switchover::StateFile file(options.folder, pair.name());
  protocol::Result<AuthorityRecord> record = read_record(file);
  if (record) {
    pair.give_authority(record->authority, record->epoch);
  } else {
    pair.disown();
    log.write(telemetry::LogLevel::error, "writes are refused: nobody knows which side has the authority",
              {{"pair", std::string_view(pair.name())}, {"cause", std::string_view(record.error().detail)}});
  }
  if (record && record->remains != routing::SwitchoverRemains::nothing) {
    pair.hold().publish([](const routing::Hold& hold) { return routing::with_switching(hold); });
  }
  switchover::Controller::Options wanted;
  wanted.pair = pair.name();
  wanted.terms = terms_of(pair.settings().pair->switchover);
  const config::Switchover& configured = pair.settings().pair->switchover;
  wanted.soak.on_breach = configured.on_breach;
  wanted.soak.guard.errors_percent_max = configured.soak_errors_max;
  wanted.soak.guard.latency_max = configured.soak_latency_max;
  wanted.soak.questions = configured.soak_questions;
  wanted.verification_age_max = configured.verification_age_max;
  wanted.on_breach = std::move(options.on_breach);
  wanted.halt_at = std::move(options.halt_at);
  wanted.on_end = std::move(options.on_end);
  wanted.first_number = options.first_number;
  controller_ = std::make_unique<switchover::Controller>(std::move(wanted), file, std::move(record),
                                                         switchover::Controller::Surroundings{*this, *databases_, *sync_, log});
}

AppSwitchover::~AppSwitchover() { controller_->stop(); }

/// What the file says. Where there is none yet, the configuration's word becomes durable.
protocol::Result<AuthorityRecord> AppSwitchover::read_record(const switchover::StateFile& file) {
  protocol::Result<std::optional<AuthorityRecord>> found = file.read();
  if (!found) return found.error();
  const Side configured = pair_.settings().pair->plan.default_writes;
  if (*found) {
    if ((*found)->authority != configured) {
      log_.write(telemetry::LogLevel::info, "the authority is another side than the configuration's `writes`, by an earlier switchover",
                 {{"pair", std::string_view(pair_.name())}, {"authority", routing::name_of((*found)->authority)}});
    }
    if ((*found)->pair != pair_.name()) {
      return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, file.path() + " is of another pair, " + (*found)->pair);
    }
    return **found;
  }
  AuthorityRecord first;
  first.pair = pair_.name();
  first.authority = configured;
  first.target = configured;
  first.since_ms = switchover::wall_ms();
  const switchover::StateFile::Written written = file.write(first);
  if (written.outcome == routing::SwitchoverOutcome::done) return first;
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_, written.words);
}

std::vector<SwitchoverFinding> AppSwitchover::findings(Side to) {
  std::vector<SwitchoverFinding> found;
  {
    const std::lock_guard lock(app_.control_mutex_);
    if (pair_.hold().snapshot()->is_paused()) found.push_back({"paused", "the pair is paused; resume it first"});
    if (const auto refusal = app_.refusal_of_changes()) found.push_back({"leaving", refusal->detail});
    if (pair_.health().is_down(to)) found.push_back({"down:" + std::string(routing::name_of(to)), std::string(routing::name_of(to)) + " is down"});
    for (const routing::Rule& rule : pair_.history().current()->rules) {
      const std::uint32_t share = to == Side::green ? rule.reads.green : routing::weight_total - rule.reads.green;
      if (share == routing::weight_total) continue;
      found.push_back({"reads:" + rule.name,
                       "rule " + rule.name + " sends " + std::to_string((routing::weight_total - share) / 100) + " % of its reads to " +
                           std::string(routing::name_of(routing::other(to))) + ", which will be the follower",
                       Weight::note});
    }
  }
  const protocol::Result<admin::PinnedSessions> pinned = app_.pinned_sessions(pair_.name());
  if (!pinned) return found;
  for (const telemetry::PinnedSession& each : pinned->shown) {
    if (each.side == to) continue;
    found.push_back({"pinned:" + std::to_string(each.session_number),
                     "session " + std::to_string(each.session_number) + " of " + each.user + " is tied to " + std::string(routing::name_of(each.side)) +
                         "; its writes will be refused until that ends",
                     Weight::note});
  }
  return found;
}

Status AppSwitchover::warm(Side side, Manner manner, Clock::time_point deadline, const std::stop_token& stop) {
  if (manner == Manner::for_writes) {
    app_.ask_workers([&pair = pair_, side](std::size_t index) { pair.worker(index).open_for_writes(side); });
    renew(side);
  }
  app_.ask_workers([&pair = pair_, side](std::size_t index) { pair.worker(index).pool().warm(side); });
  for (;;) {
    const auto left = std::make_shared<std::atomic<std::size_t>>(0);
    app_.ask_workers([&pair = pair_, left](std::size_t index) { *left += pair.worker(index).pool().warming_count(); });
    if (left->load() == 0) return {};
    if (Clock::now() + stop_look_interval > deadline || stop.stop_requested()) break;
    std::this_thread::sleep_for(warm_look_interval);
  }
  app_.ask_workers([&pair = pair_](std::size_t index) { pair.worker(index).pool().give_up_warming(); });
  return protocol::failure(ErrorCode::backend_timeout, Blame::backend, "not all connections were there in time");
}

void AppSwitchover::cool(Side side) {
  app_.ask_workers([&pair = pair_, side](std::size_t index) { pair.worker(index).open_as_usual(side); });
}

Status AppSwitchover::hold() {
  pair_.hold().publish([](const routing::Hold& hold) { return routing::with_switching(hold); });
  if (app_.ask_workers([](std::size_t) {})) return {};
  return protocol::failure(ErrorCode::internal, Blame::self, "a worker has not acknowledged the hold in time");
}

/// With DrainPolicy::end the last part of the time is kept for those who are ended.
protocol::Result<std::uint64_t> AppSwitchover::drain(routing::DrainPolicy policy, Clock::time_point deadline, const std::stop_token& stop) {
  const bool is_ending = policy == routing::DrainPolicy::end;
  const Clock::time_point patience = is_ending ? std::max(Clock::now(), deadline - ending_time) : deadline;
  const auto wait = std::make_shared<DrainWait>(app_.workers_.size());
  const bool is_asked = app_.ask_workers([&pair = pair_, wait](std::size_t index) {
    pair.worker(index).watch_drain({}, routing::HoldClass::writes, [wait](DrainOutcome outcome) { wait->note(outcome); });
  });
  if (is_asked && wait->wait(patience, stop)) return std::uint64_t{0};
  const auto writing = std::make_shared<std::atomic<std::uint64_t>>(0);
  if (is_ending && !stop.stop_requested()) {
    app_.ask_workers([&pair = pair_, writing](std::size_t index) { *writing += pair.worker(index).end_writing(); });
    if (wait->wait(deadline, stop)) return writing->load();
  }
  *writing = 0;
  app_.ask_workers([&pair = pair_, writing](std::size_t index) { *writing += pair.worker(index).sessions_writing(); });
  return protocol::failure(ErrorCode::transaction_timeout, Blame::operator_,
                           std::to_string(writing->load()) + " transactions that may write have not ended in time");
}

AppSwitchover::Released AppSwitchover::release() {
  pair_.hold().publish([](const routing::Hold& hold) { return routing::without_switching(hold); });
  const auto waiting = std::make_shared<std::atomic<std::uint64_t>>(0);
  app_.ask_workers([&pair = pair_, waiting](std::size_t index) {
    *waiting += pair.worker(index).sessions_waiting();
    pair.worker(index).on_hold_change();
  });
  return {waiting->load()};
}

Status AppSwitchover::publish(Side authority, std::uint64_t epoch) {
  const std::lock_guard lock(app_.control_mutex_);
  pair_.give_authority(authority, epoch);
  const std::uint64_t published = pair_.history().current()->epoch;
  const bool is_acknowledged = app_.ask_workers(
      [&pair = pair_, published](std::size_t index) { static_cast<void>(pair.worker(index).acknowledge(published)); });
  if (is_acknowledged) return {};
  return protocol::failure(ErrorCode::internal, Blame::self, "a worker has not acknowledged the plan in time");
}

void AppSwitchover::disown() {
  const std::lock_guard lock(app_.control_mutex_);
  pair_.disown();
}

routing::Pulse AppSwitchover::pulse(Side side, std::chrono::milliseconds latency_max) {
  struct Sum {
    std::mutex mutex;
    routing::Pulse pulse;
  };
  const auto sum = std::make_shared<Sum>();
  app_.ask_workers([&pair = pair_, sum, side, limit = std::chrono::duration<double>(latency_max).count()](std::size_t index) {
    const telemetry::SideMetrics metrics = pair.worker(index).metrics().sides[side];
    const std::lock_guard lock(sum->mutex);
    for (const std::uint64_t requests : metrics.requests_total) sum->pulse.requests += requests;
    sum->pulse.errors += metrics.errors_total.total();
    for (const telemetry::LatencyHistogram& latency : metrics.latency) {
      sum->pulse.answered += latency.total();
      for (std::size_t i = 1; i < latency.counts.size(); ++i) {
        if (limit > 0 && telemetry::latency_bounds[i - 1] >= limit) sum->pulse.slow += latency.counts[i];
      }
    }
  });
  const std::lock_guard lock(sum->mutex);
  return sum->pulse;
}

std::uint64_t AppSwitchover::epoch() { return pair_.publisher().epoch(); }

void AppSwitchover::renew(Side side) {
  app_.ask_workers([&pair = pair_, side](std::size_t index) { pair.worker(index).renew_connections(side); });
}

std::vector<std::uint32_t> AppSwitchover::backend_processes(Side side) { return pair_.backend_processes(side); }

}  // namespace proxy
