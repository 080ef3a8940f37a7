#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace protocol::postgres {

/// Values by text, bounded in entries and in bytes. Sets of eight slots; within a set the clock decides who
/// goes. Texts are compared in full: that two hashes are equal proves nothing, and clients choose the texts.
template <class Value>
class TextCache {
 public:
  /// `bytes_max` counts texts and what insert() says of values.
  TextCache(std::size_t entries_max, std::size_t bytes_max) : bytes_max_(bytes_max) {
    std::size_t sets = 1;
    while (sets * ways < entries_max) sets *= 2;
    sets_.resize(sets);
  }

  /// Valid until the next change of the cache; null if the text is not there.
  [[nodiscard]] const Value* find(std::string_view text, std::uint64_t hash) {
    Set& set = sets_[hash & (sets_.size() - 1)];
    for (std::size_t i = 0; i < ways; ++i) {
      if (set.hashes[i] != hash || set.entries[i] == nullptr || set.entries[i]->text != text) continue;
      if (!set.is_used[i]) set.is_used[i] = true;  // a line that is only read stays shared and clean
      return &set.entries[i]->value;
    }
    return nullptr;
  }

  /// Precondition: the text is not there. A value that would fill a good part of the cache is not kept.
  void insert(std::string_view text, std::uint64_t hash, Value value, std::size_t value_bytes) {
    const std::size_t bytes = sizeof(Entry) + text.size() + value_bytes;
    if (bytes > bytes_max_ / entry_share) return;
    Set& set = sets_[hash & (sets_.size() - 1)];
    const std::size_t slot = choose_slot(set);
    drop(set, slot);
    while (bytes_ + bytes > bytes_max_) drop_one();
    set.entries[slot].reset(new Entry{std::string(text), std::move(value), bytes});
    set.hashes[slot] = hash;
    set.is_used[slot] = true;
    bytes_ += bytes;
    ++count_;
  }

  void clear() {
    for (Set& set : sets_) {
      for (std::size_t i = 0; i < ways; ++i) drop(set, i);
    }
  }

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  static constexpr std::size_t ways = 8;
  /// No entry may take more than one part in so many of the bytes.
  static constexpr std::size_t entry_share = 8;

  struct Entry {
    std::string text;
    Value value;
    std::size_t bytes;
  };
  /// A text that is not there costs one cache line: that of the hashes.
  struct alignas(64) Set {
    std::uint64_t hashes[ways] = {};
    std::unique_ptr<Entry> entries[ways];
    bool is_used[ways] = {};
    std::uint8_t hand = 0;
  };

  std::size_t choose_slot(Set& set) {
    for (std::size_t i = 0; i < ways; ++i) {
      if (set.entries[i] == nullptr) return i;
    }
    for (;;) {
      const std::size_t slot = set.hand;
      set.hand = static_cast<std::uint8_t>((set.hand + 1) % ways);
      if (!set.is_used[slot]) return slot;
      set.is_used[slot] = false;
    }
  }

  void drop(Set& set, std::size_t slot) {
    if (set.entries[slot] == nullptr) return;
    bytes_ -= set.entries[slot]->bytes;
    --count_;
    set.entries[slot].reset();
    set.hashes[slot] = 0;
  }

  /// Frees bytes: goes round all sets and drops the next entry that was not used since it came by.
  void drop_one() {
    for (;;) {
      Set& set = sets_[hand_ / ways];
      const std::size_t slot = hand_ % ways;
      hand_ = (hand_ + 1) % (sets_.size() * ways);
      if (set.entries[slot] == nullptr) continue;
      if (!set.is_used[slot]) return drop(set, slot);
      set.is_used[slot] = false;
    }
  }

  std::vector<Set> sets_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::size_t count_ = 0;
  std::size_t hand_ = 0;
};

}  // namespace protocol::postgres
