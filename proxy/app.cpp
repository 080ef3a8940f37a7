#include "proxy/app.hpp"

#include "proxy/app_pair_options.hpp"
#include "proxy/app_countdown.hpp"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

namespace proxy {

using protocol::Blame;
using protocol::ErrorCode;
using routing::Side;

namespace {

/// One per core but one: nine tenths of a transaction's CPU are spent in the kernel, partly on cores of its choice,
/// and a second worker on the last core buys more wake-ups than work. tests/bench/README.md has the figures.
std::uint32_t default_worker_count() {
  const std::uint32_t cores = std::max(2U, std::thread::hardware_concurrency());
  return std::min(64U, cores - 1);
}

void tell_health(const backend::SideReport& report, admin::SideStatus& told) {
  told.health = name_of(report.state);
  if (report.reason) told.health_reason = name_of(*report.reason);
  told.health_for = std::chrono::duration_cast<std::chrono::seconds>(runtime::Clock::now() - report.since);
  told.server_version = report.traits.version;
  told.is_in_recovery = report.traits.is_in_recovery;
  told.is_read_only = report.traits.is_read_only;
}

void count_health(const backend::SideReport& report, admin::SideMetrics& metrics) {
  metrics.is_up = report.state == backend::HealthState::down ? 0 : 1;
  metrics.health_changes_total = report.transitions;
  metrics.probes_failed_total = report.failed_probes;
}

}  // namespace

App::App(config::Outcome configuration, std::string path, telemetry::Log& log)
    : path_(std::move(path)),
      settings_(std::make_shared<const config::Settings>(*std::move(configuration.settings))),
      outline_(std::move(configuration.outline)),
      log_(log),
      started_(std::chrono::steady_clock::now()) {}

App::~App() {
  if (admin_) admin_->stop();
  stop_switchovers();
  stop_workers();
}

PairSettings App::settings_of(const std::shared_ptr<const config::Settings>& settings, std::size_t index) const {
  return {std::shared_ptr<const config::Pair>(settings, &settings->pairs[index]),
          std::shared_ptr<const config::Limits>(settings, &settings->limits)};
}

std::shared_ptr<AppPair> App::make_pair(const PairSettings& settings) {
  return std::make_shared<AppPair>(settings, AppPair::Surroundings{workers_, names_, nonces_, clients_open_, held_bytes_, log_, process_tag_, predecessors_});
}

/// Before the pair is open.
void App::give_console(AppPair& pair) {
  if (!pair.settings().pair->console) return;
  consoles_.push_back(std::make_unique<AppConsole>(*this, pair, log_));
  pair.set_console(consoles_.back()->door());
}

protocol::Status App::prepare(lifecycle::InheritedSockets& sockets, Inheritance inheritance) {
  if (protocol::Status chosen = choose_tag(inheritance); !chosen) return chosen;
  if (protocol::Status opened = open_state(std::move(inheritance.state_lock)); !opened) return opened;
  predecessors_ = std::move(inheritance.predecessors);
  const std::uint32_t worker_count = settings_->worker_count.value_or(default_worker_count());
  for (std::uint32_t i = 0; i < worker_count; ++i) {
    workers_.push_back(std::make_unique<runtime::Worker>("worker-" + std::to_string(i)));
  }
  // The workers do not run yet, so their things may be touched here.
  const AppPair::OnWorkers on_workers = [this](const std::function<void(std::size_t)>& task) {
    for (std::size_t i = 0; i < workers_.size(); ++i) task(i);
    return true;
  };
  const AppPair::Bind bind = [&sockets](const std::string& name, const net::ListenerOptions& options) {
    net::FileDescriptor socket = sockets.take(name, options.endpoint.host, options.endpoint.port);
    if (!socket.is_open()) return net::Listener::bind(options);
    net::apply_tcp_options(socket.get(), options.tcp);
    return protocol::Result<net::FileDescriptor>(std::move(socket));
  };
  for (std::size_t i = 0; i < settings_->pairs.size(); ++i) {
    const PairSettings settings = settings_of(settings_, i);
    pairs_.push_back(make_pair(settings));
    AppPair& pair = *pairs_.back();
    remember_weights(pair);
    for (const lifecycle::PairState& state : inheritance.states) {
      if (state.pair == pair.name()) pair.continue_plan(lifecycle::history_from(state, settings.pair->plan));
    }
    give_console(pair);
    give_switchover(pair);
    protocol::Result<AppPair::Prepared> prepared = pair.prepare(settings, bind);
    protocol::Status opened;
    if (!prepared) opened = prepared.error();
    if (prepared) opened = pair.open(*std::move(prepared), on_workers);
    if (!opened) {
      return protocol::failure(opened.error().code, opened.error().blame,
                               "pair " + pair.name() + ": " + opened.error().detail);
    }
  }
  return open_admin(sockets);
}

protocol::Status App::open_admin(lifecycle::InheritedSockets& sockets) {
  if (!settings_->admin) return {};
  const config::ListenAddress& listen = settings_->admin->listen;
  admin::AdminOptions options;
  options.listen_host = listen.host;
  options.listen_port = listen.port;
  if (settings_->admin->token) options.tokens.push_back(settings_->admin->token->reveal());
  net::FileDescriptor socket = sockets.take("admin", listen.host, listen.port);
  if (socket.is_open()) options.listening_socket = socket.release();
  admin_ = std::make_unique<admin::AdminServer>(std::move(options), *this, log_);
  const protocol::Result<std::uint16_t> port = admin_->open();
  if (!port) return port.error();
  admin_text_ = endpoint_text(listen.host, *port);
  return {};
}

void App::begin() {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->start({}, [this, i] {
      for (const std::shared_ptr<AppPair>& pair : all_pairs()) pair->close_on(i);
    });
  }
  start_switchovers();
  if (admin_) {
    admin_->serve();
    log_.write(telemetry::LogLevel::info, "the admin endpoint listens", {{"address", std::string_view(admin_text_)}});
  }
  for (const std::shared_ptr<AppPair>& pair : pairs_) {
    const std::string listen = pair->listen_text();
    log_.write(telemetry::LogLevel::info, "a pair is open for clients",
               {{"pair", std::string_view(pair->name())}, {"address", std::string_view(listen)}});
  }
}

App::Pairs App::all_pairs() const {
  Pairs all = pairs_;
  all.insert(all.end(), retired_.begin(), retired_.end());
  return all;
}

std::string App::ready_text() const {
  // Names of pairs are plain words and addresses have nothing to escape: see config/README.md.
  std::string text = "{\"admin\": " + (admin_text_.empty() ? "null" : "\"" + admin_text_ + "\"") + ", \"pairs\": {";
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    text += (i == 0 ? "\"" : ", \"") + pairs_[i]->name() + "\": \"" + pairs_[i]->listen_text() + "\"";
  }
  return text + "}}\n";
}

bool App::ask_workers(const std::function<void(std::size_t)>& task) {
  // The task may come to run after this call gave up, so what it needs must be its own.
  const auto countdown = std::make_shared<Countdown>(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->loop().post([task, countdown, i] {
      task(i);
      countdown->count_down();
    });
  }
  return countdown->wait(acknowledge_timeout);
}

void App::drain(const std::function<bool()>& is_impatient) {
  log_.write(telemetry::LogLevel::info, "shutting down", {});
  is_draining_ = true;
  stop_switchovers();
  Pairs pairs;
  std::chrono::milliseconds patience{};
  {
    const std::lock_guard lock(control_mutex_);
    pairs = all_pairs();
    patience = settings_->limits.shutdown_timeout;
  }
  workers_.front()->loop().post([pairs] {
    for (const std::shared_ptr<AppPair>& pair : pairs) pair->stop_listening();
  });
  const auto stop_all = [this, &pairs](session::Session::Stop when) {
    ask_workers([pairs, when](std::size_t index) {
      for (const std::shared_ptr<AppPair>& pair : pairs) pair->stop_sessions(index, when);
    });
  };
  stop_all(session::Session::Stop::when_idle);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (clients_open_.load() != 0 && !is_impatient() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  stop_all(session::Session::Stop::now);
  ask_workers([](std::size_t) {});  // one more turn of every loop: the last words leave
  if (admin_) admin_->stop();
  stop_workers();
}

void App::stop_workers() {
  for (const std::unique_ptr<AppConsole>& console : consoles_) console->stop();
  for (const std::unique_ptr<runtime::Worker>& worker : workers_) worker->stop();
  for (const std::unique_ptr<runtime::Worker>& worker : workers_) worker->join();
}

AppPair* App::find_pair(const std::string& name) const {
  const auto place =
      std::find_if(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair->name() == name; });
  return place == pairs_.end() ? nullptr : place->get();
}

protocol::Error App::unknown_pair(const std::string& name) const {
  std::string known;
  for (const std::shared_ptr<AppPair>& pair : pairs_) known += (known.empty() ? "" : ", ") + pair->name();
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                           "no pair is named \"" + name + "\"; there are: " + known);
}

std::vector<admin::PairMetrics> App::metrics() {
  const std::lock_guard lock(control_mutex_);
  return count();
}

std::vector<admin::PairMetrics> App::count() {
  struct Sums {
    std::mutex mutex;
    std::vector<admin::PairMetrics> pairs;
  };
  const auto sums = std::make_shared<Sums>();
  for (const std::shared_ptr<AppPair>& pair : pairs_) {
    sums->pairs.emplace_back();
    sums->pairs.back().pair = pair->name();
  }
  ask_workers([pairs = pairs_, sums](std::size_t index) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const admin::PairMetrics part = pairs[i]->worker(index).metrics();
      const std::lock_guard lock(sums->mutex);
      telemetry::add(sums->pairs[i], part);
    }
  });
  const std::lock_guard sums_lock(sums->mutex);
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    sums->pairs[i].types_differing = pairs_[i]->type_report().total;
    for (const Side side : routing::both_sides) count_health(pairs_[i]->health().report(side), sums->pairs[i].sides[side]);
  }
  return sums->pairs;
}

admin::Status App::status() {
  const std::lock_guard lock(control_mutex_);
  bury_retired();
  admin::Status status;
  status.version = CROSSFADE_VERSION;
  status.uptime = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_);
  status.worker_count = static_cast<std::uint32_t>(workers_.size());
  const std::vector<admin::PairMetrics> counted = count();
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    AppPair& pair = *pairs_[i];
    admin::PairStatus& told = status.pairs.emplace_back();
    told.name = pair.name();
    told.dialect = "postgres";
    told.listen = pair.listen_text();
    told.clients = counted[i].clients_open;
    told.plan = pair.history().current();
    told.has_previous_plan = pair.history().previous() != nullptr;
    told.pins = counted[i].pins;
    told.hold = pair.hold().snapshot();
    told.sessions_working = counted[i].sessions_working;
    told.sessions_held = counted[i].sessions_held;
    told.held_bytes = counted[i].held_bytes;
    told.types_differing = counted[i].types_differing;
    for (const Side side : routing::both_sides) {
      const admin::SideMetrics& metrics = counted[i].sides[side];
      const config::EndpointAddress endpoint = pair.settings().pair->endpoints[side];
      told.sides[side].endpoint =
          endpoint.host.starts_with('/') ? endpoint.host : endpoint_text(endpoint.host, endpoint.port);
      told.sides[side].connections = metrics.connections_open;
      for (const std::uint64_t requests : metrics.requests_total) told.sides[side].requests += requests;
      told.sides[side].errors = metrics.errors_total.total();
      tell_health(pair.health().report(side), told.sides[side]);
    }
  }
  return status;
}

bool App::is_ready() {
  if (is_draining_) return false;
  const std::lock_guard lock(control_mutex_);
  const bool can_serve = std::all_of(pairs_.begin(), pairs_.end(), [](const std::shared_ptr<AppPair>& pair) {
    return !pair->health().is_down(Side::blue) || !pair->health().is_down(Side::green);
  });
  return can_serve && ask_workers([](std::size_t) {});
}

protocol::Result<routing::Rule> App::rule(const std::string& pair_name, const std::string& rule_name) {
  const std::lock_guard lock(control_mutex_);
  AppPair* pair = find_pair(pair_name);
  if (pair == nullptr) return unknown_pair(pair_name);
  const routing::PlanSnapshot plan = pair->history().current();
  std::string known;
  for (const routing::Rule& rule : plan->rules) {
    if (rule.name == rule_name) return rule;
    known += (known.empty() ? "" : ", ") + rule.name;
  }
  return protocol::failure(ErrorCode::configuration_invalid, Blame::operator_,
                           "pair " + pair_name + " has no rule \"" + rule_name + "\"; it has: " + known);
}

admin::PlanChange App::publish(AppPair& pair, routing::PlanSnapshot plan) {
  const auto begin = std::chrono::steady_clock::now();
  pair.publisher().publish(plan);
  const std::uint64_t epoch = plan->epoch;
  admin::PlanChange change;
  change.is_acknowledged_by_all =
      ask_workers([&pair, epoch](std::size_t index) { static_cast<void>(pair.worker(index).acknowledge(epoch)); });
  change.acknowledged_after =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  change.plan = std::move(plan);
  change.is_durable = keep_weights(pair);
  return change;
}

protocol::Result<admin::PlanChange> App::set_weights(const std::string& pair_name, const std::string& rule_name,
                                                     routing::Weights reads) {
  const std::lock_guard lock(control_mutex_);
  if (auto refusal = refusal_of_weights(pair_name)) return *refusal;
  AppPair* pair = find_pair(pair_name);
  if (pair == nullptr) return unknown_pair(pair_name);
  protocol::Result<routing::Plan> plan = routing::with_weights(*pair->history().current(), rule_name, reads);
  if (!plan) return plan.error();
  return publish(*pair, pair->history().publish(std::move(*plan)));
}

protocol::Result<admin::PlanChange> App::rollback(const std::string& pair_name) {
  const std::lock_guard lock(control_mutex_);
  if (auto refusal = refusal_of_weights(pair_name)) return *refusal;
  AppPair* pair = find_pair(pair_name);
  if (pair == nullptr) return unknown_pair(pair_name);
  protocol::Result<routing::PlanSnapshot> plan = pair->history().rollback();
  if (!plan) return plan.error();
  return publish(*pair, std::move(*plan));
}

}  // namespace proxy
