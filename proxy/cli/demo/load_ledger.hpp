#pragma once

#include "routing/side.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace proxy::cli {

/// What the clients of the demo do.
enum class WorkKind : std::uint8_t {
  read,              ///< of a client that only reads
  read_transaction,  ///< likewise, declared so
  write,             ///< a transaction of TPC-B
  own_read,          ///< of what the same client has just written
};

/// Counts of what the clients themselves saw.
struct LoadCounts {
  routing::PerSide<std::uint64_t> reads;      ///< of clients that only read, by the side that the row itself names
  routing::PerSide<std::uint64_t> own_reads;  ///< of what the client has written; each was there
  routing::PerSide<std::uint64_t> writes;     ///< committed transactions
  std::uint64_t errors = 0;                ///< an error, a wrong answer, or none in time
  std::uint64_t dropped = 0;               ///< connections lost or refused
  std::chrono::microseconds worst{0};      ///< longest transaction, from its first byte sent to its last received
  [[nodiscard]] std::uint64_t read_count() const { return reads[routing::Side::blue] + reads[routing::Side::green]; }
  [[nodiscard]] std::uint64_t write_count() const { return writes[routing::Side::blue] + writes[routing::Side::green]; }
  [[nodiscard]] std::uint64_t own_read_count() const { return own_reads[routing::Side::blue] + own_reads[routing::Side::green]; }
  /// In percent; 0 when there were no reads.
  [[nodiscard]] double green_read_share() const;
};

/// What clients felt of something that happened to all of them at once.
struct Stall {
  std::chrono::microseconds silence{0};  ///< longest time in which no writing transaction of any client ended
  std::chrono::microseconds longest{0};  ///< longest transaction of those that ended
};

/// Between the thread that drives load and the one that tells the story. All functions may be called from
/// both. A *phase* is a stretch in which the weights are known to be settled: a transaction belongs to one
/// when it began and ended in it, so that a share is exact and not blurred by what was under way.
class LoadLedger {
 public:
  static constexpr std::size_t phase_count_max = 16;
  using Phase = std::optional<std::size_t>;

  void enter_phase(std::size_t phase);
  void leave_phase();
  [[nodiscard]] Phase phase() const;

  void note_success(WorkKind kind, routing::Side side, std::chrono::microseconds took, Phase began_in);
  void note_error(std::string what);
  void note_drop(std::string what);

  /// From here on stalls are measured; the silence began with the last write before.
  void watch_stalls();
  /// What was felt since watch_stalls().
  [[nodiscard]] Stall stall() const;

  /// Everything since the last call.
  [[nodiscard]] LoadCounts take_interval();
  [[nodiscard]] LoadCounts total() const;
  [[nodiscard]] LoadCounts of_phase(std::size_t phase) const;
  /// The first error or drop, in words; empty without one.
  [[nodiscard]] std::string first_trouble() const;

 private:
  void note_trouble(std::string what, std::uint64_t LoadCounts::* member);

  mutable std::mutex mutex_;
  Phase phase_;
  LoadCounts total_;
  LoadCounts interval_;
  std::array<LoadCounts, phase_count_max> phases_;
  std::string first_trouble_;
  std::chrono::steady_clock::time_point last_write_at_;
  Stall stall_;
};

}  // namespace proxy::cli
