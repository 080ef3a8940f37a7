#include "proxy/app.hpp"

#include "config/load.hpp"
#include "config/problem.hpp"
#include "proxy/app_log.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

// Reading the configuration again while everything runs.
namespace proxy {

using protocol::Blame;
using protocol::ErrorCode;

namespace {

bool is_same_door(const std::optional<config::Admin>& left, const std::optional<config::Admin>& right) {
  return left && right && left->listen == right->listen;
}

/// What is fixed when the process starts stays as it is, whatever the file says by now.
config::Settings with_fixed_values(config::Settings wanted, const config::Settings& in_force) {
  wanted.worker_count = in_force.worker_count;
  wanted.log.format = in_force.log.format;
  wanted.limits.statement_cache_entries = in_force.limits.statement_cache_entries;
  wanted.takeover.socket = in_force.takeover.socket;
  wanted.state = in_force.state;
  for (config::Pair& pair : wanted.pairs) {
    for (const config::Pair& before : in_force.pairs) {
      if (before.name != pair.name) continue;
      pair.console = before.console;
      pair.switchover = before.switchover;
      pair.mirror = before.mirror;
      pair.health.rise = before.health.rise;
      pair.health.fall = before.health.fall;
    }
  }
  // Whether a token is needed depends on the address, so the one is not changed without the other.
  if (!is_same_door(wanted.admin, in_force.admin)) wanted.admin = in_force.admin;
  return wanted;
}

std::vector<std::string> lines_of(const std::vector<config::Problem>& problems) {
  std::vector<std::string> lines;
  for (const config::Problem& problem : problems) lines.push_back(config::format_problem(problem));
  return lines;
}

}  // namespace

admin::ReloadOutcome App::reload(admin::ReloadMode mode) {
  {
    const std::lock_guard lock(control_mutex_);
    bury_retired();
  }
  return reload_now(mode);
}

/// Also called by a console, which must not be the one to bury itself.
admin::ReloadOutcome App::reload_now(admin::ReloadMode mode) {
  const std::lock_guard lock(control_mutex_);
  admin::ReloadOutcome outcome;
  if (const auto refusal = refusal_of_changes()) {
    outcome.problems.push_back(refusal->detail);
    return outcome;
  }
  if (is_switching("")) {
    outcome.problems.push_back("a switchover is under way; nothing else is changed meanwhile");
    return outcome;
  }
  config::Outcome read = config::load(path_);
  outcome.problems = lines_of(read.problems);
  protocol::Status status;
  if (read.settings) {
    for (const config::Difference& each : config::differences(outline_, read.outline)) {
      outcome.changes.push_back({std::string(config::name_of(each.kind)), each.path, each.before, each.after,
                                 each.effect == config::Difference::Effect::by_restart});
      const bool is_of_door = each.path.starts_with("admin.") && !is_same_door(read.settings->admin, settings_->admin);
      if (is_of_door) outcome.changes.back().needs_restart = true;
    }
    const auto wanted = std::make_shared<const config::Settings>(with_fixed_values(*std::move(read.settings), *settings_));
    protocol::Result<std::vector<Step>> steps = prepare_steps(wanted);
    if (!steps) {
      status = steps.error();
    } else if (mode == admin::ReloadMode::rehearse) {
      outcome.verdict = admin::ReloadOutcome::Verdict::rehearsed;
    } else {
      status = carry_out(*std::move(steps), wanted);
      if (status) {
        outline_ = std::move(read.outline);
        outcome.verdict = admin::ReloadOutcome::Verdict::applied;
      }
    }
  }
  if (!status) outcome.problems.push_back(path_ + ": error: " + status.error().detail);
  report(outcome);
  return outcome;
}

/// Everything that can go wrong does so here, while nothing has changed.
protocol::Result<std::vector<App::Step>> App::prepare_steps(const std::shared_ptr<const config::Settings>& wanted) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < wanted->pairs.size(); ++i) {
    const PairSettings settings = settings_of(wanted, i);
    const auto place = std::find_if(pairs_.begin(), pairs_.end(),
                                    [&](const auto& pair) { return pair->name() == settings.pair->name; });
    Step& step = steps.emplace_back();
    step.is_new = place == pairs_.end();
    step.pair = step.is_new ? make_pair(settings) : *place;
    protocol::Result<AppPair::Prepared> prepared = step.pair->prepare(
        settings, [](const std::string&, const net::ListenerOptions& options) { return net::Listener::bind(options); });
    if (!prepared) {
      return protocol::failure(prepared.error().code, prepared.error().blame,
                               "`pairs." + settings.pair->name + "`: " + prepared.error().detail);
    }
    step.prepared = *std::move(prepared);
  }
  return steps;
}

/// Fails only when a worker does not answer for so long that new pairs cannot be made.
protocol::Status App::carry_out(std::vector<Step> steps, const std::shared_ptr<const config::Settings>& wanted) {
  const AppPair::OnWorkers on_workers = [this](const auto& task) { return ask_workers(task); };
  for (Step& step : steps) {
    if (!step.is_new) continue;
    give_console(*step.pair);
    give_switchover(*step.pair);
    if (protocol::Status opened = step.pair->open(std::move(step.prepared), on_workers); !opened) {
      retired_.push_back(step.pair);  // its parts may yet come to be
      return opened;
    }
    for (const auto& each : switchovers_) {
      if (&each->pair() == step.pair.get()) each->start();
    }
  }
  Pairs pairs;
  for (Step& step : steps) {
    if (!step.is_new) step.pair->apply(std::move(step.prepared), on_workers);
    static_cast<void>(keep_weights(*step.pair));
    pairs.push_back(step.pair);
  }
  retire_pairs(pairs);
  pairs_ = std::move(pairs);
  log_.set_level(log_level_from(wanted->log.level));
  if (admin_) {
    std::vector<std::string> tokens;
    if (wanted->admin->token) tokens.push_back(wanted->admin->token->reveal());
    admin_->set_tokens(std::move(tokens));
  }
  settings_ = wanted;
  return {};
}

/// No new clients for pairs that are gone; their sessions end at their next boundary.
void App::retire_pairs(const Pairs& kept) {
  for (const std::shared_ptr<AppPair>& pair : pairs_) {
    if (std::find(kept.begin(), kept.end(), pair) != kept.end()) continue;
    ask_workers([pair](std::size_t index) {
      if (index == 0) pair->stop_listening();
    });
    ask_workers([pair](std::size_t index) { pair->stop_sessions(index, session::Session::Stop::when_idle); });
    retired_.push_back(pair);
  }
}

/// Pairs without sessions leave the workers, and then the memory. Work of theirs that was posted has run before.
void App::bury_retired() {
  std::erase_if(retired_, [this](const std::shared_ptr<AppPair>& pair) {
    const auto sessions = std::make_shared<std::atomic<std::size_t>>(0);
    if (!ask_workers([pair, sessions](std::size_t index) { *sessions += pair->session_count(index); })) return false;
    if (*sessions != 0) return false;
    if (is_switching(pair->name())) return false;
    std::erase_if(switchovers_, [&pair](const auto& each) { return &each->pair() == pair.get(); });
    std::erase_if(consoles_, [&pair](const auto& console) { return &console->pair() == pair.get(); });
    pair->stop_asking();
    return ask_workers([pair](std::size_t index) { pair->close_on(index); });
  });
}

void App::report(const admin::ReloadOutcome& outcome) {
  const bool is_refused = outcome.verdict == admin::ReloadOutcome::Verdict::refused;
  for (const std::string& problem : outcome.problems) {
    log_.write(is_refused ? telemetry::LogLevel::error : telemetry::LogLevel::warning, "the configuration was read again",
               {{"problem", std::string_view(problem)}});
  }
  if (is_refused) {
    log_.write(telemetry::LogLevel::error, "the configuration was not reloaded, nothing has changed", {});
    return;
  }
  if (outcome.verdict == admin::ReloadOutcome::Verdict::rehearsed) return;
  for (const admin::SettingChange& change : outcome.changes) {
    log_.write(change.needs_restart ? telemetry::LogLevel::warning : telemetry::LogLevel::info,
               change.needs_restart ? "a changed setting needs a restart, it stays as it was" : "a setting has changed",
               {{"key", std::string_view(change.path)}, {"kind", std::string_view(change.kind)},
                {"before", std::string_view(change.before)}, {"after", std::string_view(change.after)}});
  }
  log_.write(telemetry::LogLevel::info, "the configuration was reloaded",
             {{"changes", static_cast<std::uint64_t>(outcome.changes.size())}});
}

}  // namespace proxy
