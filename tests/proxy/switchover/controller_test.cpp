#include "proxy/switchover/controller.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

using proxy::switchover::Asker;
using proxy::switchover::Attempt;
using proxy::switchover::AttemptEnd;
using proxy::switchover::AuthorityRecord;
using proxy::switchover::Clock;
using proxy::switchover::Controller;
using proxy::switchover::NoSync;
using proxy::switchover::Request;
using proxy::switchover::Standing;
using proxy::switchover::StateFile;
using routing::Side;
using Finding = routing::SwitchoverFinding;

namespace {

protocol::Error refusal(const std::string& words) {
  return protocol::failure(protocol::ErrorCode::internal, protocol::Blame::backend, words);
}

/// Traffic and databases that note what was asked of them, in order, and fail where a case says so.
class Fake final : public proxy::switchover::Traffic, public proxy::switchover::Databases {
 public:
  std::vector<Finding> findings(Side) override { return found; }
  protocol::Status warm(Side, Manner manner, Clock::time_point, const std::stop_token&) override {
    return did(manner == Manner::plain ? "warm" : "warm for writes");
  }
  void cool(Side) override { static_cast<void>(did("cool")); }
  protocol::Status hold() override { return did("hold"); }
  protocol::Result<std::uint64_t> drain(routing::DrainPolicy, Clock::time_point, const std::stop_token& stop) override {
    const protocol::Status status = did("drain");
    if (!status) return status.error();
    if (!waits_in_drain) return std::uint64_t{2};
    std::unique_lock lock(mutex);
    const std::stop_callback wake(stop, [this] { changed.notify_all(); });
    changed.wait(lock, [&stop] { return stop.stop_requested(); });
    return refusal("stopped");
  }
  Released release() override {
    static_cast<void>(did("release"));
    return {3};
  }
  protocol::Status publish(Side side, std::uint64_t epoch) override {
    in_force = std::max(in_force + 1, epoch);
    return did("publish " + std::string(routing::name_of(side)));
  }
  void disown() override { static_cast<void>(did("disown")); }
  std::uint64_t epoch() override { return in_force; }
  routing::Pulse pulse(Side, std::chrono::milliseconds) override {
    const std::lock_guard lock(mutex);
    beat.requests += 1'000;
    beat.answered += 1'000;
    if (failing_from_now) beat.errors += 100;
    return beat;
  }
  void renew(Side side) override { static_cast<void>(did("renew " + std::string(routing::name_of(side)))); }
  std::vector<std::uint32_t> backend_processes(Side) override { return {7}; }

  std::vector<Finding> findings(Side, const proxy::switchover::OwnProcesses&, Clock::time_point, const std::stop_token&) override { return {}; }
  protocol::Status fence(Side side, const proxy::switchover::OwnProcesses& ours, Clock::time_point, const std::stop_token&) override {
    CHECK(ours() == std::vector<std::uint32_t>{7});
    return did("fence " + std::string(routing::name_of(side)));
  }
  protocol::Result<bool> is_fenced(Side, Clock::time_point, const std::stop_token&) override { return is_fence_up; }
  protocol::Status confirm_fence(Side, const proxy::switchover::OwnProcesses&, Clock::time_point, const std::stop_token&) override {
    return did("confirm");
  }
  protocol::Status open(Side side, Clock::time_point, const std::stop_token&) override {
    return did("open " + std::string(routing::name_of(side)));
  }
  protocol::Status carry_sequences(Side, Clock::time_point, const std::stop_token&) override { return did("sequences"); }
  protocol::Status test(Side, const std::vector<std::string>&, Clock::time_point, const std::stop_token&) override { return did("test"); }
  void rest() override {}

  protocol::Status did(const std::string& what) {
    const std::lock_guard lock(mutex);
    done.push_back(what);
    changed.notify_all();
    return what == failing ? protocol::Status(refusal("as the case says")) : protocol::Status();
  }
  void wait_for(const std::string& what) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return std::find(done.begin(), done.end(), what) != done.end(); }));
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> done;
  std::string failing;
  bool waits_in_drain = false;
  bool failing_from_now = false;  ///< requests, not what is asked here
  bool is_fence_up = true;
  std::uint64_t in_force = 1;
  routing::Pulse beat;
  std::vector<Finding> found;
};

/// A controller over fakes, with a file of its own.
class Scene {
 public:
  explicit Scene(const AuthorityRecord& record = first_record()) : log_(proxy::telemetry::LogOptions{proxy::telemetry::LogLevel::error}) {
    std::string name = (std::filesystem::temp_directory_path() / "crossfade-controller-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    REQUIRE(file().write(record).outcome == routing::SwitchoverOutcome::done);
  }
  ~Scene() {
    controller_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  static AuthorityRecord first_record() {
    AuthorityRecord record;
    record.pair = "shop";
    return record;
  }
  [[nodiscard]] StateFile file() const { return {folder_.string(), "shop"}; }
  [[nodiscard]] AuthorityRecord durable() const { return **file().read(); }

  Controller& start(const Controller::Soak& soak = {}, routing::SwitchoverTime soak_time = routing::SwitchoverTime{0}) {
    Controller::Options options;
    options.soak = soak;
    options.pair = "shop";
    options.terms.cooldown = routing::SwitchoverTime{0};
    options.terms.soak = soak_time;
    options.on_breach = [this](const std::string& trouble) {
      const std::lock_guard lock(mutex_);
      breaches_.push_back(trouble);
      changed_.notify_all();
    };
    options.on_end = [this](const Attempt& attempt) {
      const std::lock_guard lock(mutex_);
      ended_.push_back(attempt);
      changed_.notify_all();
    };
    protocol::Result<AuthorityRecord> record = durable();
    controller_ = std::make_unique<Controller>(options, file(), std::move(record), Controller::Surroundings{fake, fake, sync_, log_});
    controller_->start();
    return *controller_;
  }
  Attempt ended(std::size_t count = 1) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return ended_.size() >= count; }));
    return ended_[count - 1];
  }
  std::string breach() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return !breaches_.empty(); }));
    return breaches_.front();
  }
  static Request request(Side to = Side::green) {
    Request wish;
    wish.to = to;
    wish.accepted = {"sync_none"};
    wish.asker = {"ann", "to see"};
    return wish;
  }

  Fake fake;

 private:
  std::filesystem::path folder_;
  proxy::telemetry::Log log_;
  NoSync sync_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Attempt> ended_;
  std::vector<std::string> breaches_;
  std::unique_ptr<Controller> controller_;
};

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("controller: all goes well → each step once and in order, the file says green, and how long clients were held is told") {
  Scene scene;
  REQUIRE(scene.start().begin(Scene::request()));
  const Attempt attempt = scene.ended();
  CHECK(attempt.end == AttemptEnd::moved);
  CHECK(attempt.sessions_held == 3);
  CHECK(attempt.transactions_ended == 2);
  CHECK(attempt.held.count() > 0);
  CHECK(scene.fake.done == Words{"warm", "hold", "drain", "fence blue", "renew blue", "confirm", "sequences", "publish green", "release"});
  const AuthorityRecord record = scene.durable();
  CHECK(record.authority == Side::green);
  CHECK(record.epoch == 2);
  CHECK(record.is_fenced[Side::blue]);
  CHECK_FALSE(record.is_fenced[Side::green]);
  CHECK(record.last_change == routing::LastChange::switchover);
}

TEST_CASE("controller: there and back → the side that was fenced is opened, and its connections are warmed so that they may write at once") {
  Scene scene;
  Controller& controller = scene.start();
  REQUIRE(controller.begin(Scene::request()));
  scene.ended();
  scene.fake.done.clear();
  REQUIRE(controller.begin(Scene::request(Side::blue)));
  CHECK(scene.ended(2).end == AttemptEnd::moved);
  CHECK(scene.fake.done == Words{"warm for writes", "hold", "drain", "fence green", "renew green", "confirm", "sequences", "publish blue",
                                 "open blue", "release", "cool"});
}

TEST_CASE("controller: a step fails → blue has the authority, is open and unheld, and the file says so") {
  for (const std::string failing : {"hold", "drain", "fence blue", "confirm", "sequences"}) {
    CAPTURE(failing);
    Scene scene;
    scene.fake.failing = failing;
    REQUIRE(scene.start().begin(Scene::request()));
    const Attempt attempt = scene.ended();
    CHECK(attempt.end == AttemptEnd::undone);
    CHECK(attempt.failure.ends_with("as the case says"));
    CHECK(scene.fake.done.back() == "release");
    const AuthorityRecord record = scene.durable();
    CHECK(record.authority == Side::blue);
    CHECK_FALSE(record.is_fenced[Side::blue]);
    CHECK(record.remains == routing::SwitchoverRemains::nothing);
  }
}

TEST_CASE("controller: a blocker → nothing is held; accepted by its id → it is no more; one that cannot be accepted stays") {
  Scene scene;
  scene.fake.found = {{"paused", "the pair is paused"}};
  Controller& controller = scene.start();
  Request request = Scene::request();
  request.accepted = {"sync_none", "paused"};
  REQUIRE(controller.begin(request));
  const Attempt attempt = scene.ended();
  CHECK(attempt.failed_step == routing::SwitchoverStep::check);
  CHECK(attempt.failure == "check: 1 blocker: paused");
  CHECK(scene.fake.done.empty());
}

TEST_CASE("controller: an abort while it drains → stopped at once, undone, with who and why") {
  Scene scene;
  scene.fake.waits_in_drain = true;
  Controller& controller = scene.start();
  REQUIRE(controller.begin(Scene::request()));
  scene.fake.wait_for("drain");
  CHECK_FALSE(controller.begin(Scene::request()));
  REQUIRE(controller.abort({"bob", "wrong hour"}));
  CHECK(scene.ended().failure == "aborted by bob: wrong hour");
  CHECK(scene.fake.done == Words{"warm", "hold", "drain", "release"});
}

TEST_CASE("controller: the process stops in the middle → it is undone first") {
  Scene scene;
  scene.fake.waits_in_drain = true;
  Controller& controller = scene.start();
  REQUIRE(controller.begin(Scene::request()));
  scene.fake.wait_for("drain");
  controller.stop();
  CHECK(scene.fake.done.back() == "release");
}

TEST_CASE("controller: what another process left → undone, or completed, before the hold is released") {
  for (const auto remains : {routing::SwitchoverRemains::attempt, routing::SwitchoverRemains::flip}) {
    AuthorityRecord record = Scene::first_record();
    record.remains = remains;
    record.target = Side::green;
    record.authority = remains == routing::SwitchoverRemains::flip ? Side::green : Side::blue;
    record.is_fenced[Side::blue] = true;
    Scene scene(record);
    scene.start();
    const Attempt attempt = scene.ended();
    const bool is_forward = remains == routing::SwitchoverRemains::flip;
    CHECK(attempt.end == (is_forward ? AttemptEnd::moved : AttemptEnd::undone));
    CHECK(scene.fake.done == (is_forward ? Words{"publish green", "open green", "release"} : Words{"open blue", "renew blue", "release"}));
    CHECK(scene.durable().remains == routing::SwitchoverRemains::nothing);
  }
}

TEST_CASE("controller: the follower is said to be fenced and is not → it is fenced as soon as the process is there") {
  AuthorityRecord record = Scene::first_record();
  record.is_fenced[Side::green] = true;
  Scene scene(record);
  scene.fake.is_fence_up = false;
  scene.start();
  scene.fake.wait_for("renew green");
  CHECK(scene.fake.done == Words{"fence green", "renew green"});
}

TEST_CASE("controller: a dry run → what was found, and nothing else happens") {
  Scene scene;
  Controller& controller = scene.start();
  Request request = Scene::request();
  request.extent = Request::Extent::dry_run;
  const auto number = controller.begin(request);
  REQUIRE(number);
  Standing standing = controller.standing();
  const auto deadline = Clock::now() + std::chrono::seconds(10);
  while (standing.attempt->end == AttemptEnd::none && Clock::now() < deadline) standing = controller.standing();
  CHECK(standing.attempt->end == AttemptEnd::checked);
  REQUIRE(standing.attempt->findings.size() == 1);
  CHECK(standing.attempt->findings[0].is_accepted);
  CHECK(scene.fake.done.empty());
}

TEST_CASE("controller: a question of the soak is not answered, and the operator wants to be told → told, the authority stays") {
  Scene scene;
  scene.fake.failing = "test";
  Controller::Soak soak;
  soak.questions = {"SELECT count(*) > 0 FROM orders"};
  Controller& controller = scene.start(soak, routing::SwitchoverTime{3'600'000});
  REQUIRE(controller.begin(Scene::request()));
  CHECK(scene.ended().end == AttemptEnd::moved);
  CHECK(scene.breach() == "as the case says");
  const Standing standing = controller.standing();
  CHECK(standing.authority == Side::green);
  CHECK(standing.attempt->breach == "as the case says");
}

TEST_CASE("controller: requests fail in the soak, and the operator wants it so → the authority goes back, by a switchover with its checks") {
  Scene scene;
  Controller::Soak soak;
  soak.on_breach = Controller::Soak::OnBreach::reverse;
  soak.guard.errors_percent_max = 5;
  Controller& controller = scene.start(soak, routing::SwitchoverTime{3'600'000});
  REQUIRE(controller.begin(Scene::request()));
  CHECK(scene.ended().end == AttemptEnd::moved);
  {
    // The first look is the one that the next is compared with.
    const std::lock_guard lock(scene.fake.mutex);
    scene.fake.failing_from_now = true;
  }
  CHECK(scene.breach().ends_with("requests failed"));
  const Attempt back = scene.ended(2);
  CHECK(back.request.to == Side::blue);
  CHECK(back.request.asker.who == "crossfade");
  // Nobody accepts what an operator accepted for the way there.
  CHECK(back.end == AttemptEnd::undone);
}

TEST_CASE("controller: requests fail in the soak, and the operator wants all to stay → frozen, durably; a switchover has to accept that, until it is thawed") {
  Scene scene;
  scene.fake.failing = "test";
  Controller::Soak soak;
  soak.on_breach = Controller::Soak::OnBreach::freeze;
  soak.questions = {"SELECT false"};
  Controller& controller = scene.start(soak, routing::SwitchoverTime{3'600'000});
  REQUIRE(controller.begin(Scene::request()));
  CHECK(scene.ended().end == AttemptEnd::moved);
  CHECK(scene.breach() == "as the case says");
  CHECK(controller.standing().frozen == "after the switchover: as the case says");
  CHECK(scene.durable().frozen == controller.frozen());
  CHECK(scene.durable().authority == Side::green);
  REQUIRE(controller.begin(Scene::request(Side::blue)));
  CHECK(scene.ended(2).failure == "check: 1 blocker: frozen");
  {
    const std::lock_guard lock(scene.fake.mutex);
    scene.fake.failing.clear();
  }
  Request accepting = Scene::request(Side::blue);
  accepting.accepted.emplace_back("frozen");
  REQUIRE(controller.begin(accepting));
  CHECK(scene.ended(3).end == AttemptEnd::moved);
  CHECK_FALSE(controller.frozen().empty());
  REQUIRE(controller.freeze(""));
  CHECK(scene.durable().frozen.empty());
}
