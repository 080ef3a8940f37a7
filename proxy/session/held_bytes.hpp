#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace proxy::session {

/// Bytes of requests that wait inside the proxy, of the whole process, and how many there may be. Thread-safe.
class HeldBytes {
 public:
  static constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

  explicit HeldBytes(std::uint64_t bytes_max = no_limit) : bytes_max_(bytes_max) {}
  void set_max(std::uint64_t bytes_max) { bytes_max_.store(bytes_max, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  /// What one session has in it. Lifetime: at most that of the whole.
  class Share {
   public:
    explicit Share(HeldBytes* whole) : whole_(whole) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { (void)set(0); }
    enum class Outcome : std::uint8_t { fits, too_much };
    /// `too_much`: it has grown, and all together are beyond the limit. It counts all the same until it is set again.
    [[nodiscard]] Outcome set(std::size_t bytes) {
      if (whole_ == nullptr || bytes == bytes_) return Outcome::fits;
      const bool has_grown = bytes > bytes_;
      const std::uint64_t difference = bytes - std::exchange(bytes_, bytes);  // modulo 2^64, as the sum is
      const std::uint64_t sum = whole_->bytes_.fetch_add(difference, std::memory_order_relaxed) + difference;
      return has_grown && sum > whole_->bytes_max_.load(std::memory_order_relaxed) ? Outcome::too_much : Outcome::fits;
    }

   private:
    HeldBytes* const whole_;  ///< null: nobody counts
    std::uint64_t bytes_ = 0;
  };

 private:
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> bytes_max_;
};

}  // namespace proxy::session
