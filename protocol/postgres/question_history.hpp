#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace protocol::postgres {

/// Which statements were asked about in vain: a function that has left nothing behind a few times is asked about less
/// often. One per worker; bounded, and forgets.
class QuestionHistory {
 public:
  /// Whether it should be asked about now what a statement with this fingerprint has left behind.
  [[nodiscard]] bool is_due(std::uint64_t fingerprint) {
    if (entries_.empty()) return true;
    Entry& entry = entries_[fingerprint % entry_count];
    if (entry.fingerprint != fingerprint || entry.clean_count < clean_enough) return true;
    entry.skipped_count = static_cast<std::uint8_t>((entry.skipped_count + 1) % asked_every);
    return entry.skipped_count == 0;
  }
  void note_clean(std::uint64_t fingerprint) {
    Entry& entry = entry_of(fingerprint);
    if (entry.clean_count < clean_enough && !entry.was_dirty) ++entry.clean_count;
  }
  /// Asked about every time from now on.
  void note_dirty(std::uint64_t fingerprint) {
    Entry& entry = entry_of(fingerprint);
    entry.was_dirty = true;
    entry.clean_count = 0;
  }

  /// Some session has asked for values of sequences that it has drawn (currval, lastval). Until then nobody pays for keeping
  /// those of different sessions apart.
  void note_sequences_wanted() { are_sequences_wanted_ = true; }
  [[nodiscard]] bool are_sequences_wanted() const { return are_sequences_wanted_; }

  static constexpr std::uint8_t clean_enough = 4;
  static constexpr std::uint8_t asked_every = 32;

 private:
  static constexpr std::size_t entry_count = 1024;
  struct Entry {
    std::uint64_t fingerprint = 0;
    std::uint8_t clean_count = 0;
    std::uint8_t skipped_count = 0;
    bool was_dirty = false;
  };
  Entry& entry_of(std::uint64_t fingerprint) {
    if (entries_.empty()) entries_.resize(entry_count);
    Entry& entry = entries_[fingerprint % entry_count];
    if (entry.fingerprint != fingerprint) entry = Entry{fingerprint};
    return entry;
  }
  std::vector<Entry> entries_;
  bool are_sequences_wanted_ = false;
};

}  // namespace protocol::postgres
