#pragma once

#include "proxy/lifecycle/message.hpp"
#include "proxy/net/file_descriptor.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace proxy::lifecycle {

/// The running process's side of a takeover, for a loop that waits on descriptors. One new process at a time; others
/// are refused, as is everybody of another user.
///
///     idle --somebody connects--> preparing (what it needs has been sent)
///     preparing --prepared--> going
///     going --accepting--> handed_over
///     preparing, going --it is gone, takes too long, talks nonsense--> idle
class TakeoverServer {
 public:
  using Clock = std::chrono::steady_clock;
  /// A message to be sent with descriptors that stay their owners'.
  struct Part {
    std::string text;
    std::vector<int> descriptors;
  };
  enum class Event : std::uint8_t { nothing, began, failed, handed_over };

  /// `listening` was made by listen_at(path), or comes from the process before.
  TakeoverServer(std::string path, net::FileDescriptor listening, std::chrono::milliseconds start_timeout);
  /// Removes the path, unless it belongs to somebody else by now.
  ~TakeoverServer();
  TakeoverServer(const TakeoverServer&) = delete;
  TakeoverServer& operator=(const TakeoverServer&) = delete;

  /// Descriptors to wait on, for reading.
  [[nodiscard]] std::vector<int> descriptors() const;
  /// When on_time() wants to be called; nothing: not at all.
  [[nodiscard]] std::optional<Clock::time_point> deadline() const;
  /// One of the descriptors is readable. `parts` says what a new process needs, when one has come; nothing: it is
  /// refused, for the reason in `refusal`.
  using Parts = std::function<std::vector<Part>(std::string& refusal)>;
  [[nodiscard]] Event on_readable(int descriptor, const Parts& parts);
  [[nodiscard]] Event on_time(Clock::time_point now);
  /// After Event::handed_over, when this process accepts nothing more: the new one waits for it before it says that it is ready.
  void tell_left();

  void set_start_timeout(std::chrono::milliseconds timeout) { start_timeout_ = timeout; }
  [[nodiscard]] int listening() const { return listening_.get(); }
  /// Of the new process; 0 before one came.
  [[nodiscard]] long peer_process() const { return peer_process_; }

 private:
  enum class Phase : std::uint8_t { idle, preparing, going, handed_over };
  [[nodiscard]] Event admit(const Parts& parts);
  [[nodiscard]] Event hear();
  [[nodiscard]] Event give_up();

  const std::string path_;
  net::FileDescriptor listening_;
  std::chrono::milliseconds start_timeout_;
  Phase phase_ = Phase::idle;
  net::FileDescriptor line_;  ///< while preparing and going, and until tell_left()
  Clock::time_point deadline_{};
  long peer_process_ = 0;
};

}  // namespace proxy::lifecycle
