#pragma once

#include "proxy/cli/command_line.hpp"

#include <string>

namespace proxy {

/// `crossfade run`: reads the configuration, serves, and ends in order on SIGTERM or SIGINT (a second one ends at
/// once). Returns the exit code.
[[nodiscard]] int serve(const cli::RunOptions& options);
/// `crossfade check`: tells all that is wrong with a configuration. Returns the exit code.
[[nodiscard]] int check_configuration(const std::string& path);
/// `crossfade check --users`: the same, and then whether both sides hold what each user's login can show them.
[[nodiscard]] int check_configuration_and_users(const std::string& path);

}  // namespace proxy
