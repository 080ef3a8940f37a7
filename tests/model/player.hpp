#pragma once

#include "tests/model/control.hpp"
#include "tests/model/conversation.hpp"
#include "tests/model/session.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace model {

/// What had arrived when a driver that waits would go on.
struct WaitPoint {
  std::size_t message_count = 0;
  bool is_asleep = false;  ///< the server is in pg_sleep and not done
};

/// What a driver saw of one conversation.
struct Recording {
  std::vector<ServerMessage> greeting;
  std::vector<ServerMessage> messages;  ///< masked
  std::vector<WaitPoint> wait_points;   ///< one for each wait and cancel step, as far as it got
  std::string digest;                   ///< of the database afterwards
  std::string trouble;                  ///< why it was given up; empty if it was played to its end
};

/// Plays conversations. The first play is directly against a server on this machine, whose process is watched:
/// when it has read all that was written and waits for the client, then everything has arrived that will arrive.
/// So the wait points are observed and no second model of the protocol is needed. Later plays wait until as
/// many messages have arrived; if they do not, a driver would hang there.
class Player {
 public:
  /// `controls` are loans; the first is that of the server that is asked directly.
  Player(Address direct, std::string database, std::vector<Control*> controls)
      : direct_(std::move(direct)), database_(std::move(database)), controls_(std::move(controls)) {}

  /// Throws std::runtime_error when a server cannot be reached.
  Recording play_first(const Conversation& conversation);
  Recording play_again(const Conversation& conversation, const Address& address, const Recording& expected);

  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }
  /// Between plays: objects as new (or left alone, when conversations only read).
  void set_keeps_objects() { keeps_objects_ = true; }
  /// What is played again goes through a proxy that keeps idle connections for others.
  void set_pooled() { is_pooled_ = true; }
  [[nodiscard]] std::size_t cancel_count() const { return cancel_count_; }

 private:
  struct Play;
  Recording play(const Conversation& conversation, const Address& address, const Recording* expected);
  bool perform(Play& play, const Step& step);
  bool send(Play& play, const Step& step);
  bool wait(Play& play, const Step& step);
  bool await_silence(Play& play, bool may_sleep);
  bool await_count(Play& play, std::size_t count);
  bool await_close(Play& play);
  bool await_all_waiting(Play& play, bool is_asleep);

  Address direct_;
  std::string database_;
  std::vector<Control*> controls_;
  std::chrono::milliseconds patience_{10'000};
  bool keeps_objects_ = false;
  bool is_pooled_ = false;
  std::size_t cancel_count_ = 0;
};

}  // namespace model
