#pragma once

#include "proxy/backend/connection.hpp"
#include "proxy/backend/connection_counts.hpp"

#include <optional>

namespace proxy::backend {

/// What a worker is given for one of its sessions that wait: a connection with the right to it, or the right to open one.
/// May be destroyed on any thread.
struct Award {
  NeedPointer need;
  ConnectionCounts::Reservation reservation;  ///< unless there is a parcel
  std::optional<Connection::Parcel> parcel;
};

}  // namespace proxy::backend
