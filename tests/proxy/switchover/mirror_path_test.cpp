#include "proxy/switchover/mirror_path.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using proxy::mirror::CommitSequence;
using proxy::mirror::Lag;
using proxy::mirror::LedgerEntry;
using proxy::mirror::MirrorControl;
using proxy::mirror::MirrorState;
using proxy::mirror::MirrorStatus;
using proxy::switchover::Clock;
using proxy::switchover::MirrorPath;
using routing::Side;

namespace {

class FakeMirror final : public MirrorControl {
 public:
  MirrorStatus status() const override {
    MirrorStatus told = status_;
    told.authority = authority_;
    return told;
  }
  Side authority() const override { return authority_; }
  CommitSequence stop_position() const override { return status_.stop_position; }
  CommitSequence applied_through() const override { return status_.applied_through; }
  bool wait_applied(CommitSequence position, Clock::time_point) override {
    ++waits_;
    if (waits_ >= applied_after_) status_.applied_through = status_.stop_position;
    return status_.applied_through >= position;
  }
  Lag lag() const override { return status_.lag; }
  protocol::Status turn(Side side) override {
    authority_ = side;
    ++turns_;
    return {};
  }
  protocol::Status turn_at_once(Side side, Clock::time_point) override { return turn(side); }
  std::vector<LedgerEntry> ledger(Extent) const override { return entries_; }
  protocol::Result<LedgerEntry> accept(std::uint64_t id, const std::string& by) override {
    const auto place = std::find_if(entries_.begin(), entries_.end(), [id](const LedgerEntry& entry) { return entry.id == id; });
    LedgerEntry taken = *place;
    taken.closed_by = by;
    accepted_by_.push_back(by);
    entries_.erase(place);
    return taken;
  }

  MirrorStatus status_;
  Side authority_ = Side::blue;
  int waits_ = 0;
  int applied_after_ = 1;
  int turns_ = 0;
  std::vector<LedgerEntry> entries_;
  std::vector<std::string> accepted_by_;
};

constexpr std::chrono::milliseconds hold{10'000};

/// All but notes.
std::vector<std::string> blockers_of(FakeMirror& mirror, Side to) {
  std::vector<std::string> ids;
  for (const auto& each : MirrorPath(mirror).findings(to, hold)) {
    if (each.weight != routing::SwitchoverFinding::Weight::note) ids.push_back(each.id);
  }
  return ids;
}

LedgerEntry entry(std::uint64_t id) {
  LedgerEntry made;
  made.id = id;
  made.database = "shop";
  made.table = "public.log";
  return made;
}

}  // namespace

TEST_CASE("mirror path: a mirror that runs, has caught up and has an empty ledger → nothing speaks against it") {
  FakeMirror mirror;
  CHECK(blockers_of(mirror, Side::green).empty());
}

TEST_CASE("mirror path: broken off, behind, of the other direction, with open entries → each is told") {
  FakeMirror mirror;
  mirror.status_.state = MirrorState::broken_off;
  mirror.status_.lag = {7, 700, std::chrono::milliseconds(1'500)};
  mirror.entries_ = {entry(12)};
  CHECK(blockers_of(mirror, Side::green) == std::vector<std::string>{"mirror", "lag", "ledger:12"});
  CHECK(blockers_of(mirror, Side::blue) == std::vector<std::string>{"mirror", "mirror_direction", "lag", "ledger:12"});
}

TEST_CASE("mirror path: catching up → waits for the position at which the last writer stopped, until the deadline or an abort") {
  FakeMirror mirror;
  mirror.status_.stop_position = 90;
  mirror.applied_after_ = 3;
  MirrorPath path(mirror);
  CHECK(path.catch_up(Clock::now() + std::chrono::hours(1), {}));
  CHECK(mirror.waits_ == 3);
  mirror.status_.stop_position = 91;
  mirror.applied_after_ = 1'000;
  CHECK_FALSE(path.catch_up(Clock::now(), {}));
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(path.catch_up(Clock::now() + std::chrono::hours(1), stop.get_token()));
}

TEST_CASE("mirror path: the last look → an open entry stops it unless it was accepted, and then it is taken over by name") {
  FakeMirror mirror;
  mirror.entries_ = {entry(3), entry(4)};
  MirrorPath path(mirror);
  CHECK_FALSE(path.final_check({"ledger:4"}, "ann"));
  mirror.entries_ = {entry(4)};
  CHECK(path.final_check({"ledger:4"}, "ann"));
  CHECK(mirror.accepted_by_ == std::vector<std::string>{"ann"});
  CHECK(path.final_check({}, "ann"));
}

TEST_CASE("mirror path: turned to where it runs already → left alone") {
  FakeMirror mirror;
  MirrorPath path(mirror);
  CHECK(path.turn(Side::blue));
  CHECK(mirror.turns_ == 0);
  CHECK(path.turn(Side::green));
  CHECK(mirror.turns_ == 1);
}

TEST_CASE("mirror path: what is left to apply, at the pace of the follower → told always, and a blocker when a hold is too short for it") {
  FakeMirror mirror;
  mirror.status_.lag = {500, 700, std::chrono::milliseconds(900)};
  mirror.status_.units_per_second = 100;
  mirror.status_.lag_age_worst = std::chrono::milliseconds(3'000);
  const auto found = MirrorPath(mirror).findings(Side::green, hold);
  REQUIRE(found.size() == 2);
  CHECK(found[0].words == "the follower has 500 transactions to catch up with, which takes it about 5000 ms of the 10000 ms that a hold may last");
  CHECK(found[1].id == "lag_minute");
  CHECK(blockers_of(mirror, Side::green).empty());
  CHECK_FALSE(MirrorPath(mirror).trouble(Side::green));
  mirror.status_.units_per_second = 40;
  CHECK(blockers_of(mirror, Side::green) == std::vector<std::string>{"catch_up_time"});
  mirror.status_.units_per_second = 1e-9;
  CHECK(blockers_of(mirror, Side::green) == std::vector<std::string>{"catch_up_time"});
  mirror.status_.units_per_second.reset();
  CHECK(MirrorPath(mirror).findings(Side::green, std::chrono::milliseconds(800))[0].weight == routing::SwitchoverFinding::Weight::blocker);
}

TEST_CASE("mirror path: at the last look the mirror has been broken off, or is behind again → refused") {
  FakeMirror mirror;
  mirror.status_.state = MirrorState::broken_off;
  CHECK_FALSE(MirrorPath(mirror).final_check({}, "ann"));
  mirror.status_.state = MirrorState::running;
  mirror.status_.lag.units = 1;
  CHECK_FALSE(MirrorPath(mirror).final_check({}, "ann"));
  mirror.status_.lag.units = 0;
  CHECK(MirrorPath(mirror).final_check({}, "ann"));
}
