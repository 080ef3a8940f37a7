#include "proxy/console/desk.hpp"
#include "proxy/runtime/event_loop.hpp"
#include "tests/proxy/console/fixture.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace {

using protocol::ConsoleAnswer;
using protocol::ConsoleCommand;
using protocol::ConsoleRefusal;
using protocol::ConsoleVerb;
using proxy::console::PauseEnd;
using proxy::session::ConsoleRole;

/// A proxy of one pair whose pauses end when the test says so.
class FakeMachine final : public proxy::console::Machine {
 public:
  [[nodiscard]] const proxy::console::PairFacts& facts() const override { return facts_; }
  [[nodiscard]] proxy::console::PairView view() override { return console_test::view(); }
  [[nodiscard]] routing::HoldSnapshot hold() override {
    const std::lock_guard lock(mutex_);
    return std::make_shared<const routing::Hold>(hold_);
  }
  void pause(const routing::HoldScope& scope, std::function<void(PauseEnd)> on_end) override {
    const std::lock_guard lock(mutex_);
    hold_ = routing::with_hold(hold_, scope, routing::HoldClass::everything);
    on_end_ = std::move(on_end);
    changed_.notify_all();
  }
  void resume(const routing::HoldScope& scope) override {
    std::function<void(PauseEnd)> on_end;
    {
      const std::lock_guard lock(mutex_);
      hold_ = routing::without_hold(hold_, scope);
      on_end = std::exchange(on_end_, nullptr);
      ++resume_count_;
      changed_.notify_all();
    }
    if (on_end) on_end(PauseEnd::released);
  }
  [[nodiscard]] protocol::Status reload() override { return {}; }
  void shut_down() override {}

  void complete_pause() {
    std::function<void(PauseEnd)> on_end;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return on_end_ != nullptr; });
      on_end = std::exchange(on_end_, nullptr);
    }
    on_end(PauseEnd::paused);
  }
  void await_resume() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return resume_count_ != 0; });
  }
  void await_pause() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return on_end_ != nullptr; });
  }

 private:
  const proxy::console::PairFacts facts_ = console_test::facts();
  std::mutex mutex_;
  std::condition_variable changed_;
  routing::Hold hold_;
  std::function<void(PauseEnd)> on_end_;
  int resume_count_ = 0;
};

proxy::telemetry::LogOptions quiet() {
  proxy::telemetry::LogOptions options;
  options.level = proxy::telemetry::LogLevel::error;
  return options;
}

protocol::Login login(const std::string& user, const std::string& database = "crossfade") {
  protocol::Login login;
  login.user = user;
  login.database = database;
  return login;
}

struct Fixture {
  proxy::runtime::EventLoop loop;  ///< never run: answers are looked for, not waited for
  FakeMachine machine;
  proxy::telemetry::Log log{quiet()};
  proxy::console::Desk desk{{"shop", {"crossfade", "pgbouncer"}, {"root"}, {"watch"}}, machine, log};

  std::unique_ptr<proxy::session::ConsoleCall> begin(const ConsoleCommand& command, ConsoleRole role = ConsoleRole::admin) {
    return desk.ask(command, role, login("root"), loop, [] {});
  }
  /// Until the answer is there; the desk has a thread of its own.
  static ConsoleAnswer end(proxy::session::ConsoleCall& call) {
    while (true) {
      std::optional<ConsoleAnswer> answer = call.take_answer();
      if (answer) return *answer;
      std::this_thread::yield();
    }
  }
  ConsoleAnswer ask(const ConsoleCommand& command, ConsoleRole role = ConsoleRole::admin) {
    const auto call = begin(command, role);
    return end(*call);
  }
};

}  // namespace

TEST_CASE("console desk: who comes → admin, viewer, nobody; another database is none of its business") {
  Fixture fixture;
  CHECK(fixture.desk.role_of(login("root")) == ConsoleRole::admin);
  CHECK(fixture.desk.role_of(login("watch", "pgbouncer")) == ConsoleRole::viewer);
  CHECK(fixture.desk.role_of(login("other")) == ConsoleRole::nobody);
  CHECK_FALSE(fixture.desk.role_of(login("root", "shop")).has_value());
}

TEST_CASE("console desk: SHOW → a table; HELP → a notice; unknown → syntax; a viewer's PAUSE → not permitted") {
  Fixture fixture;
  CHECK(fixture.ask({ConsoleVerb::show, "pools"}, ConsoleRole::viewer).table.has_value());
  CHECK(fixture.ask({ConsoleVerb::show, "help"}).notice == "Console usage");
  CHECK(fixture.ask({ConsoleVerb::show, "fds"}).refusal == ConsoleRefusal::syntax);
  CHECK(fixture.ask({ConsoleVerb::pause, ""}, ConsoleRole::viewer).refusal == ConsoleRefusal::not_permitted);
  CHECK(fixture.machine.hold()->is_empty());
}

TEST_CASE("console desk: PAUSE → answered when it is complete, others are served meanwhile; twice → wrong state") {
  Fixture fixture;
  const auto pause = fixture.begin({ConsoleVerb::pause, ""});
  CHECK(fixture.ask({ConsoleVerb::show, "state"}).table.has_value());
  CHECK_FALSE(pause->take_answer().has_value());
  fixture.machine.complete_pause();
  CHECK(Fixture::end(*pause).refusal == ConsoleRefusal::none);
  CHECK(fixture.ask({ConsoleVerb::pause, ""}).refusal == ConsoleRefusal::wrong_state);
  CHECK(fixture.ask({ConsoleVerb::resume, "shop"}).refusal == ConsoleRefusal::wrong_state);
  CHECK(fixture.ask({ConsoleVerb::resume, ""}).refusal == ConsoleRefusal::none);
  CHECK(fixture.ask({ConsoleVerb::resume, ""}).refusal == ConsoleRefusal::wrong_state);
}

TEST_CASE("console desk: RESUME while a PAUSE waits → the PAUSE is told") {
  Fixture fixture;
  const auto pause = fixture.begin({ConsoleVerb::pause, "shop"});
  fixture.machine.await_pause();
  CHECK(fixture.ask({ConsoleVerb::resume, "shop"}).refusal == ConsoleRefusal::none);
  CHECK(Fixture::end(*pause).refusal == ConsoleRefusal::cancelled);
}

TEST_CASE("console desk: the client of a PAUSE goes before it heard of it → resumed") {
  Fixture fixture;
  auto pause = fixture.begin({ConsoleVerb::pause, ""});
  fixture.machine.await_pause();
  pause.reset();
  fixture.machine.await_resume();
  CHECK(fixture.machine.hold()->is_empty());
}
