#pragma once

#include "protocol/statement.hpp"
#include "proxy/runtime/loop.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace proxy::session {

/// A batch on its way, for measuring.
struct InFlight {
  runtime::Instant sent;
  protocol::StatementClass statement_class;
  std::uint32_t kept_bytes = 0;  ///< in KeptRequests
};

/// The batches that are sent and not answered, oldest first. Almost always none or one.
class InFlightQueue {
 public:
  void push(InFlight batch) { batches_.push_back(batch); }
  [[nodiscard]] bool empty() const { return front_ == batches_.size(); }
  [[nodiscard]] std::size_t size() const { return batches_.size() - front_; }
  void clear() {
    batches_.clear();
    front_ = 0;
  }
  /// One of them may write, or begin or end a transaction.
  [[nodiscard]] bool has_more_than_reads() const {
    for (std::size_t i = front_; i < batches_.size(); ++i) {
      const protocol::StatementClass each = batches_[i].statement_class;
      if (each != protocol::StatementClass::read && each != protocol::StatementClass::session) return true;
    }
    return false;
  }
  /// How often pop() was called.
  [[nodiscard]] std::uint64_t popped_count() const { return popped_count_; }
  /// Precondition: not empty.
  InFlight pop() {
    const InFlight batch = batches_[front_++];
    ++popped_count_;
    if (front_ == batches_.size()) {
      batches_.clear();
      front_ = 0;
      if (batches_.capacity() > retained_max) batches_.shrink_to_fit();
    }
    return batch;
  }

 private:
  static constexpr std::size_t retained_max = 64;
  std::vector<InFlight> batches_;
  std::size_t front_ = 0;
  std::uint64_t popped_count_ = 0;
};

}  // namespace proxy::session
