#pragma once

#include "protocol/base/result.hpp"
#include "proxy/mirror/journal_format.hpp"
#include "proxy/mirror/options.hpp"
#include "proxy/net/file_descriptor.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace proxy::mirror {

/// The units on the disk, in segments that are only appended to. One thread writes; whatever came while it waited for the
/// disk goes with the next round, so that one fdatasync serves all of them.
class Journal {
 public:
  struct Options {
    std::string directory;
    Durability durability = Durability::commit;
    std::chrono::milliseconds flush_interval{5};
    std::uint64_t bytes_max = 0;
    std::uint64_t segment_bytes = 0;  ///< a segment that has so many is followed by the next
  };
  enum class Verdict : std::uint8_t { safe, failed };
  /// On the writing thread, with the record as it was to be written.
  using WhenWritten = std::function<void(Verdict, protocol::ByteView record)>;
  /// On the writing thread, before each round: what must be on the disk before the round's units are called safe.
  using BeforeRound = std::function<protocol::Status()>;
  /// Once for each failure, on the writing thread, before the units of the round hear of it.
  using OnFailure = std::function<void(const protocol::Error&)>;

  /// A unit that a former process wrote, and what it knew of its end.
  struct Recovered {
    CommitSequence sequence = 0;
    std::uint64_t bytes = 0;
    std::chrono::milliseconds recorded_at{0};
    std::uint64_t last_write_done = 0;
    bool is_barrier = false;
    bool is_two_phase = false;
    std::string database;
    std::string transaction_id;
    std::optional<Fate> fate;
  };
  /// Bytes in the middle that no record could be made of: units may be missing there.
  struct Damage {
    CommitSequence after = 0;  ///< the last sequence before it
    std::uint64_t bytes = 0;
  };
  struct Recovery {
    std::vector<Recovered> units;  ///< by sequence
    CommitSequence highest = 0;
    std::vector<Damage> damages;
    std::uint64_t tail_bytes = 0;  ///< cut off at the end
  };

  Journal(Options options, BeforeRound before_round, OnFailure on_failure);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Reads what is there, then begins a segment of its own, behind `highest`, and the thread. Units up to
  /// `finished_through` are left out.
  [[nodiscard]] protocol::Result<Recovery> open(const StreamName& stream, routing::Side authority, CommitSequence highest,
                                                CommitSequence finished_through);
  /// Writes what is pending and ends the thread.
  void close();

  /// Whether a record of so many bytes still has room.
  [[nodiscard]] bool has_room(std::uint64_t bytes) const;
  /// In the order of their sequences. `record` is from encode_intent().
  void append_intent(CommitSequence sequence, std::chrono::milliseconds recorded_at, protocol::Bytes record, WhenWritten when_written);
  void append_fate(const FateRecord& fate);
  /// Waits until everything appended so far is on the disk.
  [[nodiscard]] protocol::Status flush();
  /// A unit that was appended or recovered. Errors: internal, message_malformed.
  [[nodiscard]] protocol::Result<protocol::MirrorUnit> read_unit(CommitSequence sequence) const;
  [[nodiscard]] protocol::Result<IntentRecord> read_intent(CommitSequence sequence) const;
  /// Units up to this one are not needed any more: segments that hold no other go.
  void release_through(CommitSequence sequence);
  /// Everything appended goes to a new segment; for another direction, or after a failure. Nothing may be pending.
  [[nodiscard]] protocol::Status begin_segment(const StreamName& stream, routing::Side authority, CommitSequence highest);

  [[nodiscard]] std::uint64_t bytes() const;
  /// Every unit below is in no segment any more.
  [[nodiscard]] CommitSequence first_kept() const;

 private:
  struct Segment {
    std::string path;
    SegmentHeader header;
    std::uint32_t seed = 0;
    std::shared_ptr<net::FileDescriptor> file;
    std::uint64_t bytes = 0;
    CommitSequence highest = 0;  ///< of the intents in it, or what the one before ended with
  };
  struct Place {
    std::shared_ptr<net::FileDescriptor> file;
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    std::uint32_t seed = 0;
  };
  struct Pending {
    CommitSequence sequence = 0;
    std::chrono::milliseconds recorded_at{0};
    protocol::Bytes record;  ///< empty: a fate
    FateRecord fate;
    WhenWritten when_written;
  };

  [[nodiscard]] protocol::Status recover(const std::string& path, Recovery& recovery, CommitSequence finished_through, bool is_last);
  [[nodiscard]] protocol::Result<Segment> create_segment(const SegmentHeader& header) const;
  void note_recovered(const Segment& segment, const Record& record, std::uint64_t offset, std::size_t bytes, Recovery& recovery,
                      CommitSequence finished_through);
  void run();
  enum class Sync : std::uint8_t { now, later };
  [[nodiscard]] protocol::Status carry_out(std::vector<Pending>& round, Sync sync);
  /// On the writing thread: other threads add a segment only when nothing is pending, and take only earlier ones away.
  [[nodiscard]] Segment& current();
  [[nodiscard]] protocol::Status write_round(std::vector<Pending>& round);
  [[nodiscard]] protocol::Status write_batch(protocol::Bytes& batch, std::vector<std::pair<CommitSequence, Place>>& places);
  [[nodiscard]] protocol::Status rotate();
  void finish_round(std::vector<Pending>& round, const protocol::Status& status);

  const Options options_;
  BeforeRound before_round_;
  OnFailure on_failure_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable written_;
  std::deque<Segment> segments_;  ///< the last one is written
  std::map<CommitSequence, Place> places_;
  std::vector<Pending> pending_;
  std::uint64_t pending_bytes_ = 0;
  std::uint64_t rounds_wanted_ = 0;  ///< of those who wait for flush()
  std::uint64_t rounds_done_ = 0;
  protocol::Status last_round_;
  bool is_failed_ = false;
  bool is_unsynced_ = false;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace proxy::mirror
