#include "proxy/app_console.hpp"

#include "proxy/app.hpp"
#include "proxy/app_limits.hpp"
#include "proxy/app_pair.hpp"

#include <unistd.h>

#include <csignal>
#include <mutex>
#include <utility>

namespace proxy {

using routing::Side;

namespace {

std::string seconds_text(std::chrono::milliseconds time) {
  const std::string fraction = std::to_string(1000 + time.count() % 1000).substr(1);
  return std::to_string(time.count() / 1000) + (time.count() % 1000 == 0 ? "" : "." + fraction);
}

/// PgBouncer's names where ours mean the same.
console::PairFacts facts_of(const config::Pair& pair, const config::Limits& limits) {
  console::PairFacts facts;
  facts.pair = pair.name;
  facts.listen_host = pair.listen.host;
  facts.listen_port = pair.listen.port;
  for (const Side side : routing::both_sides) facts.sides[side] = {pair.endpoints[side].host, pair.endpoints[side].port};
  facts.pool_mode = pair.pool.mode == config::PoolMode::session ? "session" : "transaction";
  facts.pool_size = pair.pool.size_or_default();
  facts.connections_max = pair.pool.connections_max;
  facts.own_pool = [table = terms_table_from(pair)](const std::string& database, const std::string& user) {
    const session::TermsPointer terms = table.terms_of(user, database);
    const backend::ConnectionTerms connections = terms->connections();
    return console::PairFacts::OwnPool{terms->pooling == session::Pooling::session ? "session" : "transaction", connections.pool_max,
                                       terms->user_connections_max, terms->database_connections_max, connections.pool_min};
  };
  for (const config::User& user : pair.users) {
    if (user.name != config::any_user) facts.users.push_back(user.name);
  }
  facts.settings = {{"client_idle_timeout", seconds_text(pair.limits.client_idle_timeout)},
                    {"client_login_timeout", seconds_text(limits.login_timeout)},
                    {"default_pool_size", std::to_string(facts.pool_size)},
                    {"listen_addr", facts.listen_host},
                    {"listen_port", std::to_string(facts.listen_port)},
                    {"max_client_conn", std::to_string(limits.clients_max)},
                    {"max_db_client_connections", std::to_string(pair.limits.database_clients_max)},
                    {"max_db_connections", std::to_string(pair.limits.database_connections_max)},
                    {"max_user_client_connections", std::to_string(pair.limits.user_clients_max)},
                    {"max_user_connections", std::to_string(pair.limits.user_connections_max)},
                    {"min_pool_size", std::to_string(pair.pool.size_min)},
                    {"pool_mode", facts.pool_mode},
                    {"idle_transaction_timeout", seconds_text(pair.limits.idle_in_transaction_timeout)},
                    {"query_timeout", seconds_text(pair.limits.query_timeout)},
                    {"query_wait_timeout", seconds_text(pair.pool.queue_timeout)},
                    {"server_connect_timeout", seconds_text(limits.connect_timeout)},
                    {"server_idle_timeout", seconds_text(pair.pool.idle_timeout)},
                    {"server_login_retry", seconds_text(pair.pool.login_retry)},
                    {"transaction_timeout", seconds_text(pair.limits.transaction_timeout)},
                    {"connections_max", std::to_string(facts.connections_max)},
                    {"server_lifetime", seconds_text(pair.pool.lifetime)},
                    {"pair", pair.name},
                    {"session_state_bytes_max", std::to_string(limits.session_state_bytes_max)},
                    {"shutdown_timeout", seconds_text(limits.shutdown_timeout)},
                    {"statement_bytes_max", std::to_string(limits.statement_bytes_max)}};
  return facts;
}

console::Desk::Options options_of(const config::Pair& pair) {
  console::Desk::Options options;
  options.pair = pair.name;
  options.databases = pair.console->databases;
  options.admins = pair.console->admins;
  options.viewers = pair.console->viewers;
  return options;
}

}  // namespace

AppConsole::AppConsole(App& app, AppPair& pair, telemetry::Log& log)
    : app_(app), pair_(pair), desk_(std::make_unique<console::Desk>(options_of(*pair.settings().pair), *this, log)) {}

const console::PairFacts& AppConsole::facts() const {
  const PairSettings settings = pair_.settings();
  facts_ = facts_of(*settings.pair, *settings.limits);
  return facts_;
}

console::PairView AppConsole::view() {
  struct Sum {
    std::mutex mutex;
    telemetry::Inventory inventory;
  };
  const auto sum = std::make_shared<Sum>();
  console::PairView view;
  view.is_complete = app_.ask_workers([&pair = pair_, sum](std::size_t index) {
    telemetry::Inventory part = pair.worker(index).inventory();
    const std::lock_guard lock(sum->mutex);
    telemetry::add(sum->inventory, std::move(part));
  });
  const std::lock_guard lock(sum->mutex);
  view.inventory = std::move(sum->inventory);
  view.hold = pair_.hold().snapshot();
  view.plan = pair_.publisher().snapshot();
  view.types = pair_.type_report();
  return view;
}

routing::HoldSnapshot AppConsole::hold() { return pair_.hold().snapshot(); }

void AppConsole::pause(const routing::HoldScope& scope, std::function<void(console::PauseEnd)> on_end) {
  app_.hold(pair_, scope, [on_end = std::move(on_end)](session::DrainOutcome outcome) {
    on_end(outcome == session::DrainOutcome::drained ? console::PauseEnd::paused : console::PauseEnd::released);
  });
}

void AppConsole::resume(const routing::HoldScope& scope) { app_.release(pair_, scope); }

/// What changed is in the log.
protocol::Status AppConsole::reload() {
  const admin::ReloadOutcome outcome = app_.reload_now(admin::ReloadMode::apply);
  if (outcome.verdict == admin::ReloadOutcome::Verdict::applied) return {};
  std::string problems;
  for (const std::string& problem : outcome.problems) problems += (problems.empty() ? "" : "; ") + problem;
  return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                           "nothing was changed: " + problems);
}

/// As SIGTERM does: no new clients, sessions end at their next boundary.
void AppConsole::shut_down() { kill(getpid(), SIGTERM); }

}  // namespace proxy
