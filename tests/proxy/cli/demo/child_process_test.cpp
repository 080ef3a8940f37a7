#include "proxy/cli/demo/child_process.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/demo/scratch_directory.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>

#include <cerrno>
#include <memory>

using proxy::cli::ChildProcess;
using proxy::cli::Command;
using proxy::cli::DemoClock;
using proxy::cli::DemoFailure;
using proxy::cli::Interrupted;
using proxy::cli::StopSignals;

namespace {

constexpr std::chrono::seconds patience{20};

struct Fixture {
  proxy::cli::ScratchDirectory scratch{std::nullopt};
  StopSignals signals;

  [[nodiscard]] Command command(std::vector<std::string> argv) const {
    Command made;
    made.name = "the child";
    made.argv = std::move(argv);
    made.directory = scratch.path();
    made.log = scratch.path() / "log";
    return made;
  }
};

std::string failure_of(ChildProcess& child, StopSignals& signals) {
  try {
    child.expect_success(signals, DemoClock::now() + patience);
  } catch (const DemoFailure& failure) {
    return failure.what();
  }
  return {};
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "child: succeeds → both outputs are in its log") {
  ChildProcess child(command({"/bin/sh", "-c", "echo out; echo err >&2; pwd"}));
  CHECK(failure_of(child, signals).empty());
  CHECK(proxy::cli::last_lines(scratch.path() / "log", 9) == "out\nerr\n" + scratch.path().string());
}

TEST_CASE_FIXTURE(Fixture, "child: fails → its code and the end of its log are told") {
  ChildProcess child(command({"/bin/sh", "-c", "echo why; exit 3"}));
  const std::string told = failure_of(child, signals);
  CHECK(told.find("exit code 3") != std::string::npos);
  CHECK(told.find("why") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "child: crashes → the signal is told") {
  ChildProcess child(command({"/bin/sh", "-c", "kill -SEGV $$"}));
  CHECK(failure_of(child, signals).find("Segmentation fault") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "child: no such program → a failure at once, with the reason") {
  CHECK_THROWS_WITH_AS(ChildProcess(command({"/nonexistent/program"})),
                       doctest::Contains("No such file or directory"), DemoFailure);
}

TEST_CASE_FIXTURE(Fixture, "child: its owner ends → the process is gone and reaped") {
  pid_t pid = -1;
  {
    const ChildProcess child(command({"/bin/sleep", "1000"}));
    pid = child.pid();
    CHECK_FALSE(child.has_ended());
  }
  errno = 0;
  CHECK(::waitpid(pid, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE_FIXTURE(Fixture, "child: runs in a session of its own → a Ctrl-C on our terminal is not its") {
  const ChildProcess child(command({"/bin/sleep", "1000"}));
  // The session is made before exec, and the constructor returns after exec.
  CHECK(::getsid(child.pid()) == child.pid());
}

TEST_CASE_FIXTURE(Fixture, "stop signal: raised while waiting for a child → Interrupted with its number") {
  ChildProcess child(command({"/bin/sleep", "1000"}));
  ::kill(::getpid(), SIGTERM);
  try {
    child.expect_success(signals, DemoClock::now() + patience);
    FAIL("not interrupted");
  } catch (const Interrupted& interrupted) {
    CHECK(interrupted.signal() == SIGTERM);
  }
}

TEST_CASE_FIXTURE(Fixture, "stop signal: a second one during the clean-up → does not kill this process") {
  auto child = std::make_unique<ChildProcess>(command({"/bin/sleep", "1000"}));
  ::kill(::getpid(), SIGINT);
  CHECK_THROWS_AS(signals.check(), Interrupted);
  ::kill(::getpid(), SIGINT);
  child.reset();
}

TEST_CASE_FIXTURE(Fixture, "watched child: ends → the wait ends with a failure that names it") {
  const ChildProcess child(command({"/bin/true"}));
  signals.watch(child.exit_descriptor(), "blue's server");
  CHECK_THROWS_WITH_AS(signals.wait_until(DemoClock::now() + patience), doctest::Contains("blue's server"), DemoFailure);
}

TEST_CASE_FIXTURE(Fixture, "wait: nothing happens → ends at its deadline, not before") {
  const auto deadline = DemoClock::now() + std::chrono::milliseconds(5);
  signals.wait_until(deadline);
  CHECK(DemoClock::now() >= deadline);
}
