#pragma once

#include "protocol/mirror_unit.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace protocol {

/// One request to the follower, in its dialect. Views and pointers are loans of the unit that it was made from.
struct ApplyStep {
  std::string text;
  std::vector<const TextValue*> parameters;
  std::string_view copy_data;  ///< sent when the server asks for it
  bool is_usual = false;  ///< the same text will be met again: worth being prepared
  /// The same for a session instead of a transaction, where a setting is made; else empty.
  std::string session_text;
  std::string table;  ///< "schema.table"; empty for statements
  std::optional<std::uint64_t> rows_expected;  ///< that the follower must report; nothing: it may be any number
};

/// What to send to a follower so that it has a unit. Pure.
class ApplyText {
 public:
  virtual ~ApplyText() = default;
  /// In their order, settings among them. They hold for the transaction in hand only.
  [[nodiscard]] virtual std::vector<ApplyStep> steps_of(const MirrorUnit& unit) const = 0;
  /// Questions to the authority, each of which has an answer with rows only if the unit's transaction has committed there. That none
  /// has, proves nothing: later transactions may have changed what it left.
  [[nodiscard]] virtual std::vector<ApplyStep> traces_of(const MirrorUnit& unit) const = 0;
};

}  // namespace protocol
