#pragma once

#include "routing/side.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace routing {

/// A moment on a clock that only goes forward; where it begins means nothing.
using SwitchoverTime = std::chrono::milliseconds;

/// Where a switchover stands.
///
///     idle → check → hold → drain → fence → catch_up → final_check → sequences → reverse → flip → release → soak → idle
///     any of them before the flip is durable --failure, time-out, abort--> undo → idle
///     flip --nobody can tell whether it is durable--> disowned --an operator says who has the authority--> idle
enum class SwitchoverStep : std::uint8_t {
  idle,
  check,        ///< nothing has changed yet; the follower's connections are warmed at its end
  hold,         ///< no new write begins
  drain,        ///< those under way end
  fence,        ///< the old authority refuses writes inside the database
  catch_up,     ///< the follower has everything
  final_check,
  sequences,
  reverse,      ///< the way back exists
  flip,         ///< the authority is the new one as soon as that is durable
  release,
  soak,         ///< it is watched
  undo,         ///< everything is given back to the old authority
  disowned,     ///< writes are refused: nobody knows who has the authority
};
[[nodiscard]] std::string_view name_of(SwitchoverStep step);

/// What a switchover wants to have done, one at a time. Each may be asked for again and must then find it done.
enum class SwitchoverAction : std::uint8_t {
  check,
  warm,
  hold,
  drain,
  remember,     ///< durable: an attempt is under way and the old authority may be fenced
  fence,
  catch_up,
  final_check,
  sequences,
  reverse,
  flip,         ///< durable: the authority is the new one
  publish,      ///< every worker sends writes to the authority
  open,         ///< the authority takes writes inside the database
  release,
  settle,       ///< durable: the attempt is over
  soak,
  turn_back,    ///< undoes `reverse`
  unfence,      ///< undoes `fence`
  disown,       ///< every worker refuses writes
};
[[nodiscard]] std::string_view name_of(SwitchoverAction action);

/// An action to carry out until `deadline`. After that, and a grace, it has no effect any more.
struct SwitchoverOrder {
  std::uint64_t number = 0;
  SwitchoverAction action = SwitchoverAction::check;
  SwitchoverTime deadline{0};
};

enum class SwitchoverOutcome : std::uint8_t {
  done,
  failed,    ///< had no effect that the action's opposite does not take back
  in_doubt,  ///< of `flip`: it may or may not be durable. Of any other the same as failed
};

/// What a drain does with write transactions that do not end in time.
enum class DrainPolicy : std::uint8_t {
  abort,  ///< gives the switchover up
  end,    ///< ends them with a code that drivers retry
};

enum class SwitchoverUrgency : std::uint8_t {
  careful,
  now,  ///< an incident: what cannot be done is skipped and noted; no cooldown
};

struct SwitchoverWish {
  Side to = Side::green;
  DrainPolicy on_drain_timeout = DrainPolicy::abort;
  SwitchoverUrgency urgency = SwitchoverUrgency::careful;
  std::optional<SwitchoverTime> hold_max;  ///< less than the terms say
};

/// How long each step may take, at most.
struct SwitchoverTerms {
  SwitchoverTime check{300'000};   ///< the attempt until its hold
  SwitchoverTime warm{5'000};
  SwitchoverTime hold{2'000};      ///< until every worker has acknowledged it
  SwitchoverTime drain{5'000};
  SwitchoverTime fence{3'000};
  SwitchoverTime flip{5'000};      ///< the durable word
  SwitchoverTime hold_max{10'000}; ///< the whole hold, from its order to that of its release
  SwitchoverTime undo{3'000};      ///< each step of the way back
  SwitchoverTime soak{600'000};
  SwitchoverTime cooldown{60'000};
  SwitchoverTime grace{1'000};     ///< beyond its deadline, for an order's answer
  SwitchoverTime retry{1'000};     ///< between two tries of what must be done in the end
};

/// One step of an attempt, for people.
struct SwitchoverRecord {
  SwitchoverStep step = SwitchoverStep::idle;
  SwitchoverTime began{0};
  SwitchoverTime took{0};
  std::string note;  ///< what failed or was skipped; empty: nothing
};

/// Something that a check found. A blocker keeps a switchover from beginning unless its `id` is among those that the operator accepts.
struct SwitchoverFinding {
  enum class Weight : std::uint8_t { blocker, acceptable_blocker, note };
  std::string id;     ///< stable: a kind, and after a colon what it is about: "table_without_key:shop.public.log"
  std::string words;  ///< what, where, and what mends it
  Weight weight = Weight::blocker;
  bool is_accepted = false;
};

/// What a process that ended in the middle of a switchover had made durable.
enum class SwitchoverRemains : std::uint8_t {
  nothing,
  attempt,  ///< `remember` and no `flip`: the old authority may be fenced
  flip,     ///< `flip` and no `settle`: the new authority may still be fenced
};

/// The switchover of one pair: a pure value. Events and time go in, orders come out; one order is under way at a time.
/// The controller carries them out.
///
///     begin() → { take_order(now) → … → note(number, outcome, now) }* until is_at_rest()
class Switchover {
 public:
  Switchover(Side authority, SwitchoverTerms terms) : terms_(terms), authority_(authority) {}

  /// After a crash: what is undone or completed, before any write is let through. Once, before all else.
  void resume(SwitchoverRemains remains, Side to, SwitchoverTime now);
  /// Why not, in words; nothing: it has begun.
  [[nodiscard]] std::optional<std::string> begin(const SwitchoverWish& wish, SwitchoverTime now);
  /// Until when a wish that is not urgent is refused, after an attempt that was undone. Nothing: it is not.
  [[nodiscard]] std::optional<SwitchoverTime> cools_until(SwitchoverTime now) const;
  /// Back to the old authority as soon as the order under way is answered. Why not, in words.
  [[nodiscard]] std::optional<std::string> abort(std::string reason);
  /// At the start it cannot be told who has the authority. Once, before all else.
  void lose() { step_ = SwitchoverStep::disowned; }
  /// An operator has said who has the authority. Precondition: disowned.
  void settle_on(Side authority);

  /// The next order, once; nothing while one is under way or there is nothing to do yet.
  [[nodiscard]] std::optional<SwitchoverOrder> take_order(SwitchoverTime now);
  /// The answer to an order. One that nobody waits for any more, or that comes twice, is of no meaning.
  void note(std::uint64_t number, SwitchoverOutcome outcome, std::string words, SwitchoverTime now);
  /// When take_order() should be asked again although nothing was noted.
  [[nodiscard]] std::optional<SwitchoverTime> wake_at() const;

  [[nodiscard]] SwitchoverStep step() const { return step_; }
  [[nodiscard]] Side authority() const { return authority_; }
  [[nodiscard]] Side target() const { return wish_.to; }
  [[nodiscard]] const SwitchoverWish& wish() const { return wish_; }
  /// Nothing is under way, and nothing is still to do.
  [[nodiscard]] bool is_at_rest() const {
    return step_ == SwitchoverStep::idle || (step_ == SwitchoverStep::disowned && ahead_.empty() && !under_way_);
  }
  [[nodiscard]] bool is_holding() const { return is_holding_; }
  /// Why the last attempt was given up; empty: it was not.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] SwitchoverStep failed_step() const { return failed_step_; }
  [[nodiscard]] const std::vector<SwitchoverRecord>& records() const { return records_; }
  [[nodiscard]] const std::vector<std::string>& skipped() const { return skipped_; }

 private:
  struct UnderWay {
    SwitchoverOrder order;
  };
  [[nodiscard]] bool is_past_flip() const;
  [[nodiscard]] SwitchoverTime limit_of(SwitchoverAction action) const;
  [[nodiscard]] bool is_skippable(SwitchoverAction action) const;
  void enter(SwitchoverStep step, SwitchoverTime now);
  void advance(SwitchoverTime now);
  void give_up(std::string reason, SwitchoverTime now);
  void note_failure(SwitchoverAction action, SwitchoverOutcome outcome, std::string words, SwitchoverTime now);
  void note_done(SwitchoverAction action, SwitchoverTime now);
  void finish(SwitchoverTime now);

  SwitchoverTerms terms_;
  Side authority_;
  SwitchoverWish wish_;
  SwitchoverStep step_ = SwitchoverStep::idle;
  std::vector<SwitchoverAction> ahead_;  ///< what is still to do, the next one last
  std::optional<UnderWay> under_way_;
  std::optional<SwitchoverTime> retry_at_;
  std::optional<SwitchoverTime> cool_at_;
  std::optional<std::string> abort_reason_;
  SwitchoverTime attempt_deadline_{0};
  SwitchoverTime hold_deadline_{0};
  bool is_holding_ = false;      ///< a hold was ordered and its release not yet done
  bool is_remembered_ = false;   ///< `remember` was ordered and the attempt is not settled yet
  bool is_reversed_ = false;     ///< `reverse` was ordered
  std::uint64_t number_ = 0;
  std::string failure_;
  SwitchoverStep failed_step_ = SwitchoverStep::idle;
  std::vector<SwitchoverRecord> records_;
  std::vector<std::string> skipped_;
};

}  // namespace routing
