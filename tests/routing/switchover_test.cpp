#include "routing/switchover.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

using routing::DrainPolicy;
using routing::Side;
using routing::Switchover;
using routing::SwitchoverAction;
using routing::SwitchoverOrder;
using routing::SwitchoverOutcome;
using routing::SwitchoverRemains;
using routing::SwitchoverStep;
using routing::SwitchoverTerms;
using routing::SwitchoverTime;
using routing::SwitchoverUrgency;
using routing::SwitchoverWish;
using Action = routing::SwitchoverAction;

namespace {

constexpr std::array<Action, 16> forward{Action::check,       Action::warm,      Action::remember, Action::hold,   Action::drain,
                                         Action::fence,       Action::catch_up,  Action::final_check, Action::sequences,
                                         Action::reverse,     Action::flip,      Action::publish, Action::open,    Action::release,
                                         Action::settle,      Action::soak};

std::size_t place_of(Action action) {
  return static_cast<std::size_t>(std::find(forward.begin(), forward.end(), action) - forward.begin());
}

bool is_before(Action action, Action other) { return place_of(action) < place_of(other); }

SwitchoverWish wish_for(SwitchoverUrgency urgency) {
  SwitchoverWish wish;
  wish.urgency = urgency;
  return wish;
}

/// A machine with blue's authority, and what it was ordered so far.
struct Run {
  Switchover machine{Side::blue, SwitchoverTerms{}};
  SwitchoverTime now{1'000'000};
  std::vector<Action> ordered;

  explicit Run(SwitchoverUrgency urgency) { REQUIRE_FALSE(machine.begin(wish_for(urgency), now)); }

  std::optional<SwitchoverOrder> take() {
    auto order = machine.take_order(now);
    if (order) ordered.push_back(order->action);
    return order;
  }
  /// Everything is done up to the order of `action`, which is under way then.
  SwitchoverOrder until(Action action) {
    for (;;) {
      const auto order = take();
      REQUIRE(order);
      if (order->action == action) return *order;
      machine.note(order->number, SwitchoverOutcome::done, {}, now);
    }
  }
  /// From here on all goes well. What was ordered since.
  std::vector<Action> finish() {
    const std::size_t before = ordered.size();
    for (int i = 0; i < 100 && !machine.is_at_rest(); ++i) {
      const auto order = take();
      if (order) {
        machine.note(order->number, SwitchoverOutcome::done, {}, now);
      } else if (machine.wake_at()) {
        now = std::max(now, *machine.wake_at());
      }
    }
    CHECK(machine.is_at_rest());
    return {ordered.begin() + static_cast<std::ptrdiff_t>(before), ordered.end()};
  }
};

/// What takes everything back that was begun up to `last`.
std::vector<Action> undo_after(Action last) {
  std::vector<Action> undo;
  if (!is_before(last, Action::reverse)) undo.push_back(Action::turn_back);
  if (!is_before(last, Action::remember)) undo.push_back(Action::unfence);
  if (!is_before(last, Action::hold)) undo.push_back(Action::release);
  if (!is_before(last, Action::remember)) undo.push_back(Action::settle);
  return undo;
}

std::vector<Action> forward_after(Action last) {
  return {forward.begin() + static_cast<std::ptrdiff_t>(place_of(last)) + 1, forward.end()};
}

enum class Event { done, failed, in_doubt, silent, aborted, done_twice };

bool is_skipped(Action action, SwitchoverUrgency urgency) {
  if (action == Action::warm) return true;
  if (urgency != SwitchoverUrgency::now) return false;
  return action == Action::check || (!is_before(action, Action::drain) && is_before(action, Action::flip));
}

/// One field of the table: what happens to the order of `action`, and all goes well afterwards.
void check_field(Action action, Event event, SwitchoverUrgency urgency) {
  CAPTURE(name_of(action));
  CAPTURE(static_cast<int>(event));
  CAPTURE(static_cast<int>(urgency));
  Run run(urgency);
  const SwitchoverOrder order = run.until(action);
  bool is_failed = event == Event::failed || event == Event::in_doubt || event == Event::silent;
  switch (event) {
    case Event::done: run.machine.note(order.number, SwitchoverOutcome::done, {}, run.now); break;
    case Event::done_twice:
      run.machine.note(order.number, SwitchoverOutcome::done, {}, run.now);
      run.machine.note(order.number, SwitchoverOutcome::failed, "again", run.now);
      break;
    case Event::failed: run.machine.note(order.number, SwitchoverOutcome::failed, "no", run.now); break;
    case Event::in_doubt: run.machine.note(order.number, SwitchoverOutcome::in_doubt, "perhaps", run.now); break;
    case Event::silent: run.now = order.deadline + SwitchoverTerms{}.grace; break;
    case Event::aborted: {
      const auto refusal = run.machine.abort("enough");
      CHECK(refusal.has_value() == !is_before(action, Action::flip));
      run.machine.note(order.number, SwitchoverOutcome::done, {}, run.now);
      break;
    }
  }
  const std::vector<Action> then = run.finish();
  CHECK_FALSE(run.machine.is_holding());
  if (event == Event::aborted && is_before(action, Action::flip)) {
    CHECK(then == undo_after(action));
    CHECK(run.machine.authority() == Side::blue);
    CHECK(run.machine.failure() == "enough");
    return;
  }
  if (!is_failed || is_skipped(action, urgency)) {
    // Whoever is silent for as long as a hold may last has used it up.
    if (event == Event::silent && !is_before(action, Action::catch_up) && is_before(action, Action::flip)) {
      CHECK(run.machine.authority() == Side::green);
      return;
    }
    CHECK(then == forward_after(action));
    CHECK(run.machine.authority() == Side::green);
    CHECK(run.machine.skipped().empty() != (is_failed && urgency == SwitchoverUrgency::now));
    return;
  }
  if (action == Action::flip && event != Event::failed) {
    CHECK(then == std::vector<Action>{Action::disown, Action::release});
    CHECK(run.machine.step() == SwitchoverStep::disowned);
    return;
  }
  if (!is_before(Action::flip, action)) {
    CHECK(then == undo_after(action));
    CHECK(run.machine.authority() == Side::blue);
    CHECK_FALSE(run.machine.failure().empty());
    CHECK(run.machine.failed_step() != SwitchoverStep::idle);
    return;
  }
  CHECK(run.machine.authority() == Side::green);
  if (action == Action::soak) {
    CHECK(then.empty());
    CHECK(run.machine.failed_step() == SwitchoverStep::soak);
  } else {
    CHECK(std::find(then.begin(), then.end(), action) != then.end());  // tried again
  }
}

}  // namespace

TEST_CASE("switchover: every action × every event × both urgencies → undone before the flip, forward after it, never held") {
  for (const SwitchoverUrgency urgency : {SwitchoverUrgency::careful, SwitchoverUrgency::now}) {
    for (const Action action : forward) {
      for (const Event event : {Event::done, Event::failed, Event::in_doubt, Event::silent, Event::aborted, Event::done_twice}) {
        check_field(action, event, urgency);
      }
    }
  }
}

TEST_CASE("switchover: all goes well → the orders in their order, and every step has its record") {
  Run run(SwitchoverUrgency::careful);
  CHECK(run.finish() == std::vector<Action>(forward.begin(), forward.end()));
  std::vector<SwitchoverStep> steps;
  for (const auto& record : run.machine.records()) steps.push_back(record.step);
  CHECK(steps == std::vector<SwitchoverStep>{SwitchoverStep::check, SwitchoverStep::hold, SwitchoverStep::drain, SwitchoverStep::fence,
                                             SwitchoverStep::catch_up, SwitchoverStep::final_check, SwitchoverStep::sequences,
                                             SwitchoverStep::reverse, SwitchoverStep::flip, SwitchoverStep::release, SwitchoverStep::soak});
}

TEST_CASE("switchover: what remained of another process → an attempt is undone, a flip goes forward, both before the release") {
  for (const SwitchoverRemains remains : {SwitchoverRemains::attempt, SwitchoverRemains::flip}) {
    Switchover machine(remains == SwitchoverRemains::flip ? Side::green : Side::blue, SwitchoverTerms{});
    machine.resume(remains, Side::green, SwitchoverTime{5});
    CHECK(machine.is_holding());
    std::vector<Action> ordered;
    while (const auto order = machine.take_order(SwitchoverTime{6})) {
      ordered.push_back(order->action);
      machine.note(order->number, SwitchoverOutcome::done, {}, SwitchoverTime{6});
    }
    const std::vector<Action> back{Action::turn_back, Action::unfence, Action::release, Action::settle};
    const std::vector<Action> onward{Action::publish, Action::open, Action::release, Action::settle};
    CHECK(ordered == (remains == SwitchoverRemains::attempt ? back : onward));
    CHECK(machine.authority() == (remains == SwitchoverRemains::attempt ? Side::blue : Side::green));
    CHECK(machine.is_at_rest());
  }
}

TEST_CASE("switchover: begin → refused for the side that has the authority, while another runs, in the cooldown, while disowned") {
  Run run(SwitchoverUrgency::careful);
  CHECK(run.machine.begin(wish_for(SwitchoverUrgency::now), run.now));
  const SwitchoverOrder order = run.until(Action::drain);
  run.machine.note(order.number, SwitchoverOutcome::failed, "no", run.now);
  CHECK(run.machine.step() == SwitchoverStep::undo);
  CHECK(run.machine.begin(wish_for(SwitchoverUrgency::now), run.now));  // no second hold while the first releases
  run.finish();
  CHECK(run.machine.begin(wish_for(SwitchoverUrgency::careful), run.now));
  SwitchoverWish same = wish_for(SwitchoverUrgency::now);
  same.to = Side::blue;
  CHECK(run.machine.begin(same, run.now));
  CHECK_FALSE(run.machine.begin(wish_for(SwitchoverUrgency::careful), run.now + SwitchoverTerms{}.cooldown));

  Switchover lost(Side::blue, SwitchoverTerms{});
  lost.lose();
  CHECK(lost.begin(wish_for(SwitchoverUrgency::now), SwitchoverTime{1}));
  lost.settle_on(Side::green);
  CHECK(lost.authority() == Side::green);
  SwitchoverWish back = wish_for(SwitchoverUrgency::careful);
  back.to = Side::blue;
  CHECK_FALSE(lost.begin(back, SwitchoverTime{1}));
}

TEST_CASE("switchover: the soak → a rollback may begin in it, and ends it") {
  Run run(SwitchoverUrgency::careful);
  const SwitchoverOrder soak = run.until(Action::soak);
  SwitchoverWish back = wish_for(SwitchoverUrgency::careful);
  back.to = Side::blue;
  CHECK_FALSE(run.machine.begin(back, run.now));
  run.machine.note(soak.number, SwitchoverOutcome::failed, "late", run.now);
  CHECK(run.machine.step() == SwitchoverStep::check);
  run.finish();
  CHECK(run.machine.authority() == Side::blue);
}

TEST_CASE("switchover: the hold has lasted as long as it may → given up before the flip; in an incident the rest is skipped, but for the turn of the stream") {
  for (const SwitchoverUrgency urgency : {SwitchoverUrgency::careful, SwitchoverUrgency::now}) {
    Run run(urgency);
    const SwitchoverOrder order = run.until(Action::fence);
    run.now += SwitchoverTerms{}.hold_max;
    run.machine.note(order.number, SwitchoverOutcome::done, {}, run.now);
    const auto next = run.take();
    REQUIRE(next);
    CHECK(next->action == (urgency == SwitchoverUrgency::now ? Action::reverse : Action::unfence));
    CHECK((urgency == SwitchoverUrgency::careful || next->deadline > run.now));
  }
}

TEST_CASE("switchover: a hold that is asked to be shorter → every deadline inside it keeps to that, the flip's not") {
  SwitchoverWish wish;
  wish.hold_max = SwitchoverTime{700};
  Switchover machine(Side::blue, SwitchoverTerms{});
  REQUIRE_FALSE(machine.begin(wish, SwitchoverTime{0}));
  while (const auto order = machine.take_order(SwitchoverTime{0})) {
    const bool is_inside = !is_before(order->action, Action::drain) && is_before(order->action, Action::flip);
    if (is_inside) CHECK(order->deadline == SwitchoverTime{700});
    if (order->action == Action::flip) CHECK(order->deadline == SwitchoverTerms{}.flip);
    machine.note(order->number, SwitchoverOutcome::done, {}, SwitchoverTime{0});
  }
}

TEST_CASE("switchover: the old authority cannot be opened again → clients are released all the same, and it is tried again") {
  Run run(SwitchoverUrgency::careful);
  const SwitchoverOrder order = run.until(Action::catch_up);
  run.machine.note(order.number, SwitchoverOutcome::failed, "no", run.now);
  const auto unfence = run.take();
  REQUIRE(unfence);
  REQUIRE(unfence->action == Action::unfence);
  run.machine.note(unfence->number, SwitchoverOutcome::failed, "unreachable", run.now);
  CHECK(run.finish() == std::vector<Action>{Action::release, Action::unfence, Action::settle});
}
