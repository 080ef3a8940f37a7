#include "protocol/pin.hpp"

#include <algorithm>

namespace protocol {

namespace {

auto place_of(std::vector<Pin>& pins, PinReason reason) {
  return std::lower_bound(pins.begin(), pins.end(), reason,
                          [](const Pin& pin, PinReason wanted) { return pin.reason < wanted; });
}

/// What no statement undoes: a library stays loaded, a user refused, a stream of replication what it is.
bool is_for_life(PinReason reason) {
  switch (reason) {
    case PinReason::replication:
    case PinReason::loaded_library:
    case PinReason::random_seed:
    case PinReason::external_link:
    case PinReason::login_refused: return true;
    default: return false;
  }
}

}  // namespace

std::string_view clearing_of(PinReason reason) {
  switch (reason) {
    case PinReason::none: return "";
    case PinReason::temporary_object: return "dropping the temporary objects, DISCARD TEMP, DISCARD ALL";
    case PinReason::advisory_lock: return "pg_advisory_unlock, pg_advisory_unlock_all, DISCARD ALL";
    case PinReason::listen: return "UNLISTEN, DISCARD ALL";
    case PinReason::hold_cursor: return "CLOSE, DISCARD ALL";
    case PinReason::replication:
    case PinReason::loaded_library:
    case PinReason::random_seed:
    case PinReason::external_link:
    case PinReason::login_refused: return "the end of the session";
    case PinReason::sequence_value: return "DISCARD SEQUENCES, DISCARD ALL";
    case PinReason::untracked_state: return "an answer of the server about its state, DISCARD ALL";
    case PinReason::restore_failed: return "DISCARD ALL";
  }
  return "";
}

void Pins::add(PinReason reason, std::uint64_t fingerprint) {
  const auto place = place_of(pins_, reason);
  if (place != pins_.end() && place->reason == reason) return;
  pins_.insert(place, Pin{reason, fingerprint});
  ++version_;
}

void Pins::remove(PinReason reason) {
  const auto place = place_of(pins_, reason);
  if (place == pins_.end() || place->reason != reason) return;
  pins_.erase(place);
  ++version_;
}

void Pins::discard() {
  if (std::erase_if(pins_, [](const Pin& pin) { return !is_for_life(pin.reason); }) != 0) ++version_;
}

bool Pins::has(PinReason reason) const {
  return std::any_of(pins_.begin(), pins_.end(), [&](const Pin& pin) { return pin.reason == reason; });
}

}  // namespace protocol
