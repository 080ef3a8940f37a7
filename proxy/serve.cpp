#include "proxy/serve.hpp"

#include "config/load.hpp"
#include "config/problem.hpp"
#include "protocol/postgres/locked_memory.hpp"
#include "proxy/app.hpp"
#include "proxy/app_log.hpp"
#include "proxy/app_users.hpp"
#include "proxy/cli/exit_code.hpp"
#include "proxy/lifecycle/message.hpp"
#include "proxy/lifecycle/supervisor.hpp"
#include "proxy/lifecycle/takeover_client.hpp"
#include "proxy/lifecycle/takeover_server.hpp"
#include "proxy/serve_loop.hpp"
#include "proxy/telemetry/log.hpp"

#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace proxy {

namespace {

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
  options.level = log_level_from(log.level);
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

namespace {

/// What is needed of the running process, if this one is to take its place.
protocol::Result<std::optional<lifecycle::TakeoverClient>> begin_takeover(const cli::RunOptions& options,
                                                                          const config::Takeover& takeover) {
  if (options.beginning == cli::RunOptions::Beginning::fresh) return std::optional<lifecycle::TakeoverClient>();
  if (takeover.socket.empty()) {
    return protocol::failure(protocol::ErrorCode::configuration_invalid, protocol::Blame::operator_,
                             "the configuration names no `takeover.socket`");
  }
  auto client = lifecycle::TakeoverClient::connect(takeover.socket, takeover.start_timeout);
  if (!client) return client.error();
  return std::optional<lifecycle::TakeoverClient>(*std::move(client));
}

/// The socket that the next process comes to: the same one, or a new one where none was handed over.
protocol::Result<net::FileDescriptor> control_socket(const config::Takeover& takeover,
                                                     std::optional<lifecycle::TakeoverClient>& client) {
  if (takeover.socket.empty()) return net::FileDescriptor();
  if (client) return std::move(client->control);
  return lifecycle::listen_at(takeover.socket);
}

/// From the settings to the end.
protocol::Status serve_settings(config::Outcome outcome, const cli::RunOptions& options, const Signals& signals, telemetry::Log& log) {
  const config::Takeover takeover = outcome.settings->takeover;
  const lifecycle::Supervisor supervisor = lifecycle::Supervisor::from_environment();
  lifecycle::InheritedSockets sockets = lifecycle::InheritedSockets::from_environment();
  auto client = begin_takeover(options, takeover);
  if (!client) return client.error();
  Inheritance inheritance;
  if (*client) {
    lifecycle::TakeoverClient& running = **client;
    sockets = std::move(running.sockets);
    inheritance = {std::move(running.states), std::move(running.predecessors), running.running_tag, std::move(running.state_lock)};
  }
  protocol::Result<net::FileDescriptor> control = control_socket(takeover, *client);
  if (!control) return control.error();
  App app(std::move(outcome), options.path, log);
  app.halt_switchover_at(options.switchover_halt);
  if (protocol::Status prepared = app.prepare(sockets, std::move(inheritance)); !prepared) return prepared;
  for (const std::string& name : sockets.drop_rest()) {
    log.write(telemetry::LogLevel::warning, "a socket that was handed over fits no address of the configuration",
              {{"name", std::string_view(name)}});
  }
  if (*client) {
    if (protocol::Status may_go = (*client)->ask_to_go(); !may_go) return may_go;
  }
  app.begin();
  if (*client) {
    if (protocol::Status told = (*client)->tell_accepting(); !told) return told;
    client->reset();
  }
  std::optional<lifecycle::TakeoverServer> next;
  if (control->is_open()) next.emplace(takeover.socket, *std::move(control), takeover.start_timeout);
  if (!options.ready_file.empty()) write_ready_file(options.ready_file, app.ready_text());
  supervisor.tell_ready(app.summary());
  std::vector<std::string> successor_words{"run", "--takeover", options.path};
  if (!options.ready_file.empty()) successor_words.insert(successor_words.end(), {"--ready-file", options.ready_file});
  ServeLoop loop(app, signals, supervisor, next ? &*next : nullptr, std::move(successor_words), log);
  loop.run();
  supervisor.tell_stopping();
  app.drain([&loop] { return loop.is_impatient(); });
  return {};
}

}  // namespace

int serve(const cli::RunOptions& options) {
  config::Outcome outcome = config::load(options.path);
  std::cerr << config::format_problems(outcome.problems);
  if (!outcome.settings) return code(cli::ExitCode::configuration_invalid);
  const Signals signals;
  raise_descriptor_limit();
  telemetry::Log log(log_options_from(outcome.settings->log));
  if (!protocol::postgres::reserve_locked_memory()) {
    log.write(telemetry::LogLevel::info, "keys of logins may be swapped out: the system locks no memory for this process", {});
  }
  try {
    const protocol::Status served = serve_settings(std::move(outcome), options, signals, log);
    if (served) return code(cli::ExitCode::done);
    log.write(telemetry::LogLevel::error, "cannot start", {{"cause", std::string_view(served.error().detail)}});
  } catch (const std::exception& failure) {
    log.write(telemetry::LogLevel::error, "cannot go on", {{"cause", std::string_view(failure.what())}});
  }
  return code(cli::ExitCode::refused);
}

}  // namespace proxy
