#include "proxy/switchover/controller.hpp"

#include "proxy/switchover/wall_clock.hpp"

#include <csignal>
#include <utility>

namespace proxy::switchover {

using routing::Side;
using routing::SwitchoverOrder;
using routing::SwitchoverOutcome;
using routing::SwitchoverRemains;
using routing::SwitchoverStep;
using routing::SwitchoverTime;
using telemetry::LogLevel;

namespace {

constexpr std::chrono::hours idle_wait{1};
/// Between two looks whether a follower that could not be fenced can be.
constexpr std::chrono::seconds fence_look_interval{1};
/// How long a polite end waits for what is being undone.
constexpr std::chrono::seconds stop_patience{8};

protocol::Error refused(std::string words) {
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_, std::move(words));
}

}  // namespace

Controller::Controller(Options options, StateFile file, protocol::Result<AuthorityRecord> record, Surroundings surroundings)
    : options_(std::move(options)),
      file_(std::move(file)),
      around_(surroundings),
      machine_(record ? record->authority : Side::blue, options_.terms),
      next_number_(options_.first_number) {
  record_.pair = options_.pair;
  if (record) {
    record_ = *std::move(record);
  } else {
    trouble_ = record.error().detail;
    machine_.lose();
  }
}

Controller::~Controller() { stop(); }

SwitchoverTime Controller::now() {
  return std::chrono::duration_cast<SwitchoverTime>(Clock::now().time_since_epoch());
}

void Controller::start() {
  const std::lock_guard lock(mutex_);
  if (trouble_.empty() && record_.remains != SwitchoverRemains::nothing) {
    around_.log.write(LogLevel::warning, "a switchover was under way when the process before ended",
                      {{"pair", std::string_view(options_.pair)},
                       {"goes", record_.remains == SwitchoverRemains::flip ? "forward" : "back"}});
    Request request;
    request.to = record_.target;
    request.asker = {"crossfade", "what remained of the process before"};
    begin_attempt(request);
    // Nobody knows any more whether a soak led to it.
    is_brought_back_ = true;
    machine_.resume(record_.remains, record_.target, now());
  }
  fence_look_at_ = Clock::now();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Controller::stop() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    static_cast<void>(machine_.abort("the proxy stops"));
    order_stop_.request_stop();
    wake();
    changed_.wait_for(lock, stop_patience,
                      [this] { return machine_.is_at_rest() || machine_.step() == SwitchoverStep::soak; });
  }
  thread_.request_stop();
  order_stop_.request_stop();
  thread_.join();
}

bool Controller::is_busy() const {
  const std::lock_guard lock(mutex_);
  return machine_.step() != SwitchoverStep::idle && machine_.step() != SwitchoverStep::soak && machine_.step() != SwitchoverStep::disowned;
}

/// Under mutex_.
void Controller::wake() {
  is_woken_ = true;
  changed_.notify_all();
}

/// Under mutex_.
void Controller::begin_attempt(const Request& request) {
  attempt_.emplace();
  attempt_->number = next_number_++;
  attempt_->request = request;
  attempt_->from = routing::other(request.to);
  attempt_->began_ms = wall_ms();
  attempt_began_ = now();
  is_attempt_told_ = false;
}

protocol::Result<std::uint64_t> Controller::begin(const Request& request) {
  const std::lock_guard lock(mutex_);
  if (!trouble_.empty()) return refused("nobody knows which side has the authority (" + trouble_ + "); say it with `authority set`");
  if (is_checking_ || dry_run_) return refused("a dry run is under way");
  if (request.extent == Request::Extent::dry_run) {
    if (machine_.step() != SwitchoverStep::idle && machine_.step() != SwitchoverStep::soak) return refused("a switchover is under way");
    begin_attempt(request);
    dry_run_ = request;
  } else {
    routing::SwitchoverWish wish;
    wish.to = request.to;
    wish.on_drain_timeout = request.on_drain_timeout;
    wish.urgency = request.urgency;
    wish.hold_max = request.hold_max;
    if (const auto refusal = machine_.begin(wish, now())) return refused(*refusal);
    soak_.reset();
    is_brought_back_ = false;
    begin_attempt(request);
  }
  wake();
  return attempt_->number;
}

protocol::Status Controller::abort(const Asker& asker) {
  const std::lock_guard lock(mutex_);
  const auto refusal = machine_.abort("aborted by " + asker.who + (asker.why.empty() ? "" : ": " + asker.why));
  if (refusal) return refused(*refusal);
  order_stop_.request_stop();
  wake();
  return {};
}

protocol::Status Controller::set_authority(Side authority) {
  const std::lock_guard lock(mutex_);
  if (trouble_.empty() && record_.authority == authority) return {};
  if (trouble_.empty()) return refused(std::string(name_of(record_.authority)) + " has the authority; a switchover moves it");
  claim_ = authority;
  wake();
  return {};
}

LastChange Controller::last_change() const {
  const std::lock_guard lock(mutex_);
  return record_.last_change;
}

void Controller::note_change(LastChange change) {
  const std::lock_guard lock(mutex_);
  if (record_.last_change == change || !trouble_.empty()) return;
  record_.last_change = change;
  // While a switchover is under way it is written with its next step.
  if (machine_.step() == SwitchoverStep::idle || machine_.step() == SwitchoverStep::soak) static_cast<void>(file_.write(record_));
}

Standing Controller::standing() const {
  const std::lock_guard lock(mutex_);
  Standing standing;
  standing.authority = record_.authority;
  standing.is_authority_known = trouble_.empty();
  standing.trouble = trouble_;
  standing.epoch = record_.epoch;
  standing.is_fenced = record_.is_fenced;
  standing.since_ms = record_.since_ms;
  standing.frozen = record_.frozen;
  standing.verification = record_.verification;
  standing.step = machine_.step();
  standing.last_change = record_.last_change;
  standing.attempt = attempt_;
  return standing;
}

/// What the machine knows of the attempt under way. Under mutex_.
void Controller::refresh_attempt() {
  if (!attempt_ || is_attempt_told_ || attempt_->request.extent == Request::Extent::dry_run) return;
  attempt_->records = machine_.records();
  for (routing::SwitchoverRecord& each : attempt_->records) each.began -= attempt_began_;
  attempt_->skipped = machine_.skipped();
  attempt_->failure = machine_.failure();
  attempt_->failed_step = machine_.failed_step();
}

void Controller::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (soak_) watch_soak(lock);
    if (claim_) {
      take_claim(lock);
      continue;
    }
    if (dry_run_) {
      check_only(lock);
      continue;
    }
    if (const std::optional<SwitchoverOrder> order = machine_.take_order(now())) {
      work(lock, *order);
      continue;
    }
    refresh_attempt();
    const bool is_over = machine_.is_at_rest() || machine_.step() == SwitchoverStep::soak;
    if (is_over && !is_attempt_told_) {
      finish_attempt(lock);
      continue;
    }
    if (is_over && fence_look_at_ && Clock::now() >= *fence_look_at_) {
      put_up_fence(lock);
      continue;
    }
    std::chrono::milliseconds patience = idle_wait;
    if (is_over && fence_look_at_) patience = std::chrono::ceil<std::chrono::milliseconds>(*fence_look_at_ - Clock::now());
    if (const auto wake_at = machine_.wake_at()) patience = std::max(*wake_at - now(), std::chrono::milliseconds(1));
    if (soak_) patience = std::min(patience, std::chrono::milliseconds(soak_look_interval));
    changed_.wait_for(lock, stop, patience, [this] { return is_woken_; });
    is_woken_ = false;
  }
}

/// Under mutex_, which is let go of while the order is carried out.
void Controller::work(std::unique_lock<std::mutex>& lock, const SwitchoverOrder& order) {
  if (order.action == Action::soak) {
    soak_ = order;
    guard_.reset();
    soak_look_at_ = Clock::now();
    return;
  }
  order_stop_ = std::stop_source();
  lock.unlock();
  halt_if("before", order.action);
  const Told told = carry_out(order);
  halt_if("after", order.action);
  lock.lock();
  if (told.outcome != SwitchoverOutcome::done) {
    around_.log.write(LogLevel::warning, "a step of a switchover failed",
                      {{"pair", std::string_view(options_.pair)},
                       {"action", routing::name_of(order.action)},
                       {"cause", std::string_view(told.words)}});
  }
  machine_.note(order.number, told.outcome, told.words, now());
  refresh_attempt();
}

void Controller::halt_if(std::string_view when, Action action) const {
  if (!options_.halt_at.empty() && options_.halt_at == std::string(when) + ":" + std::string(routing::name_of(action))) {
    std::raise(SIGKILL);
  }
}

/// Under mutex_.
void Controller::finish_attempt(std::unique_lock<std::mutex>& lock) {
  is_attempt_told_ = true;
  attempt_->took = now() - attempt_began_;
  if (machine_.step() == SwitchoverStep::disowned) {
    attempt_->end = AttemptEnd::disowned;
    trouble_ = machine_.failure();
  } else {
    attempt_->end = machine_.authority() == attempt_->request.to ? AttemptEnd::moved : AttemptEnd::undone;
  }
  const Attempt ended = *attempt_;
  around_.log.write(ended.end == AttemptEnd::moved ? LogLevel::info : LogLevel::warning, "a switchover has ended",
                    {{"pair", std::string_view(options_.pair)},
                     {"to", routing::name_of(ended.request.to)},
                     {"end", routing::name_of(ended.end)},
                     {"cause", std::string_view(ended.failure)},
                     {"held_us", static_cast<std::uint64_t>(ended.held.count())}});
  changed_.notify_all();
  lock.unlock();
  if (ended.end == AttemptEnd::moved && !ended.skipped.empty()) fence_look_at_ = Clock::now();
  if (std::exchange(warmed_, std::nullopt) == Target::closed) {
    around_.traffic.cool(ended.request.to);
    if (ended.end != AttemptEnd::moved) around_.traffic.renew(ended.request.to);
  }
  if (options_.on_end) options_.on_end(ended);
  around_.databases.rest();
  lock.lock();
}

/// Under mutex_: a dry run.
void Controller::check_only(std::unique_lock<std::mutex>& lock) {
  const Request request = *std::exchange(dry_run_, std::nullopt);
  is_checking_ = true;
  is_attempt_told_ = true;
  order_stop_ = std::stop_source();
  lock.unlock();
  std::vector<routing::SwitchoverFinding> findings = find(request, Clock::now() + options_.terms.check);
  around_.databases.rest();
  lock.lock();
  is_checking_ = false;
  attempt_->findings = std::move(findings);
  attempt_->left_behind = around_.sync.left_behind();
  attempt_->took = now() - attempt_began_;
  attempt_->end = AttemptEnd::checked;
}

/// Under mutex_: what an immediate switchover could not fence, and what another process may have left so.
void Controller::put_up_fence(std::unique_lock<std::mutex>& lock) {
  const Side side = routing::other(record_.authority);
  const bool is_wanted = trouble_.empty() && record_.is_fenced[side];
  fence_look_at_.reset();
  if (!is_wanted) return;
  order_stop_ = std::stop_source();
  const std::stop_token stop = order_stop_.get_token();
  lock.unlock();
  const Clock::time_point deadline = Clock::now() + options_.terms.fence;
  const protocol::Result<bool> is_fenced = around_.databases.is_fenced(side, deadline, stop);
  protocol::Status fenced;
  if (!is_fenced) fenced = is_fenced.error();
  if (is_fenced && !*is_fenced) {
    fenced = around_.databases.fence(
        side, [this, side] { return around_.traffic.backend_processes(side); }, deadline, stop);
    around_.traffic.renew(side);
    around_.log.write(fenced ? LogLevel::info : LogLevel::warning, "the follower took writes inside the database, and is fenced now",
                      {{"pair", std::string_view(options_.pair)}, {"side", routing::name_of(side)}, {"done", fenced ? "yes" : "not yet"}});
  }
  around_.databases.rest();
  lock.lock();
  // Whoever cannot be asked for want of a login never can.
  const bool is_hopeless = !fenced && fenced.error().code == protocol::ErrorCode::configuration_invalid;
  if (!fenced && !is_hopeless) fence_look_at_ = Clock::now() + fence_look_interval;
}

/// Under mutex_: an operator has said who has the authority.
void Controller::take_claim(std::unique_lock<std::mutex>& lock) {
  AuthorityRecord claimed = record_;
  claimed.authority = *std::exchange(claim_, std::nullopt);
  claimed.target = claimed.authority;
  claimed.remains = SwitchoverRemains::nothing;
  claimed.since_ms = wall_ms();
  claimed.is_fenced[claimed.authority] = false;
  lock.unlock();
  claimed.epoch = std::max(claimed.epoch, around_.traffic.epoch()) + 1;
  const Told written = write(claimed);
  Told opened = open(claimed.authority, Clock::now() + options_.terms.undo);
  lock.lock();
  if (written.outcome != SwitchoverOutcome::done) {
    trouble_ = written.words;
    return;
  }
  if (opened.outcome != SwitchoverOutcome::done) {
    around_.log.write(LogLevel::error, "the side with the authority may still refuse writes inside the database",
                      {{"pair", std::string_view(options_.pair)}, {"cause", std::string_view(opened.words)}});
  }
  trouble_.clear();
  record_ = claimed;
  machine_.settle_on(claimed.authority);
  lock.unlock();
  static_cast<void>(around_.traffic.publish(claimed.authority, claimed.epoch));
  static_cast<void>(around_.sync.turn(claimed.authority));
  static_cast<void>(around_.traffic.release());
  lock.lock();
}

}  // namespace proxy::switchover
