#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>

namespace proxy::cli {

/// What the demo does after its story.
enum class DemoEnding : std::uint8_t { finish, hold };

struct DemoOptions {
  DemoEnding ending = DemoEnding::finish;
  std::chrono::seconds step{3};  ///< length of each step of the story, 1..3600
  unsigned client_count = 16;    ///< 1..500
  unsigned scale = 5;            ///< of the pgbench tables, 1..1000; 100,000 accounts each
};

/// `crossfade demo`: two throw-away PostgreSQL servers kept equal by this program between them, clients at work, reads and
/// the authority for writes moved to green and back before one's eyes, and every row compared in the end. Nothing of it is left afterwards, however it ends.
/// Call it on the main thread, before any other thread exists. The story goes to `out`, failures to `complaints`.
/// Returns the exit code: 0; 1 when something failed or was not as promised; 128 + signal when it was stopped.
[[nodiscard]] int run_demo(const DemoOptions& options, std::ostream& out, std::ostream& complaints);

}  // namespace proxy::cli
