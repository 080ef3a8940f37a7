#include "proxy/cli/demo/demo.hpp"

#include "proxy/cli/demo/failure.hpp"
#include "proxy/cli/demo/story.hpp"

#include <signal.h>

#include <ostream>

namespace proxy::cli {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_by_signal = 128;

/// A stop signal is the ordinary end here, unlike in the middle of the story.
void hold_until_stopped(Story& story) {
  try {
    story.hold();
  } catch (const Interrupted&) {
  }
}

int play(const DemoOptions& options, StopSignals& signals, std::ostream& out) {
  Story story(options, signals, out);
  story.raise_servers();
  story.start_proxy();
  const bool is_as_promised = story.move_traffic().empty();
  if (!is_as_promised) return exit_failed;
  if (options.ending == DemoEnding::hold) hold_until_stopped(story);
  return 0;
}

}  // namespace

int run_demo(const DemoOptions& options, std::ostream& out, std::ostream& complaints) {
  // A reader of the output that goes away is noticed at the next line, not by being killed in mid-work.
  ::signal(SIGPIPE, SIG_IGN);
  try {
    StopSignals signals;
    return play(options, signals, out);
  } catch (const Interrupted& interrupted) {
    out << "\n  stopped; nothing is left behind\n" << std::flush;
    return exit_by_signal + interrupted.signal();
  } catch (const std::exception& failure) {
    complaints << "crossfade demo: " << failure.what() << '\n' << std::flush;
    return exit_failed;
  }
}

}  // namespace proxy::cli
