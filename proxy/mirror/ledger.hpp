#pragma once

#include "protocol/base/result.hpp"
#include "proxy/mirror/control.hpp"
#include "proxy/net/file_descriptor.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace proxy::mirror {

/// The durable list of everything known to differ or not yet proven equal, in a file that only grows (and is written anew
/// when most of it is old news). Each line is the newest state of one entry. Safe to use from every thread.
class Ledger {
 public:
  static constexpr std::size_t keys_max = 100;           ///< per entry; then it is about the whole table
  static constexpr std::size_t open_entries_max = 10'000;  ///< then one more says that there are others

  /// Reads what is there; a last line that a crash cut off is removed. Errors: internal when the file cannot be used,
  /// configuration_invalid when a line in it was changed.
  [[nodiscard]] protocol::Status open(const std::string& path);

  /// Something happened; an open entry for the like takes it in. Only in memory until flush(). Takes of `entry` what happened:
  /// kind, database, table, keys, fingerprint, cause, first_position.
  std::uint64_t note(const LedgerEntry& entry, std::chrono::system_clock::time_point now);
  /// Something is not on the disk yet that must be there before a client hears of its commit.
  [[nodiscard]] bool is_pending() const;
  /// Writes what is pending; `Extent::all`: counts and times that have grown, too.
  enum class Extent : std::uint8_t { pending, all };
  [[nodiscard]] protocol::Status flush(Extent extent);
  /// Durable when it returns. Errors: configuration_invalid when there is no such open entry; internal.
  [[nodiscard]] protocol::Result<LedgerEntry> close(std::uint64_t id, const std::string& by,
                                                    std::chrono::system_clock::time_point now);

  [[nodiscard]] std::vector<LedgerEntry> entries(MirrorControl::Extent extent) const;
  [[nodiscard]] std::uint64_t open_count() const;
  [[nodiscard]] bool has_open(LedgerKind kind) const;
  /// The first position that an open entry keeps from being on the follower; nothing: none does.
  [[nodiscard]] std::optional<CommitSequence> first_missing() const;
  /// A unit that would have changed this row was not applied, and that is still open. An empty key: any row of the table.
  [[nodiscard]] bool is_missing(const std::string& database, const std::string& table, const std::string& key) const;
  /// Some unit was not applied; is_missing() is worth asking.
  [[nodiscard]] bool has_missing() const;

 private:
  enum class Staleness : std::uint8_t { written, grown, pending };
  struct Held {
    LedgerEntry entry;
    Staleness staleness = Staleness::pending;
  };
  struct MissingRows {
    bool is_whole_table = false;
    std::set<std::string> keys;
  };

  [[nodiscard]] Held* find_like(const LedgerEntry& entry);
  void collect_missing();
  void add_missing(const LedgerEntry& entry);
  [[nodiscard]] protocol::Status read_all(const std::string& path);
  [[nodiscard]] protocol::Status rewrite();
  void reserve_room();

  std::mutex file_mutex_;  ///< taken before mutex_
  net::FileDescriptor file_;
  std::string path_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t reserved_bytes_ = 0;
  std::uint32_t seed_ = 0;

  mutable std::mutex mutex_;
  std::map<std::uint64_t, Held> entries_;
  std::map<std::string, MissingRows> missing_;  ///< by database and table
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::string, std::uint64_t> open_;  ///< ids of open entries by what makes them alike
  bool is_pending_ = false;
};

}  // namespace proxy::mirror
