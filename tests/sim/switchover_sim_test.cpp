#include "routing/switchover.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <vector>

using routing::PerSide;
using routing::Side;
using routing::Switchover;
using routing::SwitchoverAction;
using routing::SwitchoverOrder;
using routing::SwitchoverOutcome;
using routing::SwitchoverRemains;
using routing::SwitchoverStep;
using routing::SwitchoverTerms;
using routing::SwitchoverTime;
using routing::SwitchoverWish;

/// The machine among actions that fail, do half, hang, answer late or twice, and a process that ends at any moment; time moves by
/// itself. What must never be is looked for after every event.
namespace {

SwitchoverTerms eager_terms() {
  SwitchoverTerms terms;
  terms.cooldown = SwitchoverTime{0};
  return terms;
}

/// What outlives the process: two databases and a file.
struct Outside {
  Side authority = Side::blue;
  SwitchoverRemains remains = SwitchoverRemains::nothing;
  Side target = Side::blue;
  PerSide<bool> is_fenced{{false, true}};
  Side stream_from = Side::blue;  ///< whose writes are carried to the other side
};

/// What the process knows; gone when it ends.
struct Process {
  explicit Process(const Outside& outside) : machine(outside.authority, eager_terms()), writes_to(outside.authority) {}
  Switchover machine;
  Side writes_to;
  bool is_holding = false;
  bool is_refusing = false;
};

struct Answer {
  SwitchoverTime at;
  std::uint64_t number;
  SwitchoverOutcome outcome;
};

class World {
 public:
  explicit World(std::uint64_t seed) : dice_(seed), calm_(1 + static_cast<std::uint32_t>(seed % 8)), process_(outside_) {}

  /// A while in which everything can go wrong, then one in which nothing does.
  void live(int events) {
    for (int i = 0; i < events; ++i) {
      step(true);
      look();
    }
    for (int i = 0; i < 2'000 && !is_quiet(); ++i) {
      step(false);
      look();
    }
    REQUIRE(is_quiet());
    CHECK_FALSE(process_.is_holding);
    if (process_.machine.step() == SwitchoverStep::disowned) {
      CHECK(process_.is_refusing);
      return;
    }
    CHECK(process_.writes_to == outside_.authority);
    CHECK(process_.machine.authority() == outside_.authority);
    CHECK_FALSE(outside_.is_fenced[outside_.authority]);
    CHECK(outside_.is_fenced[routing::other(outside_.authority)]);
    CHECK(outside_.stream_from == outside_.authority);
    CHECK(outside_.remains == SwitchoverRemains::nothing);
  }
  [[nodiscard]] int moves() const { return moves_; }
  [[nodiscard]] const std::deque<std::string>& events() const { return events_; }

 private:
  std::uint32_t roll(std::uint32_t below) { return static_cast<std::uint32_t>(dice_() % below); }
  void tell(const std::string& event) {
    events_.push_back(std::to_string(now_.count()) + " " + event);
    if (events_.size() > 50) events_.pop_front();
  }
  [[nodiscard]] bool is_quiet() const {
    return answers_.empty() && (process_.machine.is_at_rest() || process_.machine.step() == SwitchoverStep::soak);
  }

  void step(bool is_troubled) {
    if (is_troubled && roll(200) == 0) return end_process();
    if (is_troubled && roll(40) == 0) {
      SwitchoverWish wish;
      wish.to = routing::other(process_.machine.authority());
      if (!process_.machine.begin(wish, now_)) tell("begin");
    }
    if (is_troubled && roll(60) == 0 && !process_.machine.abort("enough")) tell("abort");
    if (const auto order = process_.machine.take_order(now_)) return carry_out(*order, is_troubled);
    advance(is_troubled);
  }

  void advance(bool is_troubled) {
    const auto first = std::min_element(answers_.begin(), answers_.end(), [](const Answer& a, const Answer& b) { return a.at < b.at; });
    const auto wake = process_.machine.wake_at();
    SwitchoverTime next = now_ + SwitchoverTime(is_troubled ? 50 : 1'000);
    if (wake) next = std::min(next, std::max(*wake, now_));
    if (first != answers_.end()) next = std::min(next, std::max(first->at, now_));
    now_ = next;
    if (first == answers_.end() || first->at > now_) return;
    const Answer answer = *first;
    answers_.erase(first);
    process_.machine.note(answer.number, answer.outcome, "simulated", now_);
  }

  void carry_out(const SwitchoverOrder& order, bool is_troubled) {
    const std::uint32_t fate = is_troubled ? roll(100 * calm_) : 99;
    tell(std::string(routing::name_of(order.action)) + " fate " + std::to_string(fate));
    const auto answer_in = [&](SwitchoverTime after, SwitchoverOutcome outcome) { answers_.push_back({now_ + after, order.number, outcome}); };
    const SwitchoverTime soon(roll(20));
    if (order.action == SwitchoverAction::soak) return answer_in(SwitchoverTime(500), SwitchoverOutcome::done);
    if (fate < 6) return answer_in(soon, SwitchoverOutcome::failed);  // nothing was done
    if (fate < 12) {                                                // done, or half, and nobody knows
      take_effect(order.action);
      return answer_in(soon, SwitchoverOutcome::in_doubt);
    }
    if (fate < 16) return;  // hangs, nothing was done
    take_effect(order.action);
    if (fate < 20) return;  // hangs, and was done
    if (fate < 26) return answer_in(order.deadline - now_ + SwitchoverTime(roll(3'000)), SwitchoverOutcome::done);  // late, perhaps too late
    answer_in(soon, SwitchoverOutcome::done);
    if (fate < 32) answer_in(soon + SwitchoverTime(roll(500)), SwitchoverOutcome::failed);  // twice
  }

  void take_effect(SwitchoverAction action) {
    const Side to = process_.machine.target();
    const Side from = routing::other(to);
    switch (action) {
      case SwitchoverAction::hold: process_.is_holding = true; break;
      case SwitchoverAction::remember:
        outside_.remains = SwitchoverRemains::attempt;
        outside_.target = to;
        break;
      case SwitchoverAction::fence: outside_.is_fenced[from] = true; break;
      case SwitchoverAction::reverse: outside_.stream_from = to; break;
      case SwitchoverAction::turn_back: outside_.stream_from = from; break;
      case SwitchoverAction::flip:
        outside_.authority = to;
        outside_.remains = SwitchoverRemains::flip;
        ++moves_;
        break;
      case SwitchoverAction::publish: process_.writes_to = process_.machine.authority(); break;
      case SwitchoverAction::open: outside_.is_fenced[process_.machine.authority()] = false; break;
      case SwitchoverAction::unfence: outside_.is_fenced[from] = false; break;
      case SwitchoverAction::release:
        process_.is_holding = false;
        released_at_ = now_;
        break;
      case SwitchoverAction::settle: outside_.remains = SwitchoverRemains::nothing; break;
      case SwitchoverAction::disown: process_.is_refusing = true; break;
      case SwitchoverAction::check:
      case SwitchoverAction::warm:
      case SwitchoverAction::drain:
      case SwitchoverAction::catch_up:
      case SwitchoverAction::final_check:
      case SwitchoverAction::sequences:
      case SwitchoverAction::soak: break;
    }
  }

  /// As kill -9, and another begins with what the file says.
  void end_process() {
    tell("the process ends");
    answers_.clear();
    process_ = Process(outside_);
    if (outside_.remains == SwitchoverRemains::nothing) return;
    process_.is_holding = true;
    process_.machine.resume(outside_.remains, outside_.target, now_);
  }

  void look() {
    // A client's write at this moment, through the proxy; and one of somebody beside it on each side.
    const bool is_taken = !process_.is_holding && !process_.is_refusing && !outside_.is_fenced[process_.writes_to];
    if (is_taken) CHECK(process_.writes_to == outside_.authority);
    if (is_taken) CHECK(outside_.stream_from == process_.writes_to);
    CHECK((outside_.is_fenced[Side::blue] || outside_.is_fenced[Side::green]));
    if (!process_.is_holding) held_since_ = now_;
    // The whole hold, a flip that had just begun when it was over, and the way back.
    const SwitchoverTerms terms;
    CHECK(now_ - held_since_ <= terms.hold_max + terms.flip + 6 * (terms.undo + terms.grace));
  }

  std::mt19937_64 dice_;
  const std::uint32_t calm_;  ///< the higher, the fewer faults
  SwitchoverTime now_{10'000'000};
  Outside outside_;
  Process process_;
  std::vector<Answer> answers_;
  SwitchoverTime held_since_{10'000'000};
  SwitchoverTime released_at_{0};
  int moves_ = 0;
  std::deque<std::string> events_;
};

}  // namespace

TEST_CASE("switchover simulation: faults, late answers and crashes → one side takes writes, holds end, and the rest is undone or completed") {
  const char* wanted = std::getenv("SWITCHOVER_SEED");
  const std::uint64_t first = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
  const std::uint64_t count = wanted != nullptr ? 1 : 3'000;
  int moves = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.live(400);
    moves += world.moves();
    if (wanted == nullptr) continue;
    for (const std::string& event : world.events()) MESSAGE(event);
  }
  CHECK(moves > (wanted != nullptr ? -1 : 1'000));
}
