#pragma once

#include "proxy/mirror/desk.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace proxy::mirror {

/// Which unit may be applied when. Pure: no clock, no thread, no file.
///
/// Units come in the order of their commit_sequence, which is a correct serial order for every two writes that conflict. A
/// unit need not wait for an earlier one that took its commit_sequence after this one's last write was answered: both
/// held their locks at once, so they do not conflict. A barrier waits for all before it, and all behind it wait for it.
///
///     add() → unsettled → settle(committed) → ready, taken in an order that the rule allows → running → finish()
///                  └──── settle(dropped) ──→ finished                        give_back() ←──┘
class Sequencer {
 public:
  struct Unit {
    CommitSequence sequence = 0;  ///< higher than that of every unit before
    std::uint64_t last_write_done = 0;
    std::uint64_t bytes = 0;
    std::chrono::milliseconds recorded_at{0};  ///< since 1970
    bool is_barrier = false;
    bool is_alone = false;  ///< in a transaction of its own, beside others
  };
  enum class Settlement : std::uint8_t { committed, dropped };

  /// Looked at per call of take(); units far behind the first unfinished one seldom overlap it.
  static constexpr std::size_t look_ahead_max = 512;

  void add(const Unit& unit);
  /// False: there is no such unit, or it was settled before.
  bool settle(CommitSequence sequence, Settlement settlement);
  /// Up to `count_max` units, and one more than `bytes_max` bytes of them, to apply now, in one transaction and in this order; what different calls give out may be applied
  /// in any order. A unit may depend on those before it in the same call. Empty: none may be applied now.
  [[nodiscard]] std::vector<Unit> take(std::size_t count_max, std::uint64_t bytes_max);
  /// Taken, and applied or set aside.
  void finish(CommitSequence sequence);
  /// Takes one that is ready, whatever is before it. False: it is not.
  [[nodiscard]] bool take_out(CommitSequence sequence);
  /// Taken, and not applied: it is ready again.
  void give_back(CommitSequence sequence);

  /// What is not finished, in its order.
  struct Remaining {
    CommitSequence sequence = 0;
    bool is_settled = false;  ///< it was committed
  };
  [[nodiscard]] std::vector<Remaining> remaining() const;
  [[nodiscard]] std::uint64_t running_units() const;
  /// Finished as it is: it will never be applied.
  void drop(CommitSequence sequence) { finish(sequence); }

  /// All units up to this one are finished.
  [[nodiscard]] CommitSequence finished_through() const;
  [[nodiscard]] CommitSequence highest() const { return highest_; }
  /// Nothing below counts as unfinished; where a journal that was found empty goes on.
  void begin_at(CommitSequence sequence) { highest_ = sequence; }

  [[nodiscard]] std::uint64_t unfinished_units() const { return unfinished_units_; }
  [[nodiscard]] std::uint64_t unfinished_bytes() const { return unfinished_bytes_; }
  /// When the oldest unfinished unit was recorded.
  [[nodiscard]] std::optional<std::chrono::milliseconds> oldest_recorded_at() const;
  [[nodiscard]] std::optional<std::chrono::milliseconds> recorded_at(CommitSequence sequence) const;
  [[nodiscard]] bool is_known(CommitSequence sequence) const { return position_of(sequence) < entries_.size(); }

 private:
  enum class State : std::uint8_t { unsettled, ready, running, finished };
  struct Entry {
    Unit unit;
    State state = State::unsettled;
  };

  [[nodiscard]] std::size_t position_of(CommitSequence sequence) const;
  void close(Entry& entry);

  std::deque<Entry> entries_;  ///< by sequence; the first is unfinished
  CommitSequence highest_ = 0;
  std::uint64_t unfinished_units_ = 0;
  std::uint64_t unfinished_bytes_ = 0;
};

}  // namespace proxy::mirror
