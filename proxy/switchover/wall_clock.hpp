#pragma once

#include <chrono>
#include <cstdint>

namespace proxy::switchover {

/// Milliseconds since 1970, as records that outlive the process have them.
inline std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace proxy::switchover
