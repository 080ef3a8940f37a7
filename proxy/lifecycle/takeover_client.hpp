#pragma once

#include "protocol/base/result.hpp"
#include "proxy/lifecycle/inherited_sockets.hpp"
#include "proxy/lifecycle/takeover_state.hpp"
#include "proxy/net/file_descriptor.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace proxy::lifecycle {

/// A process whose sessions still live: cancel requests for them are passed on to it.
struct Predecessor {
  std::uint32_t tag = 0;      ///< in its cancel keys
  net::FileDescriptor line;   ///< see send_cancel()
};

/// The new process's side of a takeover. Until it accepts, the running process goes on as if nothing happened, whatever
/// becomes of this one.
///
///     connect(): receives sockets and state
///     ask_to_go() --prepared--> go
///     tell_accepting(): the running process stops accepting and finishes its sessions
class TakeoverClient {
 public:
  /// Blocks up to the time that the running process takes for its answer, at most `timeout`. Errors: as connect_to() and
  /// receive_message(); access_denied when the process on the path is another user's, or refuses.
  [[nodiscard]] static protocol::Result<TakeoverClient> connect(const std::string& path, std::chrono::milliseconds timeout);

  /// Everything is made and could begin. Fails when the running process has given up on this one.
  [[nodiscard]] protocol::Status ask_to_go();
  /// Returns when the running process accepts nothing more, or has taken too long for that.
  [[nodiscard]] protocol::Status tell_accepting();

  InheritedSockets sockets;           ///< by the names of pairs, and "admin"
  net::FileDescriptor control;        ///< listens on `path` for the next takeover
  net::FileDescriptor state_lock;     ///< not open: the running process has no state
  std::vector<PairState> states;
  std::vector<Predecessor> predecessors;
  std::uint32_t running_tag = 0;

 private:
  net::FileDescriptor line_;
  std::chrono::milliseconds timeout_{};
};

}  // namespace proxy::lifecycle
