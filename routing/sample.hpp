#pragma once

#include "routing/facts.hpp"
#include "routing/plan.hpp"
#include "routing/side.hpp"

#include <cstdint>
#include <string_view>

namespace routing {

/// A place on the scale from 0 to 9,999 (hundredths of a percent). A key whose place lies below the weight
/// of green reads from green, every other key from blue. Hence raising the weight of green moves keys
/// from blue to green only, and lowering it moves the same keys back.
///
/// The place depends on the key alone, not on the rule: a key that is among the first tenth for one rule is
/// so for all. Rules that split the same traffic by table or class thus keep each client whole on one
/// side instead of scattering it, and editing a rule's name moves nobody.
///
/// All of it is arithmetic on 64 bits without a seed, equal on every machine and in every version: proxies
/// of one fleet must agree about a user or an address without talking. Tests hold it to fixed values.
using Position = std::uint32_t;

/// Sessions are not hashed but laid out by an additive recurrence (multiples of the golden ratio, modulo 1).
/// Any run of 10,000 consecutive numbers meets every weight within a few sessions, where hashing would
/// be off by a hundred now and then.
[[nodiscard]] Position position_of_session(std::uint64_t session_number);

/// The same for each batch of each session: even over the batches of one session, and over the n-th batches
/// of many sessions.
[[nodiscard]] Position position_of_batch(std::uint64_t session_number, std::uint64_t batch_number);

/// A key of text (a user, the value of a tag), spread by a hash. Over n keys the share of green differs
/// from its weight as a draw of n would: by half a point (standard deviation, at 50 %) over 10,000 keys.
[[nodiscard]] Position position_of_key(std::string_view key);

[[nodiscard]] Position position_of_address(const ClientAddress& address);

[[nodiscard]] constexpr Side side_at(Position position, Weights reads) {
  return position < reads.green ? Side::green : Side::blue;
}

}  // namespace routing
