#pragma once

#include "config/settings.hpp"
#include "proxy/console/desk.hpp"
#include "proxy/console/machine.hpp"
#include "routing/hold.hpp"

#include <functional>
#include <memory>

namespace proxy {

class App;
class AppPair;

/// Part of the composition root: the console of one pair, what it shows and what it sets in motion. Called on the desk's
/// thread.
class AppConsole final : public console::Machine {
 public:
  AppConsole(App& app, AppPair& pair, telemetry::Log& log);

  [[nodiscard]] session::ConsoleDoor& door() { return *desk_; }
  /// Before the workers end.
  void stop() { desk_->stop(); }

  [[nodiscard]] const AppPair& pair() const { return pair_; }
  /// As they are now; good until the next call.
  [[nodiscard]] const console::PairFacts& facts() const override;
  [[nodiscard]] console::PairView view() override;
  [[nodiscard]] routing::HoldSnapshot hold() override;
  void pause(const routing::HoldScope& scope, std::function<void(console::PauseEnd)> on_end) override;
  void resume(const routing::HoldScope& scope) override;
  [[nodiscard]] protocol::Status reload() override;
  void shut_down() override;

 private:
  App& app_;
  AppPair& pair_;
  mutable console::PairFacts facts_;
  std::unique_ptr<console::Desk> desk_;  ///< last: its thread uses all of the above
};

}  // namespace proxy
