#pragma once

#include "proxy/cli/switchover.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

namespace proxy::cli {

/// The commands about switchovers on the command line.
struct SwitchoverWords {
  SwitchoverOrder order;
  std::string audit_path;
  bool is_dry = false;
  bool is_now = false;
  bool is_abort = false;
  std::string verdict;
};

/// What a command is to do with a running proxy; and what it is to do by itself.
using RemoteAction = std::function<int(const Remote&)>;
struct SwitchoverHooks {
  std::function<void(CLI::App&)> add_remote_options;
  std::function<void(RemoteAction)> act_remotely;
  std::function<void(std::function<int()>)> act;
  std::ostream& out;
  std::ostream& complaints;
};

/// `switchover`, `rollback`, `history`, `authority set`, `audit verify`. `words` outlives `app`.
void add_switchover_commands(CLI::App& app, SwitchoverWords& words, const SwitchoverHooks& hooks);

}  // namespace proxy::cli
