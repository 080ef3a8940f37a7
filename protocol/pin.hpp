#pragma once

#include "protocol/statement.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace protocol {

/// One reason why a session cannot leave the connection, or the side, that it is on.
struct Pin {
  PinReason reason = PinReason::none;
  std::uint64_t fingerprint = 0;  ///< of the statement that caused it, without its literals; 0: no statement did
  bool operator==(const Pin&) const = default;
};

/// What makes a pin go away, in words for people.
[[nodiscard]] std::string_view clearing_of(PinReason reason);

/// The pins of one session: at most one for each reason, the strictest reason (the smallest) first.
class Pins {
 public:
  /// The first cause stays the one that is told.
  void add(PinReason reason, std::uint64_t fingerprint);
  void remove(PinReason reason);
  /// DISCARD ALL and its like: everything goes that a server can throw away.
  void discard();
  [[nodiscard]] bool has(PinReason reason) const;
  [[nodiscard]] bool empty() const { return pins_.empty(); }
  [[nodiscard]] auto begin() const { return pins_.begin(); }
  [[nodiscard]] auto end() const { return pins_.end(); }
  /// Changes with every pin that comes or goes: equal numbers, equal pins.
  [[nodiscard]] std::uint32_t version() const { return version_; }

 private:
  std::vector<Pin> pins_;
  std::uint32_t version_ = 0;
};

}  // namespace protocol
