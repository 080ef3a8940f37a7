#pragma once

#include "protocol/base/result.hpp"
#include "protocol/capture.hpp"
#include "protocol/mirror_unit.hpp"
#include "proxy/mirror/desk.hpp"
#include "routing/side.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace proxy::mirror {

struct UnitToApply {
  CommitSequence sequence = 0;
  protocol::MirrorUnit unit;
};

/// Rows of a table of which the follower had another number than the authority.
struct RowsDiffer {
  CommitSequence sequence = 0;
  std::string table;  ///< "schema.table"
  std::uint64_t expected = 0;
  std::uint64_t found = 0;
};

/// What came of units that were to be applied in one transaction of the follower.
struct ApplyReport {
  enum class Verdict : std::uint8_t {
    applied,      ///< all of them are committed there
    known,        ///< nothing was done, since some had been applied before: `known` names them
    again,        ///< nothing was done; a retry can mend it
    unreachable,  ///< the connection is gone, and with it the knowledge whether they are there
    refused,      ///< nothing was done, and a retry would not do it either
  };
  Verdict verdict = Verdict::applied;
  std::string cause;   ///< in words, without any literal
  std::vector<CommitSequence> known;
  std::vector<RowsDiffer> differences;  ///< of units that were applied all the same
};

/// A session on the follower, in one database. One thread at a time. Blocks.
class FollowerSession {
 public:
  virtual ~FollowerSession() = default;
  /// All of them or none, in their order; each with its identity in the same transaction.
  [[nodiscard]] virtual ApplyReport apply(const std::vector<UnitToApply>& units) = 0;
  /// Prepared under `name` instead of committed. Afterwards no lock and no statement has waited longer than `patience`. `known`: it was
  /// prepared before.
  [[nodiscard]] virtual ApplyReport prepare_phase(const UnitToApply& unit, const std::string& name, std::chrono::milliseconds patience) = 0;
  /// What was prepared under `name` is ended. `applied`: it is, or was before; after roll_back nothing that is still on its way there
  /// can be prepared any more. `refused`, of commit: it is neither prepared nor there.
  [[nodiscard]] virtual ApplyReport end_phase(CommitSequence sequence, const std::string& name, protocol::PhaseDecision decision) = 0;
  /// Identities below are not asked for any more.
  virtual void prune(CommitSequence below) = 0;
};

/// How the authority says that a transaction ended.
enum class TransactionFate : std::uint8_t {
  committed,
  aborted,
  in_progress,
  unknown,  ///< too long ago, or never seen there
};

/// The databases as the mirror needs them, behind one dialect's client library. Used by several threads.
class FollowerDoor {
 public:
  virtual ~FollowerDoor() = default;
  /// `stream` is what identities belong to. Ends early when `stop` is asked for. Errors: backend_unreachable and the like.
  [[nodiscard]] virtual protocol::Result<std::unique_ptr<FollowerSession>> open(routing::Side side, const std::string& database,
                                                                                const std::string& stream,
                                                                                std::stop_token stop) = 0;
  /// `age` is the time since just before its COMMIT could be sent: a server that has run for longer than that has not been down since.
  [[nodiscard]] virtual protocol::Result<TransactionFate> fate_of(routing::Side side, const protocol::MirrorUnit& unit,
                                                                  std::chrono::milliseconds age, std::stop_token stop) = 0;
  /// What a session prepared under `name` on the authority is ended. False: nothing is prepared under it.
  [[nodiscard]] virtual protocol::Result<bool> end_prepared(routing::Side side, const std::string& database, const std::string& name,
                                                            protocol::PhaseDecision decision, std::stop_token stop) = 0;
};

}  // namespace proxy::mirror
