#pragma once

namespace proxy::cli {

/// What every command ends with; part of the interface, see README.md. `demo` adds 128 + signal.
enum class ExitCode : int {
  done = 0,
  refused = 1,                ///< asked and refused, or carried out and not as wished
  usage = 2,                  ///< the command line itself is wrong
  unreachable = 3,            ///< no Crossfade answers at the admin address
  configuration_invalid = 4,  ///< the configuration file has errors; nothing was started
};

}  // namespace proxy::cli
