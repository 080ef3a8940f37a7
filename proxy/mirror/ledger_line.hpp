#pragma once

#include "protocol/base/result.hpp"
#include "proxy/mirror/control.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace proxy::mirror {

/// An entry as one line of the ledger's file: a JSON object whose last member is a checksum over what stands before it,
/// going on from the line before (`seed`; 0 for the first), so that a line that is missing or changed shows. Without the line's end.
[[nodiscard]] std::string encode_line(const LedgerEntry& entry, std::uint32_t seed);

struct LedgerLine {
  LedgerEntry entry;
  std::uint32_t checksum = 0;  ///< what the next line goes on from
};
/// Errors: message_malformed.
[[nodiscard]] protocol::Result<LedgerLine> decode_line(std::string_view line, std::uint32_t seed);

}  // namespace proxy::mirror
