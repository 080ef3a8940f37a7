#pragma once

#include "config/settings.hpp"
#include "protocol/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace config {

/// Values from their written form. Each fails with configuration_invalid and a detail that can follow the
/// quoted text: "is not a duration; …". None accepts blanks around, signs, or a number without its unit.

/// "250ms", "30s", "5m", "1h", with a fraction if it comes to whole milliseconds ("1.5s"). At most a year.
[[nodiscard]] protocol::Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "512B", "64KiB", "1MiB", "1GiB". At most 1 TiB.
[[nodiscard]] protocol::Result<std::uint64_t> parse_size(std::string_view text);

/// "10", "12.5", "33.33%": in hundredths of a percent, 0 to 10,000.
[[nodiscard]] protocol::Result<std::uint32_t> parse_percent(std::string_view text);

/// A whole number from 0 to 4,294,967,295.
[[nodiscard]] protocol::Result<std::uint32_t> parse_count(std::string_view text);

/// "127.0.0.1:6432", "[::1]:6432", "localhost:6432" (which is 127.0.0.1).
[[nodiscard]] protocol::Result<ListenAddress> parse_listen(std::string_view text);

/// The other way round, with brackets where needed.
[[nodiscard]] std::string format_listen(const ListenAddress& address);

[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

/// A verifier as PostgreSQL stores it, "SCRAM-SHA-256$4096:salt$stored key:server key". The detail never
/// quotes it.
/// Source: PostgreSQL 15, 53.9 "pg_authid", column rolpassword.
[[nodiscard]] protocol::Status check_scram_verifier(std::string_view text);

/// The same, or the older form: "md5" and 32 hexadecimal digits.
[[nodiscard]] protocol::Status check_verifier_text(std::string_view text);

}  // namespace config
