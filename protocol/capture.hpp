#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/mirror_unit.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace protocol {

/// What becomes of statements that cannot be carried to the follower.
enum class UnsafePolicy : std::uint8_t {
  ledger,  ///< they run on the authority alone, and what they may have changed is noted
  reject,  ///< they are refused
};

/// What becomes of changes of the schema.
enum class SchemaPolicy : std::uint8_t {
  mirror,          ///< they are carried as their texts
  reject,          ///< they are refused
  authority_only,  ///< they run on the authority alone; whoever asked for this looks after the follower
};

struct CaptureOptions {
  UnsafePolicy unsafe_statements = UnsafePolicy::ledger;
  SchemaPolicy schema_changes = SchemaPolicy::mirror;
  std::size_t unit_bytes_max = std::size_t{64} << 20;   ///< a larger transaction is not carried, and noted
  std::size_t frame_bytes_max = std::size_t{64} << 20;  ///< longer messages pass as they are, and are noted
  bool is_two_phase = false;  ///< what cannot be carried as a whole is refused at its COMMIT
  std::function<std::uint64_t()> tick;                  ///< the process-wide counter of the mirror; never empty
};

/// Something the authority has committed and the follower does not get.
struct UnmirroredWrite {
  std::vector<std::string> tables;  ///< as written; empty: cannot be told
  std::uint64_t fingerprint = 0;
  std::string reason;  ///< in words; no literal of a user's
};

/// What becomes of a transaction that both sides have prepared.
enum class PhaseDecision : std::uint8_t { commit, roll_back };

/// Stands between a client and its ClientHalf, as one more link of the same protocol: what the client sends is seen, and
/// changed so that the server tells which rows it has written; what comes back is given to the client without that. Sans I/O;
/// belongs to one session, on one thread.
///
///     take_requests(), take_replies() → requests() for the half, replies() for the client
///     take_unit() gives a unit → it is recorded → admit() → its COMMIT is sent → take_end() tells how it ended
///     in two phases: … → admit() with a name → it is prepared → take_prepared() → decide() → take_end()
class Capture {
 public:
  enum class Admission : std::uint8_t { granted, refused };
  enum class End : std::uint8_t {
    committed,
    rolled_back,
    left,      ///< it was prepared and decided, and the server does not carry the decision out: somebody else must
    prepared,  ///< for a commit in two phases of the client's own: whoever decides it, and when, the authority knows
  };

  virtual ~Capture() = default;
  /// Takes all of what the client has sent. What must wait is kept: ask is_waiting() before there is more.
  virtual void take_requests(ByteView bytes) = 0;
  /// Takes all of what the half has for the client.
  virtual void take_replies(ByteView bytes) = 0;
  /// To be taken out by whoever carries them on.
  [[nodiscard]] virtual Bytes& requests() = 0;
  [[nodiscard]] virtual Bytes& replies() = 0;
  /// Something must happen before it takes more of the client.
  [[nodiscard]] virtual bool is_waiting() const = 0;
  /// Of the client's, kept until then.
  [[nodiscard]] virtual std::size_t held_bytes() const = 0;

  /// A unit that is to be recorded now; admit() must follow. Once.
  [[nodiscard]] virtual std::optional<MirrorUnit> take_unit() = 0;
  /// `phase_name`: the transaction is prepared under this name, and take_prepared() tells when; empty: it is committed at once.
  virtual void admit(Admission admission, std::string_view phase_name) = 0;
  /// The server has prepared it: decide() must follow. Once.
  [[nodiscard]] virtual bool take_prepared() = 0;
  /// `cause`: why not, for the client; without literals of anybody's.
  virtual void decide(PhaseDecision decision, std::string_view cause) = 0;
  /// Between the two phases: what the session had in its transaction is in no transaction of its connection any more.
  [[nodiscard]] virtual bool is_between_phases() const = 0;
  /// How the unit that was admitted ended, once it is known. Once. Unless it was rolled back the client has not been told yet: it is by
  /// acknowledge().
  [[nodiscard]] virtual std::optional<End> take_end() = 0;
  virtual void acknowledge() = 0;
  /// COMMIT of an admitted unit was given to the half, and how it ended is not known.
  [[nodiscard]] virtual bool is_commit_under_way() const = 0;
  /// What was committed and is not carried, since the last call.
  [[nodiscard]] virtual std::vector<UnmirroredWrite> take_unmirrored() = 0;
};

}  // namespace protocol
