#include "proxy/cli/demo/child_process.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/demo/scratch_directory.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

namespace proxy::cli {
namespace {

/// A server that is asked to go at once needs milliseconds; after this it is stuck.
constexpr std::chrono::milliseconds stop_grace{5000};

/// Ready before the fork: between fork and exec only async-signal-safe calls are allowed.
struct Launch {
  std::vector<char*> argv;
  const Account* account = nullptr;
  const char* directory = nullptr;
  int output = -1;
  int input = -1;
  int failure_pipe = -1;
  int death_signal = SIGTERM;
  pid_t parent = -1;
};

[[noreturn]] void report_and_exit(const Launch& launch) {
  const int reason = errno;
  [[maybe_unused]] const auto written = ::write(launch.failure_pipe, &reason, sizeof reason);
  ::_exit(127);
}

[[noreturn]] void run_child(const Launch& launch) {
  ::setsid();
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(launch.input, STDIN_FILENO) < 0 || ::dup2(launch.output, STDOUT_FILENO) < 0 ||
      ::dup2(launch.output, STDERR_FILENO) < 0) {
    report_and_exit(launch);
  }
  if (launch.account != nullptr) {
    const gid_t group = launch.account->gid;
    if (::setgroups(1, &group) != 0 || ::setgid(group) != 0 || ::setuid(launch.account->uid) != 0) {
      report_and_exit(launch);
    }
  }
  // After setuid, which clears it. Source: prctl(2), PR_SET_PDEATHSIG.
  if (::prctl(PR_SET_PDEATHSIG, launch.death_signal) != 0) report_and_exit(launch);
  if (::getppid() != launch.parent) ::_exit(127);
  if (::chdir(launch.directory) != 0) report_and_exit(launch);
  ::execv(launch.argv[0], launch.argv.data());
  report_and_exit(launch);
}

}  // namespace

ChildProcess::ChildProcess(Command command) : command_(std::move(command)) {
  const FileDescriptor output(::open(command_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  const FileDescriptor input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  int ends[2];
  if (!output.is_open() || !input.is_open() || ::pipe2(ends, O_CLOEXEC) != 0) {
    throw DemoFailure("cannot prepare the start of " + command_.name + ": " + std::strerror(errno));
  }
  FileDescriptor failure_read(ends[0]);
  FileDescriptor failure_write(ends[1]);

  Launch launch;
  for (std::string& argument : command_.argv) launch.argv.push_back(argument.data());
  launch.argv.push_back(nullptr);
  if (command_.account) launch.account = &*command_.account;
  launch.directory = command_.directory.c_str();
  launch.output = output.get();
  launch.input = input.get();
  launch.failure_pipe = failure_write.get();
  launch.death_signal = command_.stop_signal;
  launch.parent = ::getpid();

  pid_ = ::fork();
  if (pid_ == 0) run_child(launch);
  if (pid_ < 0) throw DemoFailure("cannot start " + command_.name + ": " + std::strerror(errno));
  failure_write.reset();
  int reason = 0;
  if (::read(failure_read.get(), &reason, sizeof reason) == static_cast<ssize_t>(sizeof reason)) {
    static_cast<void>(reap());
    throw DemoFailure("cannot start " + command_.name + " (" + command_.argv[0] + "): " + std::strerror(reason));
  }
  // By number: the C library of some supported systems has no wrapper yet.
  exit_descriptor_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!exit_descriptor_.is_open()) {
    ::kill(pid_, SIGKILL);
    static_cast<void>(reap());
    throw DemoFailure("no pidfd_open on this system");
  }
}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, command_.stop_signal);
  pollfd wait{exit_descriptor_.get(), POLLIN, 0};
  const auto deadline = DemoClock::now() + stop_grace;
  int ready = -1;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - DemoClock::now());
    ready = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) ::kill(pid_, SIGKILL);
  static_cast<void>(reap());
}

bool ChildProcess::has_ended() const {
  pollfd wait{exit_descriptor_.get(), POLLIN, 0};
  return pid_ < 0 || ::poll(&wait, 1, 0) > 0;
}

std::string ChildProcess::reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) return std::string("was ended by signal ") + ::strsignal(WTERMSIG(status));
  if (WEXITSTATUS(status) == 0) return {};
  return "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

std::string ChildProcess::complaint(const std::string& what) const {
  const std::string tail = last_lines(command_.log, 15);
  return command_.name + " " + what + (tail.empty() ? "" : "; the end of its log:\n" + tail);
}

void ChildProcess::expect_success(StopSignals& signals, DemoClock::time_point deadline) {
  if (!signals.wait_readable(exit_descriptor(), deadline)) throw DemoFailure(complaint("takes too long"));
  const std::string ending = reap();
  if (!ending.empty()) throw DemoFailure(complaint(ending));
}

}  // namespace proxy::cli
