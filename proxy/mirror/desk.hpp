#pragma once

#include "protocol/capture.hpp"
#include "protocol/mirror_unit.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace proxy::mirror {

/// A unit's place in the order of commits; grows with it. 0: none.
using CommitSequence = std::uint64_t;

/// How the authority ended the transaction of a unit.
enum class UnitOutcome : std::uint8_t {
  committed,
  rolled_back,
  in_doubt,  ///< nobody saw the reply to COMMIT: the authority must be asked
};

/// What the journal made of a unit.
enum class Admittance : std::uint8_t {
  recorded,   ///< safe as `durability` says: COMMIT may be sent, and settle() must follow
  unmirrored, ///< the mirror is broken off (its tables are in the ledger): COMMIT may be sent; nothing follows
  refused,    ///< COMMIT must not be sent: the journal is full and the policy is to block, or it cannot be written
};

/// A write that was not carried to the follower, for the ledger.
struct Unmirrored {
  std::string database;
  std::string user;
  std::vector<std::string> tables;  ///< empty: could not be told
  std::uint64_t fingerprint = 0;    ///< of the statement; 0: unknown
  std::string reason;               ///< in words, without any literal
};

/// The mirror of a pair as its sessions know it. All calls from any thread; none blocks on a disk or a network.
///
///     the reply to a write came → tick() → … → COMMIT is wanted → record(unit) → admitted → COMMIT is sent → settle()
///     `ack: atomic`: … → admitted → it is prepared under phase_name() → settle_prepared() → decided → carried out → settle()
class Desk {
 public:
  virtual ~Desk() = default;
  /// One more than the last: the process-wide counter of mirroring.md's order.
  [[nodiscard]] virtual std::uint64_t tick() = 0;
  /// Takes the unit's commit_sequence from the same counter, now, and writes it to the journal. `when_admitted` is called once,
  /// on any thread, perhaps before the return. With Admittance::recorded settle() must be called in the end.
  [[nodiscard]] virtual CommitSequence record(protocol::MirrorUnit unit,
                                              std::function<void(Admittance)> when_admitted) = 0;
  virtual void settle(CommitSequence sequence, UnitOutcome outcome) = 0;
  /// As settle(committed), and `when_applied` is called once, on any thread, when the follower has it or the time for
  /// that is over (`ack: both`). Argument: whether the follower has it.
  virtual void settle_and_await(CommitSequence sequence, std::function<void(bool)> when_applied) = 0;
  /// Under which a transaction of `ack: atomic` is prepared on the authority: letters, digits, `_` and `-`.
  [[nodiscard]] virtual std::string phase_name(CommitSequence sequence) const = 0;
  using WhenDecided = std::function<void(protocol::PhaseDecision, std::string cause)>;
  /// The authority has prepared the unit's transaction. `when_decided` is called once, on any thread, perhaps before the return: after
  /// `commit` the decision is durable. settle() must follow. Not called any more after settle(in_doubt).
  virtual void settle_prepared(CommitSequence sequence, WhenDecided when_decided) = 0;
  /// All units up to this one are settled, and those that were committed are on the follower. One atomic load.
  [[nodiscard]] virtual CommitSequence applied_through() const = 0;
  /// `when_due` is called once, on any thread, when applied_through() has come to `position`, or when waiting for that is of no
  /// use any more; it must not call the desk. The ticket is for stop_waiting(). 0: one of both is so already, and nothing is called.
  [[nodiscard]] virtual std::uint64_t await_applied(CommitSequence position, std::function<void()> when_due) = 0;
  /// Whoever waits with this ticket does not any more. A call may be under way.
  virtual void stop_waiting(std::uint64_t ticket) = 0;
  /// Something was written that the follower does not get: its entry goes to the ledger.
  virtual void note_unmirrored(Unmirrored entry) = 0;
};

}  // namespace proxy::mirror
