#pragma once

#include <string_view>

namespace protocol::postgres {

/// Compares names without regard to the case of ASCII letters.
[[nodiscard]] bool equals_folded(std::string_view left, std::string_view right);

/// False for client encodings in which a byte of a longer character may be an ASCII byte, a quote or a backslash: what is written
/// in them cannot be read here.
/// Source: PostgreSQL 15 manual, 24.3.1 "Supported Character Sets", those not allowed as server encodings.
[[nodiscard]] bool is_readable_encoding(std::string_view name);

}  // namespace protocol::postgres
