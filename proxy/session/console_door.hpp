#pragma once

#include "protocol/console.hpp"
#include "protocol/dialogue.hpp"
#include "proxy/runtime/loop.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace proxy::session {

enum class ConsoleRole : std::uint8_t {
  nobody,  ///< is refused
  viewer,  ///< SHOW
  admin,   ///< everything
};

/// A command that is being carried out. Destroyed before its answer came, it is taken back: a PAUSE is undone.
class ConsoleCall {
 public:
  virtual ~ConsoleCall() = default;
  /// Once, when it is there.
  [[nodiscard]] virtual std::optional<protocol::ConsoleAnswer> take_answer() = 0;
};

/// The way from sessions to whoever carries out the console's commands. Called on workers; never blocks them.
class ConsoleDoor {
 public:
  virtual ~ConsoleDoor() = default;
  /// Nothing: the login is for a database of the backends, not for the console.
  [[nodiscard]] virtual std::optional<ConsoleRole> role_of(const protocol::Login& login) const = 0;
  /// `on_answer` is called on `loop` when take_answer() will succeed, and not after the call is destroyed.
  [[nodiscard]] virtual std::unique_ptr<ConsoleCall> ask(protocol::ConsoleCommand command, ConsoleRole role,
                                                         const protocol::Login& login, runtime::Loop& loop,
                                                         std::function<void()> on_answer) = 0;
};

}  // namespace proxy::session
