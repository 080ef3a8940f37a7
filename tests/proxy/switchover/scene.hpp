#pragma once

#include "proxy/switchover/controller.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace switchover_test {

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

inline protocol::Error refusal(const std::string& words) {
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
    options.verification_age_max = verification_age_max;
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
  std::chrono::milliseconds verification_age_max{0};  ///< of the controller to come

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

}  // namespace switchover_test
