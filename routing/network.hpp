#pragma once

#include "protocol/base/result.hpp"
#include "routing/facts.hpp"
#include "routing/plan.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace routing {

/// "10.1.2.3", "::1", "2001:db8::7"; nothing for anything else (no names, no brackets, no zone).
[[nodiscard]] std::optional<ClientAddress> parse_address(std::string_view text);

/// An address, or one with a prefix length: "10.0.0.0/8", "2001:db8::/32", "::1". Fails with
/// configuration_invalid, and also when bits are set beyond the prefix ("10.1.0.0/8"): that is a
/// mistake in one of the two halves, and guessing which would widen or narrow a rule.
[[nodiscard]] protocol::Result<Network> parse_network(std::string_view text);

/// IPv4 in dotted form, IPv6 in the usual short form, "local" for all zeros (a local socket).
[[nodiscard]] std::string format_address(const ClientAddress& address);
[[nodiscard]] std::string format_network(const Network& network);

/// An address of the machine itself: 127.0.0.0/8 or ::1.
[[nodiscard]] bool is_loopback(const ClientAddress& address);

}  // namespace routing
