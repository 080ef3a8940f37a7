#pragma once

#include "proxy/cli/demo/account.hpp"
#include "proxy/cli/demo/file_descriptor.hpp"
#include "proxy/cli/demo/stop_signals.hpp"

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace proxy::cli {

/// What to start, without a shell.
struct Command {
  std::string name;                   ///< for messages
  std::vector<std::string> argv;      ///< argv[0] is the path of the program
  std::optional<Account> account;     ///< whom to run as; else this process's user
  std::filesystem::path directory;    ///< working directory
  std::filesystem::path log;          ///< both outputs are appended here
  int stop_signal = SIGTERM;          ///< asks the process to end; also sent when this process dies
};

/// A process of ours, in a session of its own so that a Ctrl-C on the terminal reaches only us, who then
/// take down everything in order. It does not outlive this object, nor this process.
/// Make it on the main thread: the kernel ties its life to the thread that made it.
class ChildProcess {
 public:
  /// Throws DemoFailure when the program cannot be started.
  explicit ChildProcess(Command command);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Sends the stop signal, waits `stop_grace`, then kills.
  ~ChildProcess();

  [[nodiscard]] const Command& command() const { return command_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Readable once the process has ended.
  [[nodiscard]] int exit_descriptor() const { return exit_descriptor_.get(); }
  [[nodiscard]] bool has_ended() const;

  /// Waits for its end. Throws Interrupted, or DemoFailure (with the end of its log) when it fails or does
  /// not end before the deadline.
  void expect_success(StopSignals& signals, DemoClock::time_point deadline);
  /// A failure of this process in words, with the end of its log.
  [[nodiscard]] std::string complaint(const std::string& what) const;

 private:
  /// How the process ended, in words; empty after exit code 0. Waits for it.
  [[nodiscard]] std::string reap();

  Command command_;
  pid_t pid_ = -1;  ///< -1 once it has been waited for
  FileDescriptor exit_descriptor_;
};

}  // namespace proxy::cli
