#pragma once

#include "protocol/base/bytes.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace proxy::session {

/// Emptied buffers for requests that are kept while they are unanswered. One per worker and pair: sessions hold one
/// only while something is under way, and no request allocates.
class BufferShelf {
 public:
  [[nodiscard]] protocol::Bytes take() {
    if (buffers_.empty()) return {};
    protocol::Bytes buffer = std::move(buffers_.back());
    buffers_.pop_back();
    return buffer;
  }
  void put_back(protocol::Bytes&& buffer) {
    if (buffers_.size() == buffers_max) return;
    buffer.clear();
    buffers_.push_back(std::move(buffer));
  }

 private:
  static constexpr std::size_t buffers_max = 64;
  std::vector<protocol::Bytes> buffers_;
};

/// The bytes of the batches under way, oldest first, as long as all of them may be sent again.
///
///     idle --the first batch under way is kept--> keeping --the last one is answered--> idle
///     idle, keeping --a batch that must not be repeated--> forfeited --the last one is answered--> idle
class KeptRequests {
 public:
  /// What is kept for one session at most.
  static constexpr std::size_t bytes_max = std::size_t{16} << 10;

  /// A batch is on its way. False: it was not kept, because of its size or because another one under way is not.
  bool keep(protocol::ByteView batch, BufferShelf& shelf) {
    if (is_forfeited_ || size() + batch.size() > bytes_max) return false;
    if (bytes_.empty()) bytes_ = shelf.take();
    if (begin_ > bytes_max) {  // of a client that always has something under way
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
    protocol::append(bytes_, batch);
    return true;
  }
  /// A batch is on its way that must not be repeated, and neither can those before it be.
  void forfeit(BufferShelf& shelf) {
    release(shelf);
    is_forfeited_ = true;
  }
  /// The oldest batch, of so many bytes, is answered.
  void drop_front(std::size_t bytes) {
    if (!is_forfeited_) begin_ += bytes;
  }
  /// Nothing is under way any more.
  void release(BufferShelf& shelf) {
    if (bytes_.capacity() != 0) shelf.put_back(std::exchange(bytes_, {}));
    begin_ = 0;
    is_forfeited_ = false;
  }

  [[nodiscard]] std::size_t size() const { return bytes_.size() - begin_; }
  [[nodiscard]] protocol::ByteView bytes() const { return protocol::ByteView(bytes_).subspan(begin_); }

 private:
  protocol::Bytes bytes_;
  std::size_t begin_ = 0;
  bool is_forfeited_ = false;
};

}  // namespace proxy::session
