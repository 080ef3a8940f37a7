#pragma once

#include "proxy/console/averages.hpp"
#include "proxy/console/machine.hpp"
#include "proxy/session/console_door.hpp"
#include "proxy/telemetry/log.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace proxy::console {

/// Carries out the commands of a pair's console, one after another, on a thread of its own that may wait for the workers;
/// a worker that asks waits for nothing. A PAUSE under way holds nobody up: it is answered when it is complete.
class Desk final : public session::ConsoleDoor {
 public:
  struct Options {
    std::string pair;                    ///< for the log
    std::vector<std::string> databases;  ///< the names by which the console is reached
    std::vector<std::string> admins;
    std::vector<std::string> viewers;
    std::size_t waiting_max = 256;  ///< commands not yet begun; more are refused
  };

  /// `machine` and `log` outlive the desk.
  Desk(Options options, Machine& machine, telemetry::Log& log);
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;
  ~Desk() override { stop(); }

  /// Carries out nothing from now on. Before the workers end: a command may be waiting for them.
  void stop();

  [[nodiscard]] std::optional<session::ConsoleRole> role_of(const protocol::Login& login) const override;
  [[nodiscard]] std::unique_ptr<session::ConsoleCall> ask(protocol::ConsoleCommand command, session::ConsoleRole role,
                                                          const protocol::Login& login, runtime::Loop& loop,
                                                          std::function<void()> on_answer) override;

 private:
  class Order;
  class Call;
  using OrderPointer = std::shared_ptr<Order>;

  void run(const std::stop_token& stop);
  void carry_out(const OrderPointer& order);
  void pause(const OrderPointer& order);
  [[nodiscard]] protocol::ConsoleAnswer resume(const protocol::ConsoleCommand& command);
  [[nodiscard]] protocol::ConsoleAnswer show(const std::string& subject);
  [[nodiscard]] protocol::ConsoleAnswer reload();
  void take_back(const OrderPointer& order);
  bool enqueue(std::function<void()> work);
  void note(const Order& order, std::string_view event);

  const Options options_;
  Machine& machine_;
  telemetry::Log& log_;
  StatsPeriods periods_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> work_;
  std::jthread thread_;  ///< last: uses all of the above
};

}  // namespace proxy::console
