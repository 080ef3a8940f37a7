#pragma once

#include "protocol/base/bytes.hpp"

#include <cstddef>
#include <vector>

namespace protocol {

/// What is to be sent to one peer, in order: slices borrowed from a receive buffer and pieces of our own.
/// Neighbouring borrowed slices are merged, so traffic that is forwarded unchanged is one slice.
/// Lifetime: borrowed slices are loans; send or copy them before the receive buffer changes, then clear().
class Gather {
 public:
  void borrow(ByteView slice) {
    if (slice.empty()) return;
    total_bytes_ += slice.size();
    if (!slices_.empty() && slice.data() == borrowed_end_) {
      slices_.back().size += slice.size();
    } else {
      slices_.push_back(Slice{slice.data(), 0, slice.size()});
    }
    borrowed_end_ = slice.data() + slice.size();
  }

  /// Copies `piece` into storage of the Gather.
  void own(ByteView piece) {
    if (piece.empty()) return;
    total_bytes_ += piece.size();
    borrowed_end_ = nullptr;
    const std::size_t offset = storage_.size();
    append(storage_, piece);
    if (!slices_.empty()) {
      Slice& last = slices_.back();
      if (last.borrowed == nullptr && last.offset + last.size == offset) {
        last.size += piece.size();
        return;
      }
    }
    slices_.push_back(Slice{nullptr, offset, piece.size()});
  }

  /// A copy of the last `bytes`. Precondition: there are as many.
  [[nodiscard]] Bytes tail(std::size_t bytes) const {
    Bytes copy;
    std::size_t skipped = total_bytes_ - bytes;
    for (std::size_t i = 0; i < slices_.size(); ++i) {
      const ByteView piece = slice(i);
      const std::size_t out = skipped < piece.size() ? skipped : piece.size();
      skipped -= out;
      append(copy, piece.subspan(out));
    }
    return copy;
  }
  /// Takes off the last `bytes`. Precondition: there are as many.
  void shorten(std::size_t bytes) {
    total_bytes_ -= bytes;
    borrowed_end_ = nullptr;
    while (bytes > 0) {
      Slice& last = slices_.back();
      const std::size_t taken = bytes < last.size ? bytes : last.size;
      last.size -= taken;
      bytes -= taken;
      if (last.size == 0) slices_.pop_back();
    }
  }

  [[nodiscard]] bool empty() const { return slices_.empty(); }
  [[nodiscard]] std::size_t slice_count() const { return slices_.size(); }
  [[nodiscard]] std::size_t total_bytes() const { return total_bytes_; }
  /// The slice at `index`; valid until the next own() or clear().
  [[nodiscard]] ByteView slice(std::size_t index) const {
    const Slice& slice = slices_[index];
    if (slice.borrowed != nullptr) return {slice.borrowed, slice.size};
    return {storage_.data() + slice.offset, slice.size};
  }

  void clear() {
    slices_.clear();
    borrowed_end_ = nullptr;
    storage_.clear();
    total_bytes_ = 0;
  }

 private:
  struct Slice {
    const std::byte* borrowed;  ///< nullptr: the bytes are in storage_ at `offset`
    std::size_t offset;
    std::size_t size;
  };
  std::vector<Slice> slices_;
  const std::byte* borrowed_end_ = nullptr;  ///< where the last slice ends, if it is a borrowed one
  Bytes storage_;
  std::size_t total_bytes_ = 0;
};

}  // namespace protocol
