// What follows a switchover, and what operators say of the pair.
#include "tests/proxy/switchover/scene.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <mutex>

using namespace switchover_test;

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
  soak.on_breach = routing::OnBreach::reverse;
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

TEST_CASE("controller: a soak fails, and the operator wants all to stay → frozen, durably; a switchover has to accept that, until it is thawed") {
  Scene scene;
  scene.fake.failing = "test";
  Controller::Soak soak;
  soak.on_breach = routing::OnBreach::freeze;
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

TEST_CASE("controller: a verification is needed → a blocker until somebody says that the rows are equal; that they are not blocks always") {
  Scene scene;
  scene.verification_age_max = std::chrono::hours(24);
  Controller& controller = scene.start();
  REQUIRE(controller.begin(Scene::request()));
  CHECK(scene.ended().failure == "check: 1 blocker: verification");
  REQUIRE(controller.verify({0, false, "ann"}));
  REQUIRE(controller.begin(Scene::request()));
  CHECK(scene.ended(2).failure == "check: 1 blocker: verification");
  REQUIRE(controller.verify({0, true, "ann"}));
  CHECK(scene.durable().verification == controller.standing().verification);
  REQUIRE(controller.begin(Scene::request()));
  CHECK(scene.ended(3).end == AttemptEnd::moved);
  CHECK(scene.durable().verification.by == "ann");
}

TEST_CASE("controller: the last verification is too old → a blocker") {
  AuthorityRecord record = Scene::first_record();
  record.verification = {1'000, true, "ann"};
  Scene scene(record);
  scene.verification_age_max = std::chrono::hours(24);
  REQUIRE(scene.start().begin(Scene::request()));
  CHECK(scene.ended().failure == "check: 1 blocker: verification");
}
