#include "proxy/switchover/controller.hpp"

#include "tests/proxy/switchover/scene.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace switchover_test;

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
  REQUIRE(standing.attempt->findings.size() == 2);
  CHECK(standing.attempt->findings[0].id == "verification");
  CHECK(standing.attempt->findings[0].weight == Finding::Weight::note);
  CHECK(standing.attempt->findings[1].is_accepted);
  CHECK(scene.fake.done.empty());
}
