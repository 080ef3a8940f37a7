#include "protocol/postgres/client_half.hpp"

namespace protocol::postgres {

PinReason PostgresClientHalf::pin() const {
  if (is_in_doubt_) return PinReason::untracked_state;
  return pins().empty() ? PinReason::none : pins().begin()->reason;
}

}  // namespace protocol::postgres
