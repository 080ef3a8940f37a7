#pragma once

#include "proxy/cli/demo/demo.hpp"

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace proxy::cli {

struct RunOptions {
  std::string path;        ///< of the configuration
  std::string ready_file;  ///< where to write the addresses that are listened on, once they are; empty: nowhere
  /// Fresh, or in place of the process that runs and gives up its sockets.
  enum class Beginning : std::uint8_t { fresh, takeover };
  Beginning beginning = Beginning::fresh;
  std::string switchover_halt = {};  ///< for tests of crashes: where a switchover ends the process; empty: nowhere
};

/// What the composition root can do and this folder must not know of. Each returns the exit code.
struct Commands {
  std::function<int(const RunOptions& options)> run;  ///< serve until told to stop
  std::function<int(const std::string& path)> check;  ///< tell all that is wrong with a configuration
  std::function<int(const DemoOptions& options)> demo;
  /// As `check`, and whether both sides hold what each user's login can show them.
  std::function<int(const std::string& path)> check_users = {};
};

/// What surrounds the process.
struct Terminal {
  std::ostream& out;
  std::ostream& complaints;
  std::string token;  ///< CROSSFADE_TOKEN of the environment; empty: none
};

/// Reads the command line, does what it says and returns the exit code (exit_code.hpp). Never throws for bad
/// input. `argv` as given to main().
[[nodiscard]] int run_command_line(int argc, const char* const* argv, const Commands& commands, const Terminal& terminal);

}  // namespace proxy::cli
