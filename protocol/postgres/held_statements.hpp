#pragma once

#include "protocol/postgres/prepared_statement.hpp"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>

namespace protocol::postgres {

/// A shared statement on one connection, or on its way there.
struct HeldStatement {
  PreparedStatementPointer statement;
  /// The session that had it prepared in a state of its own (uncommitted settings or tables), and alone may use it.
  std::uint64_t owner = 0;
  std::uint64_t schema_version = 0;  ///< when it was prepared
  std::uint64_t shape = 0;           ///< of its result, as this connection has described it since; 0: not known
  bool is_confirmed = false;         ///< the server has said that it is prepared
  std::uint32_t prepared_segment = 0;  ///< in which it was sent; see UnderWay
  bool was_held = false;             ///< it is being prepared anew: if that is skipped, the old one is still there
  std::uint64_t last_use = 0;
  std::uint32_t last_segment = 0;
};

/// Nobody's: to be prepared anew at the next use.
inline constexpr std::uint64_t nobody = ~std::uint64_t{0};

/// The shared statements on one connection; see PreparedStatement::shared.
class HeldStatements {
 public:
  /// Null when the connection does not hold it. Valid until the next change.
  [[nodiscard]] HeldStatement* find(const PreparedStatement& shared) {
    const auto place = held_.find(&shared);
    return place == held_.end() ? nullptr : &place->second;
  }
  HeldStatement& insert(PreparedStatementPointer shared) {
    HeldStatement& held = held_[shared.get()];
    held.statement = std::move(shared);
    return held;
  }
  [[nodiscard]] const HeldStatement* find(const PreparedStatement& shared) const {
    const auto place = held_.find(&shared);
    return place == held_.end() ? nullptr : &place->second;
  }
  void erase(const PreparedStatement& shared) { held_.erase(&shared); }
  void clear() { held_.clear(); }
  [[nodiscard]] std::size_t count() const { return held_.size(); }
  void note_use(HeldStatement& held, std::uint32_t segment) {
    held.last_use = ++use_count_;
    held.last_segment = segment;
  }
  /// The one that was used longest ago, and not since the last Sync; null: all were.
  [[nodiscard]] PreparedStatementPointer find_least_used(std::uint32_t segment) const {
    const HeldStatement* least = nullptr;
    for (const auto& [address, held] : held_) {
      if (held.last_segment == segment) continue;
      if (least == nullptr || held.last_use < least->last_use) least = &held;
    }
    return least == nullptr ? nullptr : least->statement;
  }

 private:
  std::unordered_map<const PreparedStatement*, HeldStatement> held_;
  std::uint64_t use_count_ = 0;
};

}  // namespace protocol::postgres
